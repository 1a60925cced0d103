"""Corrections from measured runs: where they apply, and that every way of asking gives the same."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.uncertainty.residual_gp import prior_variance
from simkit.closed_form import residuals
from simkit.closed_form.aggregated_loop import Host, Procedure, closed_loop, prefill_share
from simkit.closed_form.engine_speed import phase_times
from simkit.closed_form.outcomes import ClientLoad, Replicas, outcomes
from simkit.closed_form.residuals import correction, corrections_of, features_of, levels_of, nearest_run
from simkit.closed_form.step_work import BATCH_GRID
from simkit.core.workload import Lengths

LENGTHS = Lengths(isl_tokens=np.asarray(1024.0), osl_tokens=np.asarray(1024.0))
PLANS = PlanArray.of([ParallelPlan(tp=2), ParallelPlan(tp=8)])


@pytest.fixture(scope="module")
def model(problem_of):
    return problem_of("meta-llama/Llama-3.1-70B").engines[0]


@pytest.fixture(scope="module")
def times(model):
    return phase_times(model, PLANS, LENGTHS, "aggregated")


def test_a_table_meets_the_direct_answer_at_its_grid(model, times):
    batch = np.tile(BATCH_GRID[None, :9], (2, 1))
    loop = closed_loop(times, batch, LENGTHS, Procedure(), Host())
    found = corrections_of(model, "agg", times, LENGTHS).applied(loop)
    share = prefill_share(times, batch, LENGTHS)
    features = features_of(PLANS.expand(), LENGTHS, (batch, share)).reshape(batch.size, -1)
    direct = correction(model.residuals, levels_of(model, "agg"), features)
    assert found.ttft_s.ravel() == pytest.approx(loop.ttft_s.ravel() * direct.ttft_factor)
    assert found.itl_s.ravel() == pytest.approx(loop.itl_s.ravel() * direct.itl_factor)
    assert found.itl_log_sd.ravel() == pytest.approx(direct.itl_log_sd)


def test_littles_law_survives_a_correction(model, times):
    engines = Replicas(serving=times, workers=np.ones(2))
    load = ClientLoad(amount=np.full((2, 1), 20.0), lengths=LENGTHS)
    corrections = corrections_of(model, "agg", times, LENGTHS)
    plain, found = (outcomes(engines, load, Host(request_s=0.02), item) for item in (None, corrections))
    assert np.all(found.ttft_s != plain.ttft_s)
    assert found.requests_per_s * (found.ttft_s + 1023 * found.itl_s) == pytest.approx(20.0)


def test_corrections_between_points_of_the_grid_lie_between_them_and_are_worked_out_once(model, times):
    corrections = corrections_of(model, "agg", times, LENGTHS)
    low, middle, high = (corrections.at(np.full((2, 1), value)).itl_factor for value in (64.0, 80.0, 96.0))
    assert np.all((middle - low) * (high - middle) >= 0)
    rows = corrections.at(np.full((1, 1), 80.0), np.array([1])).itl_factor
    assert rows == middle[1:]


def test_what_was_worked_out_is_not_asked_again_nor_by_a_part(model, times, monkeypatch):
    corrections = corrections_of(model, "agg", times, LENGTHS)
    asked = np.full((2, 1), 80.0)
    known = corrections.at(asked).ttft_factor
    monkeypatch.setattr(residuals, "correction", lambda *_: pytest.fail("worked out again"))
    assert np.array_equal(corrections.at(asked).ttft_factor, known)
    assert np.array_equal(corrections.take(np.array([1])).at(asked[:1]).ttft_factor, known[1:])
    with pytest.raises(pytest.fail.Exception):
        corrections.at(np.full((2, 1), 700.0))


def test_a_gpu_engine_and_model_nobody_measured_are_not_corrected(model, times):
    levels = dict.fromkeys(levels_of(model, "agg"), "nobody")
    features = features_of(PLANS, LENGTHS, (np.array([8.0, 8.0]), np.array([0.1, 0.1])))
    found = correction(model.residuals, levels, features)
    assert found.itl_factor == pytest.approx(np.ones(2))
    prior = prior_variance(model.residuals.models["itl"].amplitudes) + model.residuals.noise["itl"]
    assert found.itl_log_sd == pytest.approx(np.full(2, np.sqrt(prior)))


def test_what_was_measured_is_surer_than_what_was_not(model):
    features = features_of(PLANS, LENGTHS, (np.array([8.0, 8.0]), np.array([0.1, 0.1])))
    known = correction(model.residuals, levels_of(model, "agg"), features)
    elsewhere = replace(model, device=replace(model.device, name="nowhere"))
    moved = correction(model.residuals, levels_of(elsewhere, "agg"), features)
    assert np.all(known.itl_log_sd < moved.itl_log_sd)


def test_the_nearest_run_is_of_the_same_model_and_shape(model):
    features = features_of(PLANS, LENGTHS, (np.array([8.0, 8.0]), np.array([0.1, 0.1])))
    found = nearest_run(model.residuals, levels_of(model, "agg"), features[1])
    assert "Llama-3.1-70B" in found.label
    assert "1,024/1,024" in found.label
    assert 0 < found.resemblance <= 1
    nobody = dict.fromkeys(levels_of(model, "agg"), "nobody")
    assert nearest_run(model.residuals, nobody, features[1]) is None


def test_without_residuals_there_is_no_table(model, times):
    assert corrections_of(replace(model, residuals=None), "agg", times, LENGTHS) is None


def test_waiting_for_others_does_not_take_the_factor_of_single_requests():
    ttft, queue, room = np.array([1.0]), 0.3, 0.5
    found = residuals.corrected_ttft_s(ttft, (queue, room), (np.array([2.0]), np.array([1.1])))
    assert found == pytest.approx(0.2 * 2.0 + 0.3 + 0.5 * 1.1)
