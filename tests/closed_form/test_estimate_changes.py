"""An estimate with other latencies stays consistent, and verdicts test the statistic that was asked for."""

from dataclasses import replace

import pytest

from simkit.closed_form.estimates import corrected, doubt_of
from simkit.closed_form.one_deployment import estimate_deployment
from simkit.closed_form.user_calibration import features_of, sharpened
from simkit.compare.measurement_plan import engine_name
from simkit.compare.verdicts import with_factors
from simkit.core.estimate import bounded, holds
from simkit.core.slo import Slo
from simkit.core.user_calibration import Observation, calibration_of
from simkit.search.search import search

# Three observations at the very place leave half of the time, and a little that the prior keeps.
MOVED = 0.8


@pytest.fixture
def asked(mode, problem_of):
    """A problem with a price and bounds, and its best candidate."""
    bounds = {"ttft_s": 2.0, "itl_s": 0.05}
    problem = problem_of(gpus=8, modes=(mode,), concurrency=64.0, slo=bounds)
    problem = replace(problem, request=replace(problem.request, gpu_hour_price=3.0))
    return problem, estimate_deployment(problem, search(problem).selected.deployment).candidate


def percentile_bound(candidate, percentile, factor):
    """A bound on a percentile of TTFT: its value in the estimate times a factor."""
    bound = factor * bounded(candidate.estimate, "ttft_s", percentile)
    return Slo(ttft_s=bound, statistic=percentile)


def halved_by_own_runs(problem, candidate, slo):
    workload = problem.request.workload
    features = features_of(workload, candidate.estimate, candidate.deployment)
    unsure = {name: doubt_of(getattr(candidate.estimate, name)) for name in ("ttft", "itl")}
    seen = [Observation(features=features, log_ratios={"ttft": -0.69, "itl": -0.69}, doubts=unsure)] * 3
    return sharpened(candidate, workload, slo, calibration_of(seen))


def halved_by_factors(problem, candidate, slo):
    pools, backend = candidate.deployment.pools, candidate.deployment.backend
    names = [
        engine_name(role, pool.plan, backend) for role, pool in zip(("prefill", "decode"), pools, strict=True)
    ]
    return with_factors(candidate, slo, dict.fromkeys(names, 0.5))


CHANGES = pytest.mark.parametrize(
    ("mode", "change"),
    [("agg", halved_by_own_runs), ("disagg", halved_by_own_runs), ("disagg", halved_by_factors)],
)


@CHANGES
def test_cost_energy_and_goodput_follow_the_latencies(asked, change):
    problem, candidate = asked
    before, after = candidate.estimate, change(problem, candidate, problem.request.slo).estimate
    assert after.e2e.mean_s < MOVED * before.e2e.mean_s
    per_gpu = after.output_tokens_per_s_per_gpu
    assert after.request_rate_per_s == pytest.approx(64.0 / after.e2e.mean_s, rel=0.01)
    assert after.cost_per_million_output_tokens == pytest.approx(3.0 / 3600.0 / per_gpu * 1e6)
    energy_w = before.max_energy_j_per_output_token * before.output_tokens_per_s_per_gpu
    assert after.max_energy_j_per_output_token == pytest.approx(energy_w / per_gpu)
    assert after.goodput_per_s <= after.request_rate_per_s
    assert after.tokens_per_s_per_user == pytest.approx(1.0 / after.itl.mean_s)


@pytest.mark.parametrize("percentile", ["mean", "p50", "p90", "p99"])
@CHANGES
def test_a_changed_estimate_is_judged_by_the_bound_s_own_statistic(asked, change, percentile):
    problem, candidate = asked
    changed = change(problem, candidate, problem.request.slo)
    for factor, kept in ((1.001, True), (0.999, False)):
        slo = percentile_bound(changed, percentile, factor)
        assert change(problem, candidate, slo).meets_sla is kept


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_an_overloaded_estimate_holds_nothing(asked):
    _, candidate = asked
    estimate = candidate.estimate
    assert holds(estimate, Slo())
    assert not holds(replace(estimate, overloaded=True), Slo())


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_factors_of_one_change_nothing(asked):
    problem, candidate = asked
    assert corrected(candidate.estimate, problem.request.slo, {"ttft": 1.0, "itl": 1.0}) == candidate.estimate


@pytest.mark.parametrize("mode", ["agg"])
def test_an_estimate_of_unknown_origin_is_not_corrected(asked):
    problem, candidate = asked
    with pytest.raises(ValueError, match="without its means"):
        corrected(replace(candidate.estimate, means=None), problem.request.slo, {"ttft": 2.0})
