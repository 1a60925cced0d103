"""Own runs on tables and single estimates, on disk, and which to measure next."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simkit.calibrate.user_runs import next_runs, own_calibration
from simkit.core.errors import InputError
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.formats.user_calibration import read_own, write_own
from simkit.verbs.estimate import Layouts, estimate
from simkit.verbs.predict import predict_table

LOADS = (1, 4, 16, 64, 128, 8)
REQUEST = Request(
    model="Qwen/Qwen3-32B", backend="vllm", hardware=Hardware(gpu="h100_sxm", total_gpus=8),
    workload=Workload(isl_tokens=2000, osl_tokens=500, concurrency=8),
)  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """A sweep whose measured latencies are the predicted ones times 1.4 and 0.8; its last row is held out."""
    rows = pd.DataFrame({
        "run_id": [f"r{load}" for load in LOADS], "model": "Qwen/Qwen3-32B", "gpu": "h100_sxm",
        "backend": "vllm", "num_gpus": 2, "tp": 2, "isl_tokens": 2000, "osl_tokens": 500,
        "concurrency": LOADS,
    })  # fmt: skip
    said = predict_table(rows)
    rows["ttft_ms_mean"] = 1.4 * said["predicted_ttft_ms_mean"]
    rows["itl_ms_mean"] = 0.8 * said["predicted_itl_ms_mean"]
    path = tmp_path / "mine.csv"
    rows.iloc[:5].to_csv(path, index=False)
    return path, rows, said


def test_planted_factors_are_found_in_the_held_out_row(table):
    path, rows, said = table
    after = predict_table(rows, own=own_calibration([path]))
    last, before = after.iloc[-1], said.iloc[-1]
    assert last["predicted_ttft_ms_mean"] == pytest.approx(1.4 * before["predicted_ttft_ms_mean"], rel=0.03)
    assert last["predicted_itl_ms_mean"] == pytest.approx(0.8 * before["predicted_itl_ms_mean"], rel=0.03)
    for metric in ("ttft", "itl"):
        names = [f"predicted_{metric}_ms_{side}" for side in ("lo", "hi")]
        assert last[names[1]] / last[names[0]] < before[names[1]] / before[names[0]]
    rate = "predicted_output_tokens_per_s_per_gpu"
    assert last[rate] > 1.1 * before[rate]  # ITL is most of the time


def test_rows_without_a_prediction_stay_as_they_are(table):
    path, rows, _ = table
    odd = pd.concat([rows, rows.iloc[:1].assign(gpu="no_such_gpu")], ignore_index=True)
    said = predict_table(odd)
    after = predict_table(odd, own=own_calibration([path]))
    assert after.iloc[-1]["error"] == said.iloc[-1]["error"] != ""
    assert np.isnan(after.iloc[-1]["predicted_itl_ms_mean"])


def test_it_comes_back_from_disk_and_more_can_be_added(table, tmp_path):
    path, _, _ = table
    own = own_calibration([path])
    write_own(tmp_path / "own.json", own)
    assert read_own(tmp_path / "own.json") == own
    twice = own_calibration([tmp_path / "own.json", path])
    assert len(twice.observations) == 2 * len(own.observations)


def test_a_calibration_of_another_model_is_refused(table, tmp_path):
    write_own(tmp_path / "own.json", own_calibration([table[0]]))
    document = json.loads((tmp_path / "own.json").read_text())
    (tmp_path / "own.json").write_text(json.dumps({**document, "corrects": "another"}))
    with pytest.raises(InputError, match="fit it again"):
        read_own(tmp_path / "own.json")
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(InputError, match="simkit fit --own"):
        read_own(tmp_path / "own.json")


def test_a_table_without_measurements_is_refused(table, tmp_path):
    _, rows, _ = table
    rows.drop(columns="itl_ms_mean").to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(InputError, match="itl_ms_mean missing"):
        own_calibration([tmp_path / "bare.csv"])
    rows.assign(gpu="no_such_gpu").to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(InputError, match="none of its 6 rows can be used"):
        own_calibration([tmp_path / "odd.csv"])


@pytest.mark.parametrize("factor", [150.0, 1 / 150.0])
def test_a_run_of_something_else_is_refused(table, tmp_path, factor):
    _, rows, _ = table
    rows.assign(itl_ms_mean=rows["itl_ms_mean"] * factor).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(InputError, match=r"run r1: ITL is .* times what is predicted|looks like seconds"):
        own_calibration([tmp_path / "odd.csv"])


def test_one_estimate_is_corrected_too(table):
    result = estimate(REQUEST, Layouts(worker="tp2"))
    after = estimate(replace(REQUEST, own=own_calibration([table[0]])), Layouts(worker="tp2"))
    before = result.candidate.estimate
    assert after.candidate.estimate.itl.mean_s == pytest.approx(0.8 * before.itl.mean_s, rel=0.03)
    assert after.candidate.estimate.ttft.mean_s == pytest.approx(1.4 * before.ttft.mean_s, rel=0.05)


@pytest.mark.slow
def test_next_runs_lessen_the_doubt_and_known_ones_are_not_asked_again(table):
    found, now = next_runs(REQUEST, 3)
    left = [item.left_frac for item in found]
    assert now == pytest.approx(1.0)
    assert left == sorted(left, reverse=True)
    assert left[0] < 1.0
    names = {(item.name, item.workload.concurrency) for item in found}
    assert len(names) == 3
    assert all("--concurrency" in item.command for item in found)
    again, later = next_runs(replace(REQUEST, own=own_calibration([table[0]])), 2)
    assert later < now
    assert again[-1].left_frac < later


def test_open_loops_are_asked_as_rates():
    rate = replace(REQUEST, workload=Workload(isl_tokens=2000, osl_tokens=500, request_rate_per_s=1.0))
    found, _ = next_runs(rate, 2)
    assert all(item.workload.request_rate_per_s for item in found)


def test_profile_folders_count_as_runs(table, tmp_path):
    write_own(tmp_path / "p" / "own_calibration.json", own_calibration([table[0]]))
    assert len(own_calibration([Path(tmp_path / "p")]).observations) == 5
