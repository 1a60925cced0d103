"""Whether an SLA holds is asked of the statistic that was bound, wherever it is asked."""

import math
from dataclasses import replace

import pytest
from deployments import request_of

import simkit
from simkit.catalog.problems import build_problem
from simkit.closed_form.one_deployment import estimate_deployment
from simkit.closed_form.user_calibration import features_of
from simkit.compare.verdicts import Judge, measured_figures, predicted_figures, with_factors
from simkit.core.estimate import bounded
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.core.slo import STATISTICS, Slo
from simkit.core.user_calibration import Observation, calibration_of
from simkit.measure.profile_verdict import judge_of
from simkit.search.search import search
from simkit.verbs.estimate import Layouts, question
from simkit.verbs.shortlist_run import simulated_candidate
from simkit.verbs.simulate import SimulateOptions

AGG, DISAGG = Layouts(worker="2xtp2"), Layouts(prefill="1xtp2", decode="1xtp2")
LAYOUTS = pytest.mark.parametrize("layout", [AGG, DISAGG], ids=["agg", "disagg"])
LOAD = {"isl_tokens": 2000.0, "osl_tokens": 200.0}


def asked(layout, slo=None, **load):
    """Problem and estimate; open loop, where TTFT has a tail."""
    request = request_of(
        "Qwen/Qwen3-32B", "h100_sxm", slo=slo or Slo(), **LOAD, **(load or {"request_rate_per_s": 2.0})
    )  # fmt: skip
    problem, deployment = question(request, layout)
    return problem, estimate_deployment(problem, deployment)


def between(layout, statistic="p99"):
    """A bound on TTFT that the mean keeps and the 99th percentile breaks."""
    ttft = asked(layout)[1].candidate.estimate.ttft
    assert ttft.p99_s > 1.1 * ttft.mean_s
    return Slo(ttft_s=math.sqrt(ttft.mean_s * ttft.p99_s), statistic=statistic)


def unmoved(problem, result):
    """The estimate under a user's runs that measured what it says."""
    item = result.candidate
    features = features_of(problem.request.workload, item.estimate, item.deployment)
    own = calibration_of(
        [
            Observation(
                features=features, log_ratios={"ttft": 0.0, "itl": 0.0}, doubts={"ttft": 0.3, "itl": 0.1}
            )
        ]
    )
    asked = replace(problem, request=replace(problem.request, own=own))
    return estimate_deployment(asked, item.deployment).candidate


def run_of(estimate, **figures) -> Run:
    """A run that measured what was estimated."""
    percentiles = STATISTICS
    spreads = {
        name: MeasuredSpread(**{f"{at}_s": bounded(estimate, f"{name}_s", at) for at in percentiles})
        for name in ("ttft", "itl", "e2e")
    }
    common = {"output_tokens_per_s": estimate.output_tokens_per_s, "num_requests": 100, **LOAD}
    return Run(source=Source(tool="planted", path="planted"), **{**common, **spreads, **figures})


VERDICTS = {
    "plain": lambda problem, result: result.candidate.meets_sla,
    "calibrated": lambda problem, result: unmoved(problem, result).meets_sla,
    "corrected by its engines alone": lambda problem, result: (
        with_factors(result.candidate, problem.request.slo, {}).meets_sla
    ),
    "figures of an estimate": lambda problem, result: predicted_figures(result.candidate).holds(
        problem.request.slo
    ),
    "figures of a run": lambda problem, result: measured_figures(
        run_of(result.candidate.estimate), result.candidate.deployment.num_gpus
    ).holds(problem.request.slo),
}


@LAYOUTS
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_bound_on_the_99th_percentile_is_not_kept_by_a_mean(verdict, layout):
    holds = VERDICTS[verdict]
    found = {name: holds(*asked(layout, between(layout, name))) for name in ("mean", "p99")}
    assert found == {"mean": True, "p99": False}


@LAYOUTS
@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("on", ["p75", "p95"])
def test_each_bound_is_kept_by_its_own_statistic(verdict, on, layout):
    """One bound on TTFT that only the mean keeps, beside one on ITL that every figure keeps."""
    holds, free = VERDICTS[verdict], asked(layout)[1].candidate.estimate
    bounds = {
        "ttft_s": math.sqrt(free.ttft.mean_s * bounded(free, "ttft_s", on)),
        "itl_s": 10.0 * free.itl.mean_s,
    }
    found = {
        own: holds(*asked(layout, Slo(**bounds, statistic="p99", ttft_statistic=own, itl_statistic="p50")))
        for own in ("mean", on)
    }
    assert found == {"mean": True, on: False}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_without_a_bound_asked_for_nothing_is_judged(verdict):
    slo = Slo(ttft_s=1e-4, itl_s=1e-5, assumed=True)
    problem, result = asked(AGG, slo)
    assert VERDICTS[verdict](problem, result) is True
    assert result.candidate.estimate.sla_probability is None


@LAYOUTS
def test_the_judge_of_measured_runs_prefers_one_that_keeps_the_percentile(layout):
    """A run with the better throughput whose tail breaks the bound comes after one that keeps it."""
    slo = between(layout)
    problem, result = asked(layout, slo)
    estimate, gpus = result.candidate.estimate, result.candidate.deployment.num_gpus
    fast = run_of(estimate, output_tokens_per_s=2.0 * estimate.output_tokens_per_s)
    calm = run_of(estimate, ttft=replace(fast.ttft, p99_s=0.99 * slo.ttft_s))
    judge = judge_of(problem)
    keys = [judge.key(measured_figures(run, gpus)) for run in (calm, fast)]
    assert keys[0] < keys[1]


@LAYOUTS
@pytest.mark.parametrize("statistic", ["mean", "p50", "p90", "p99"])
def test_a_calibrated_probability_is_about_the_statistic_that_is_bound(layout, statistic):
    """At a bound that is just the figure expected it is about a half, whatever the figure."""
    figure = bounded(asked(layout)[1].candidate.estimate, "ttft_s", statistic)
    found = unmoved(*asked(layout, Slo(ttft_s=figure, statistic=statistic)))
    assert found.estimate.sla_probability == pytest.approx(0.5, abs=0.15)


@LAYOUTS
def test_a_simulation_judges_the_statistic_that_is_bound(layout):
    free, _ = asked(layout)
    run = simkit.simulate(free.request, layout, SimulateOptions(seed=3)).run.summary
    ttft = run.distributions["ttft_s"]
    for statistic, expected in (("mean", True), ("p99", False)):
        slo = Slo(ttft_s=math.sqrt(ttft.mean * ttft.percentiles[99]), statistic=statistic)
        found = simkit.simulate(replace(free.request, slo=slo), layout, SimulateOptions(seed=3)).meets_sla
        assert found is expected, statistic


@LAYOUTS
def test_a_simulated_finalist_is_judged_by_the_statistic_that_is_bound(layout):
    problem, result = asked(layout, concurrency=24.0)
    free = simulated_candidate(problem, result.candidate, 0).candidate.simulated
    for statistic, expected in (("mean", True), ("p99", False)):
        slo = Slo(ttft_s=math.sqrt(free.ttft.mean_s * free.ttft.p99_s), statistic=statistic)
        bound = replace(problem, request=replace(problem.request, slo=slo))
        assert simulated_candidate(bound, result.candidate, 0).candidate.meets_sla is expected, statistic


def test_the_search_chooses_by_the_statistic_that_is_bound():
    for statistic in ("mean", "p75", "p90", "p99"):
        slo = Slo(ttft_s=0.5, itl_s=0.02, statistic=statistic, itl_statistic="p95")
        request = request_of("Qwen/Qwen3-32B", "h100_sxm", gpus=4, slo=slo, request_rate_per_s=2.0, **LOAD)
        problem = build_problem(request)
        for item in search(problem).candidates:
            kept = (item.bounded_s("ttft_s", statistic) <= 0.5, item.bounded_s("itl_s", "p95") <= 0.02)
            holds = all(kept)
            assert item.meets_sla is holds
            assert estimate_deployment(problem, item.deployment).candidate.meets_sla is holds


def test_goodput_is_what_measured_runs_are_judged_by_where_it_is_the_objective():
    slo = Slo(ttft_s=60.0)
    problem, result = asked(AGG, slo)
    problem = replace(problem, request=replace(problem.request, optimization="goodput"))
    judge, estimate = judge_of(problem), result.candidate.estimate
    assert judge.objective == "goodput"
    assert isinstance(judge, Judge)
    more = run_of(estimate, output_tokens_per_s=2.0 * estimate.output_tokens_per_s, goodput_per_s=1.0)
    better = run_of(estimate, goodput_per_s=2.0)
    assert judge.key(measured_figures(better, 4)) < judge.key(measured_figures(more, 4))
