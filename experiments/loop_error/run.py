"""How exact is the loop itself: step times -> npz -> live mocker -> AIPerf -> compare, five times over.

    simkit tools --make aiperf --make dynamo
    python experiments/loop_error/run.py        # about fifteen minutes; writes data/runs/loop and the report

The engines are mocked at the predicted step times, so a difference is the loop's own: our simulator
against the mocker's scheduler, the stack, and the client. It says nothing of GPUs.
"""

import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perfmodels.parallel import ParallelPlan
from simkit.cli.measuring import stoppable
from simkit.closed_form.planner_profile import StepTables
from simkit.core.deployment import Pool
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.formats.benchmark_results.stored import run_document
from simkit.formats.planner.files import mocker_npz
from simkit.io.tools import DYNAMO, registry, require_tool
from simkit.measure.benchmark import as_expected, on_target, predict
from simkit.measure.run import Meter, Server, measure
from simkit.measure.targets import target_of
from simkit.targets.local.dynamo import DynamoLocal, MockPool, dynamo_plan, prepare
from simkit.targets.local.service import serving
from simkit.verbs.estimate import Layouts

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "data" / "runs" / "loop"
REPEATS = 5
MODEL, GPU = "Qwen/Qwen3-32B", "h100_sxm"


@dataclass(frozen=True)
class Case:
    """One deployment under one load."""

    name: str
    layouts: Layouts
    workload: Workload
    requests: int


CASES = (
    Case("agg-c1", Layouts(worker="tp2"), Workload(isl_tokens=512, osl_tokens=96, concurrency=1), 12),
    Case("agg-c4", Layouts(worker="tp2"), Workload(isl_tokens=512, osl_tokens=96, concurrency=4), 40),
    Case("agg-c8", Layouts(worker="tp2"), Workload(isl_tokens=512, osl_tokens=96, concurrency=8), 80),
    Case(
        "disagg-c4",
        Layouts(prefill="tp2", decode="tp2"),
        Workload(isl_tokens=512, osl_tokens=96, concurrency=4),
        40,
    ),
)


def meter(requests: int, seed: int) -> Meter:
    """AIPerf, every repeat with prompts of its own."""
    options = BenchmarkOptions(request_count=requests, seed=seed, tokenizer="builtin", ui="none")
    return Meter(client="aiperf", options=options)


def one(case: Case, seed: int) -> dict:
    """One pass of the loop."""
    hardware = Hardware(gpu=GPU, total_gpus=8)
    request = Request(model=MODEL, backend="vllm", hardware=hardware, workload=case.workload)
    settings = meter(case.requests, seed)
    prediction = predict(request, case.layouts, settings.options)
    with tempfile.TemporaryDirectory() as folder, on_target(prediction, "local", Path(folder)) as server:
        run = measure(server, prediction.workload, settings, Path(folder) / "artifacts")
    estimate = as_expected(prediction, target_of("local")).candidate.estimate
    source = replace(run.source, path=f"loop/{case.name}", command=None)
    return {
        "case": case.name,
        "seed": seed,
        "predicted_ttft_s": estimate.ttft.mean_s,
        "predicted_itl_s": estimate.itl.mean_s,
        "load_average": os.getloadavg()[0],
        "run": run_document(replace(run, source=source)),
    }


def floor(seed: int) -> dict:
    """The stack alone: engines that take no time, one request in flight."""
    times = StepTables(
        prefill_tokens=np.array([1.0, 1e5]),
        prefill_s=np.full(2, 1e-6),
        active_kv_tokens=np.array([0.0, 1e7]),
        context_tokens=np.array([1.0, 1e5]),
        decode_s=np.full((2, 2), 1e-6),
    )
    pool = Pool(plan=ParallelPlan(), engine=default_engine("vllm"), replicas=1)
    with tempfile.TemporaryDirectory() as folder:
        local = DynamoLocal(
            python=require_tool(DYNAMO), folder=Path(folder) / "d",
            pools=(MockPool(role="aggregated", pool=pool, step_times=mocker_npz(times)),),
        )  # fmt: skip
        prepare(local)
        with serving(lambda port: dynamo_plan(local, port, os.environ), registry()) as service:
            server = Server(url=service.plan.url, model=service.plan.model)
            load = Workload(isl_tokens=512, osl_tokens=96, concurrency=1)
            run = measure(server, load, meter(40, seed), Path(folder) / "artifacts")
    source = replace(run.source, path="loop/floor", command=None)
    return {"case": "floor", "seed": seed, "load_average": os.getloadavg()[0],
            "run": run_document(replace(run, source=source))}  # fmt: skip


def main() -> None:
    """Measure what is missing, keep every pass, write the report."""
    RUNS.mkdir(parents=True, exist_ok=True)
    for seed in range(1, REPEATS + 1):
        for case in (None, *CASES):
            path = RUNS / f"{case.name if case else 'floor'}-{seed}.json"
            if path.exists():
                continue
            record = one(case, seed) if case else floor(seed)
            record["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, no GPU"
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(path.name, file=sys.stderr)


if __name__ == "__main__":
    with stoppable():
        main()
