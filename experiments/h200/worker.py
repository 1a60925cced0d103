"""Measure families one after the other in this process, keeping a record of how far it got."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environment
from attention import decode_cases, prefill_cases
from cases import Case, CaseMaker, Deadline, Settings, TableWriter, error_note
from checks import check_cases
from elementwise import elementwise_cases, sampling_cases
from gemm import bf16_cases, fp8_cases
from memory import copy_cases, launch_cases
from moe import moe_cases
from timing import CpuTimer, CudaTimer, warm_clocks

BROKEN_DEVICE = 3  # exit status: the GPU answers no more in this process, a new one may go on


@dataclass(frozen=True, slots=True)
class Family:
    """Cases to measure, and which part of the time that is left they may take."""

    cases: CaseMaker
    share: float


FAMILIES = {  # most wanted first
    "check": Family(check_cases, 0.15),
    "gemm_bf16": Family(bf16_cases, 0.30),
    "launch": Family(launch_cases, 0.15),
    "attention_decode": Family(decode_cases, 0.35),
    "attention_prefill": Family(prefill_cases, 0.40),
    "gemm_fp8": Family(fp8_cases, 0.40),
    "moe": Family(moe_cases, 0.50),
    "elementwise": Family(elementwise_cases, 0.45),
    "sampling": Family(sampling_cases, 0.60),
    "copy": Family(copy_cases, 1.0),
}


@dataclass(slots=True, kw_only=True)
class Run:
    """One process's work: the table it fills and the record it keeps."""

    settings: Settings
    table: TableWriter
    timer: Any
    record_path: Path
    record: dict[str, Any]

    def save(self) -> None:
        """Write the record; called before and after each family."""
        environment.save(self.record_path, self.record)

    def family(self, name: str, deadline: Deadline) -> bool:
        """Measure one family; False when the device has broken."""
        entry: dict[str, Any] = {"state": "running", "clocks_before": environment.clocks()}
        self.record["families"][name] = entry
        self.save()
        rows, skipped, healthy = self.table.rows, 0, True
        for case in FAMILIES[name].cases(self.settings):
            if deadline.left_s <= 0 or not healthy:
                skipped += 1
                continue
            healthy = self.case(case)
        entry |= {"rows": self.table.rows - rows, "cases_skipped": skipped}
        entry |= {"state": "done" if healthy else "broke the device", "clocks_after": environment.clocks()}
        entry["seconds_left"] = round(deadline.left_s, 1)
        self.save()
        print(f"{name}: {json.dumps(entry)}", flush=True)
        return healthy

    def case(self, case: Case) -> bool:
        """Measure one case in each of its modes; False when the device has broken."""
        try:
            call = case.make()
            if not case.modes:
                found = "; ".join(f"{key}={value}" for key, value in call.items())
                self.table.write(case, mode="check", note=found)
            for mode in case.modes:
                timing = self.timer.measure(call, mode=mode, copies=case.copies, flush=case.flush)
                self.table.write(case, mode=timing.mode, note=timing.note, times=timing.row())
        except Exception as error:  # noqa: BLE001  a case that fails, however it does, must not end the run
            self.table.write(case, mode="error", note=error_note(error))
            return bool(self.timer.healthy())
        return True


def measure(families: list[str], out: Path, settings: Settings, minutes: float) -> int:
    """Measure the families in this process; exit status."""
    deadline = Deadline.after(minutes * 60)
    path = out / "environment.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"families": {}}
    record.setdefault("facts", environment.facts(settings.device))
    timer: Any = CudaTimer() if settings.on_gpu else CpuTimer()
    if settings.on_gpu:
        warm_clocks()
    table = TableWriter(out / "operators.csv")
    run = Run(settings=settings, table=table, timer=timer, record_path=path, record=record)
    with environment.sampled_clocks(out / "clocks.csv"):
        for name in families:
            if not run.family(name, deadline.share(FAMILIES[name].share)):
                return BROKEN_DEVICE
    return 0
