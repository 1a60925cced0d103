"""The H200 measurement runs from end to end on a CPU, and its Triton kernels agree with plain torch."""

import csv
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "h200" / "measure.py"
FAMILIES = {
    "check", "gemm_bf16", "launch", "attention_decode", "attention_prefill", "gemm_fp8", "moe", "elementwise",
    "sampling", "copy",
}  # fmt: skip
FP16_TOLERANCE = 2e-3  # fp16 keeps 11 bits: a rounding or two


def _needs(package: str) -> None:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed: the rehearsal needs it, the toolkit does not")


def _rehearse(out: Path, *options: str, **environment: str) -> list[dict[str, str]]:
    command = [sys.executable, str(SCRIPT), "--out", str(out), "--device", "cpu", "--quick", *options]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (out / "operators.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_rehearsal_measures_every_family_and_fails_nowhere(tmp_path: Path) -> None:
    _needs("torch")
    rows = _rehearse(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "environment.json").read_text(encoding="utf-8"))
    assert {name for name, entry in record["families"].items() if entry["state"] == "done"} == FAMILIES
    assert [row for row in rows if row["mode"] == "error"] == []
    timed = [row for row in rows if row["family"] != "check"]
    assert all(0 < float(row["time_us_p25"]) <= float(row["time_us_p75"]) for row in timed)
    assert all("cpu rehearsal" in row["note"] for row in timed)


@pytest.mark.slow
def test_triton_kernels_agree_with_torch_in_the_interpreter(tmp_path: Path) -> None:
    _needs("torch")
    _needs("triton")
    if tuple(int(part) for part in metadata.version("numpy").split(".")[:2]) >= (2, 4):
        pytest.skip("Triton's interpreter converts arrays in a way that numpy 2.4 no longer allows")
    rows = _rehearse(tmp_path / "out", "--families", "check", TRITON_INTERPRET="1")
    assert {row["name"] for row in rows} == {"add_rms_norm", "silu_mul", "rope", "paged_decode", "moe_gemm"}
    for row in rows:
        error = re.search(r"own triton kernel; max_rel_error=(\S+);", row["note"])
        assert error, row
        assert float(error[1]) < FP16_TOLERANCE, row


def test_second_run_into_one_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "operators.csv").touch()
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "another folder" in done.stderr
