"""The gate: conditions, a baseline, and what counts as worse."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simkit.core.errors import InputError
from simkit.experiments.beside.gate import GateRules, gate_document
from simkit.experiments.store import read_dataset

ROOT = Path(__file__).resolve().parents[2]
ITL = "predicted_itl_ms_mean"


@pytest.fixture
def frame(small_run):
    return read_dataset(small_run)


def changed(frame, factor, column=ITL, rows=slice(None)):
    out = frame.copy()
    out.loc[out.index[rows], column] *= factor
    return out


def test_the_same_run_is_no_worse_than_itself(frame):
    found = gate_document(frame, frame, GateRules())
    assert found["passed"]
    assert (found["compared"], found["worse"], found["new"], found["gone"]) == (48, [], 0, [])


@pytest.mark.parametrize(("factor", "passed"), [(1.09, True), (1.12, False), (0.5, True)])
def test_worse_is_beyond_ten_percent(frame, factor, passed):
    found = gate_document(changed(frame, factor, rows=slice(0, 1)), frame, GateRules())
    assert found["passed"] == passed
    if not passed:
        (worse,) = found["worse"]
        assert (worse["metric"], worse["point"]) == ("itl_ms_mean", frame["point"][0])
        assert worse["change"] == pytest.approx(0.12)


def test_less_output_is_worse(frame):
    run = changed(frame, 0.8, "predicted_output_tokens_per_s_per_gpu", slice(3, 5))
    found = gate_document(run, frame, GateRules(metrics=("output_tokens_per_s_per_gpu",)))
    assert [item["change"] for item in found["worse"]] == pytest.approx([-0.2, -0.2])
    assert gate_document(run, frame, GateRules(metrics=("itl_ms_mean",)))["passed"]
    assert gate_document(run, frame, GateRules(worse_frac=0.3))["passed"]


def simulated(means, spread):
    """Three repeats of two points."""
    noise = np.array([-1.0, 0.0, 1.0] * 2) * spread
    return pd.DataFrame({
        "point": [f"{means[0]}{i}" for i in range(6)], "model": "m", "concurrency": [1.0, 1, 1, 8, 8, 8],
        "repeat": [0, 1, 2] * 2, "simulated_ttft_ms_mean": np.repeat(means, 3) + noise, "error": "",
    })  # fmt: skip


def test_noise_is_not_worse():
    rules = GateRules(metrics=("ttft_ms_mean",))
    quiet = gate_document(simulated([120.0, 100.0], 1.0), simulated([100.0, 100.0], 1.0), rules)
    assert [item["concurrency"] for item in quiet["worse"]] == [1.0]
    loud = gate_document(simulated([120.0, 100.0], 40.0), simulated([100.0, 100.0], 40.0), rules)
    assert (loud["worse"], loud["within_noise"]) == ([], 1)


def test_a_result_that_is_gone_fails(frame):
    run = frame.copy()
    run.loc[0, "error"] = "does not fit"
    found = gate_document(run, frame, GateRules())
    assert not found["passed"]
    assert found["gone"][0]["point"] == frame["point"][0]
    assert not gate_document(frame.iloc[1:], frame, GateRules())["passed"]
    assert gate_document(frame, frame.iloc[1:], GateRules())["new"] == 1


def test_conditions_hold_for_every_point(frame):
    assert gate_document(frame, None, GateRules(require=("ttft_ms_mean < 1e6",)))["passed"]
    found = gate_document(
        frame, None, GateRules(require=("itl_ms_mean < 5", "tp == 1 or tp == 2 or mode == 'disagg'"))
    )
    assert [item["holds"] for item in found["requirements"]] == [False, True]
    assert found["requirements"][0]["broken"] == (frame[ITL] >= 5).sum() > 0


@pytest.mark.parametrize(
    ("rules", "baseline", "told"),
    [
        ({}, False, "nothing is asked"),
        ({"require": ("ttft < 3",)}, False, "unknown column 'ttft'; did you mean"),
        ({"metrics": ("ttft",)}, True, "--metric 'ttft': not compared"),
        ({"worse_frac": 11}, True, "--worse must be"),
    ],
)
def test_what_cannot_be_asked_is_said(frame, rules, baseline, told):
    with pytest.raises(InputError, match=told):
        gate_document(frame, frame if baseline else None, GateRules(**rules))


def test_another_experiment_is_no_baseline(frame):
    with pytest.raises(InputError, match="no point in common"):
        gate_document(frame, frame.assign(isl_tokens=7), GateRules())


def test_a_baseline_may_be_a_file_and_the_verdict_is_json(tmp_path, simkit, small_run):
    for name in ("main.csv", "main.parquet"):
        simkit("experiment", "export-data", small_run.path, "-o", tmp_path / name)
        run = simkit("experiment", "gate", small_run.path, "--baseline", tmp_path / name, "--format", "json")
        assert run.status == 0
        assert json.loads(run.out)["compared"] == 48
    run = simkit("experiment", "gate", small_run.path, "--require", "itl_ms_mean < 5")
    assert run.status == 1
    assert run.out.startswith("NOT passed\nitl_ms_mean < 5: broken by")
    assert simkit("experiment", "gate", tmp_path / "none.csv", "--require", "meets_sla").status == 2


@pytest.mark.slow
def test_the_recipe_for_ci_works_as_printed(tmp_path):
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    script = re.search(r"## A gate in CI\n.*?```sh\n(.*?)```", page, flags=re.DOTALL).group(1)
    own = f'simkit() {{ PYTHONPATH={ROOT} {sys.executable} -m simkit "$@"; }}\n'
    env = {**os.environ, "HOME": str(tmp_path)}
    run = subprocess.run(
        ["bash", "-c", own + script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "gate.json").read_text())["passed"] is True
