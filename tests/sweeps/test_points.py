"""Points: lazily made, in the same blocks whatever the file's order, hashed by what they say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_sweep import SMALL

from simkit.experiments.document import parse_experiment
from simkit.experiments.evaluate import evaluated
from simkit.experiments.points import point_blocks
from simkit.verbs.predict import OUTPUT, predict_table


def points_of(text, size=4096):
    space = replace(parse_experiment(text, "x").space, size=size)
    return pd.concat([block.points for block in point_blocks(space)], ignore_index=True)


def test_every_combination_is_there_once():
    points = points_of(SMALL)
    assert len(points) == 2 * 2 * 3 * 4 == points["point"].nunique()
    assert set(points["concurrency"]) == {1.0, 4.0, 16.0, 64.0}
    one = points[points["plan"] == "1xtp1+1xtp1"].iloc[0]
    assert (one["mode"], one["num_gpus"], one["prefill_tp"], one["decode_workers"]) == ("disagg", 2, 1, 1)


@pytest.mark.parametrize("size", [1, 7, 48])
def test_blocks_do_not_change_the_points(size):
    pd.testing.assert_frame_equal(points_of(SMALL, size), points_of(SMALL))


def test_the_order_of_a_file_changes_no_hash():
    lines = SMALL.splitlines()
    turned = "\n".join([lines[0], lines[1], *reversed(lines[2:8]), *lines[8:]])
    assert turned != SMALL
    assert points_of(turned)["point"].tolist() == points_of(SMALL)["point"].tolist()
    floats = SMALL.replace("isl_tokens: 1000", "isl_tokens: 1000.0")
    assert points_of(floats)["point"].tolist() == points_of(SMALL)["point"].tolist()


def test_another_value_is_another_point():
    other = SMALL.replace("isl_tokens: 1000", "isl_tokens: 1001")
    assert not set(points_of(other)["point"]) & set(points_of(SMALL)["point"])


def test_a_condition_leaves_points_out():
    text = SMALL.replace("sla:", "where: \"tp == 2 or (mode == 'disagg' and concurrency > 4)\"\nsla:")
    kept = points_of(text)
    assert len(kept) == 4 * 4 + 4 * 2
    assert set(kept["plan"]) == {"tp2", "1xtp1+1xtp1"}


def test_blocks_are_made_as_they_are_asked_for():
    text = SMALL.replace("{start: 1, stop: 64, factor: 4}", "{start: 1, stop: 80000, step: 1}")
    blocks = point_blocks(parse_experiment(text, "x").space)
    assert len(next(blocks).points) == 4096  # of 960,000


def test_numbers_are_those_of_predict():
    points = points_of(SMALL)
    found = evaluated("predict", points)
    same = predict_table(points.drop(columns=["error"]))
    for name in OUTPUT:
        np.testing.assert_array_equal(found[name].to_numpy(dtype=float), same[name].to_numpy())


@pytest.mark.parametrize("rate", [2.0, 5.0])
@pytest.mark.parametrize("plan", ["tp2", "1xtp1+1xtp2"])
def test_an_open_loop_is_that_of_estimate(rate, plan):
    from simkit.experiments.single import deployment_of_point, request_of_point
    from simkit.verbs.estimate import estimate

    text = SMALL.replace("concurrency: {start: 1, stop: 64, factor: 4}", f"request_rate_per_s: {rate}")
    points = points_of(text.replace("[tp1, tp2, 1xtp1+1xtp1]", plan).replace("axes:", "axes:\n  rdma: false"))
    found = evaluated("predict", points)
    for record, row in zip(points.to_dict("records"), found.to_dict("records"), strict=True):
        point = {name: None if pd.isna(value) else value for name, value in record.items()}
        one = estimate(request_of_point(point), deployment_of_point(point)).candidate
        assert row["predicted_ttft_ms_mean"] == pytest.approx(one.estimate.ttft.mean_s * 1e3, rel=1e-9)
        assert row["predicted_ttft_ms_hi"] == pytest.approx(one.estimate.ttft.hi_s * 1e3, rel=1e-9)
        assert row["predicted_itl_ms_mean"] == pytest.approx(one.estimate.itl.mean_s * 1e3, rel=1e-9)
        assert row["predicted_concurrency"] == pytest.approx(one.estimate.concurrency, rel=1e-9)
        assert row["sla_probability"] == pytest.approx(one.estimate.sla_probability, rel=1e-9)
        assert row["meets_sla"] == one.meets_sla


def test_a_point_without_result_says_why_and_stops_nothing():
    text = SMALL.replace("[tp1, tp2, 1xtp1+1xtp1]", "[tp1, tp3, tpx, dep8]").replace("h200_sxm]", "l4]")
    found = evaluated("predict", points_of(text))
    reasons = found.groupby("plan")["error"].unique()
    assert "32 attention heads do not divide by tp 3" in reasons["tp3"][0]
    assert "layout 'tpx' is not understood" in reasons["tpx"][0]
    assert "a dense model has no experts" in reasons["dep8"][0]
    assert (found[(found["plan"] == "tp1") & (found["gpu"] == "h100_sxm")]["error"] == "").all()
    assert found[found["error"] != ""]["predicted_itl_ms_mean"].isna().all()


def test_a_format_that_the_gpu_cannot_run_is_refused():
    text = SMALL.replace("Qwen/Qwen3-8B", "nvidia/Llama-3.3-70B-Instruct-NVFP4").replace(
        "plan: [tp1, ", "plan: [tp4, "
    )
    found = evaluated("predict", points_of(text))
    refused = found[found["backend"] == "trtllm"]["error"]
    assert refused.str.contains("trtllm runs NVFP4 weights on Blackwell GPUs only").all()
