"""Fitting to measured runs: planted truths come back, nothing leaks, shipped accuracy does not rot."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perfmodels.efficiency import Efficiency
from simkit.calibrate.factors import PRIORS, fit_engine, to_factors, to_logs
from simkit.calibrate.left_out import sampled_errors, shipped_whole
from simkit.calibrate.residual_fit import corrected, krige
from simkit.calibrate.training import predict_runs
from simkit.catalog.calibrations import ERRORS, artifact
from simkit.engines.engine_model import METRICS

GUARD = Path(__file__).parent / "guard.json"
MAY_RISE = 1.1  # by a tenth before somebody has to look
PLANTED_STEP = {"gemm_scale": 1.3, "attention_scale": 1.2}
PLANTED_HOST = {"prefill_scale": 1.4, "request_host_s": 0.03}
RECOVERED = 0.12  # priors pull, and factors stand in for each other


def test_logs_and_factors_are_inverse():
    factors = Efficiency(**{name: prior.value * 1.3 for name, prior in PRIORS.items()})
    again = to_factors(to_logs(factors))
    for name in PRIORS:
        assert getattr(again, name) == pytest.approx(getattr(factors, name))


def before_the_gpu(factors):
    """Host time of a request to 60 layers of experts on eight ranks: its parts stand in for each other."""
    return factors.request_host_s + 60 * factors.layer_host_s + 60 * 4 * factors.expert_host_s


def test_planted_factors_are_recovered(runs):
    """Exactly measured runs, some factors moved: what surrounds a prompt comes back, scales go there."""
    moved = PLANTED_STEP | PLANTED_HOST
    planted = Efficiency(**{name: moved.get(name, prior.value) for name, prior in PRIORS.items()})
    plain = Efficiency(**{name: prior.value for name, prior in PRIORS.items()})
    truth = predict_runs(runs, dict.fromkeys(("vllm", "sglang", "trtllm"), planted))
    measured = replace(runs, ttft_s=truth.ttft_s, itl_s=truth.itl_s)
    found = fit_engine(measured, "vllm", np.ones(len(runs), dtype=bool))
    assert found.prefill_scale == pytest.approx(planted.prefill_scale, rel=RECOVERED)
    assert before_the_gpu(found) == pytest.approx(before_the_gpu(planted), rel=RECOVERED)
    for name, value in PLANTED_STEP.items():
        assert 1.0 < getattr(found, name) < value, name
    here = runs.names["engine"] == "vllm"

    def far(factors):
        said = predict_runs(runs, dict.fromkeys(("vllm", "sglang", "trtllm"), factors))
        return float(np.median(np.abs(np.log(said.itl_s / truth.itl_s))[here]))

    assert far(found) < 0.5 * far(plain)


def test_held_runs_do_not_change_their_own_prediction(runs):
    """Whatever was measured in a group, its left-out prediction stays the same."""
    held = runs.names["split_group"] == runs.names["split_group"][0]
    whole = shipped_whole()

    def predict(table):
        factors = {**whole.factors}
        backend = str(runs.names["engine"][0])
        factors[backend] = fit_engine(table, backend, ~held, whole.factors[backend])
        return corrected(table, predict_runs(table, factors), whole.tunings, (~held, held))

    spoiled = replace(runs, itl_s=np.where(held, 9.0, runs.itl_s), ttft_s=np.where(held, 99.0, runs.ttft_s))
    before, after = predict(runs), predict(spoiled)
    for metric in METRICS:
        assert np.array_equal(before[metric][0], after[metric][0])


def test_kriging_learns_from_all_runs_but_those_held(runs):
    fitted = predict_runs(runs, shipped_whole().factors)
    train = np.arange(len(runs)) % 2 == 0
    model = krige(runs, fitted, "itl", (shipped_whole().tunings["itl"], train))
    assert len(model.residuals) == np.count_nonzero(train)


@pytest.mark.slow
def test_accuracy_on_a_fixed_sample_of_groups_does_not_rot(runs):
    """experiments/accuracy/guard.py writes the figures to hold, with every fit."""
    kept = json.loads(GUARD.read_text())
    for metric, errors in sampled_errors(runs, shipped_whole()).items():
        assert np.median(errors) <= MAY_RISE * kept[metric], metric


@pytest.mark.parametrize("metric", ["ttft", "itl", "e2e"])
def test_shipped_intervals_held_what_they_promise(metric):
    """90 % intervals on runs left out by group, model and GPU."""
    held = artifact(ERRORS)["metrics"][metric]["coverage90"]
    for scheme in ("split_group", "model", "family", "gpu"):
        assert 0.85 <= held[scheme] <= 0.97, scheme
