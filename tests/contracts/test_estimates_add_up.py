"""An estimate agrees with itself, however it came about: plain, calibrated, corrected or simulated."""

import math
from dataclasses import replace
from functools import cache

import pytest
from deployments import request_of

from simkit.catalog.problems import build_problem
from simkit.closed_form.one_deployment import estimate_deployment
from simkit.closed_form.user_calibration import features_of, sharpened
from simkit.compare.measurement_plan import engine_name
from simkit.compare.verdicts import with_factors
from simkit.core.slo import Slo
from simkit.core.user_calibration import Observation, calibration_of
from simkit.search.search import search
from simkit.verbs.estimate import Layouts, question
from simkit.verbs.shortlist_run import simulated_candidate

PRICE, EXACT = 2.5, 1e-9
AGG, DISAGG = Layouts(worker="2xtp2"), Layouts(prefill="1xtp2", decode="1xtp4")
LOADS = {
    "closed": {"concurrency": 40.0},
    "benchmark": {"concurrency": 40.0, "requests_per_slot": 10.0, "length_spread": 0.2},
    "more than fit": {"concurrency": 2000.0, "requests_per_slot": 4.0},
    "open": {"request_rate_per_s": 3.0},
}
ALL = [(load, layout) for load in LOADS for layout in (AGG, DISAGG)]
EACH = pytest.mark.parametrize(
    ("load", "layout"), ALL, ids=[f"{load}-{'agg' if layout is AGG else 'disagg'}" for load, layout in ALL]
)


@cache
def plain(load: str, layout: Layouts):
    """Problem and candidate; half of the requests or so keep the bounds."""
    free = request_of(
        "Qwen/Qwen3-30B-A3B", "h100_sxm", gpu_hour_price=PRICE, isl_tokens=2000.0, osl_tokens=200.0,
        **LOADS[load],
    )  # fmt: skip
    problem, deployment = question(free, layout)
    said = estimate_deployment(problem, deployment).candidate.estimate
    slo = Slo(ttft_s=1.05 * said.ttft.mean_s, itl_s=1.05 * said.itl.mean_s)
    problem = replace(problem, request=replace(problem.request, slo=slo))
    return problem, estimate_deployment(problem, deployment)


def calibrated(load: str, layout: Layouts, ttft: float, itl: float):
    """The estimate under a user's runs that measured it these many times as long."""
    problem, result = plain(load, layout)
    item, request = result.candidate, problem.request
    features = features_of(request.workload, item.estimate, item.deployment)
    logs = {"ttft": math.log(ttft), "itl": math.log(itl)}
    own = calibration_of([Observation(features=features, log_ratios=logs, doubts={"ttft": 1.0, "itl": 1.0})])
    asked = replace(problem, request=replace(request, own=own))
    return estimate_deployment(asked, item.deployment).candidate


def by_engines(load: str, layout: Layouts, prefill: float, decode: float):
    """The estimate where its engines alone were measured to take these many times as long."""
    problem, result = plain(load, layout)
    item, request = result.candidate, problem.request
    sides = zip(("prefill", "decode"), item.deployment.pools, (prefill, decode), strict=True)
    backend = item.deployment.backend
    factors = {engine_name(role, pool.plan, backend): factor for role, pool, factor in sides}
    return with_factors(item, request.slo, factors)


def disagreements(candidate, problem) -> dict[str, tuple[float, float]]:
    """What an estimate says and what follows from the rest of it, where these differ."""
    load, own = problem.request.workload, candidate.estimate
    said = candidate.simulated or own
    share = 1.0 - load.length_spread / 2.0
    osl, gpus = load.osl_tokens * share, candidate.deployment.num_gpus
    per_gpu = said.output_tokens_per_s_per_gpu
    cost = getattr(said, "cost_per_million_output_tokens", own.cost_per_million_output_tokens)
    energy = getattr(said, "max_energy_j_per_output_token", own.max_energy_j_per_output_token)
    follows = {
        "end to end": (said.e2e.mean_s, said.ttft.mean_s + said.itl.mean_s * (osl - 1.0)),
        "tokens/s": (said.output_tokens_per_s, said.request_rate_per_s * osl),
        "tokens/s/GPU": (per_gpu, said.output_tokens_per_s / gpus),
        "cost": (cost, PRICE / 3600.0 / per_gpu * 1e6),
        "energy": (energy, problem.engines[0].device.tdp_w / per_gpu),
        "in flight": (said.request_rate_per_s, said.concurrency / said.e2e.mean_s),
    }
    if hasattr(said, "tokens_per_s_per_user"):
        follows["tokens/s/user"] = (said.tokens_per_s_per_user, 1.0 / said.itl.mean_s)
    if own.doubtful and not candidate.simulated:  # full prefill engines feed less than comes round
        fed, round_trip = follows.pop("in flight")
        follows["in flight"] = (max(fed, round_trip), round_trip)
    wrong = {name: pair for name, pair in follows.items() if abs(pair[0] / pair[1] - 1.0) > EXACT}
    if said.goodput_per_s > said.request_rate_per_s * (1.0 + EXACT):
        wrong["goodput above the request rate"] = (said.goodput_per_s, said.request_rate_per_s)
    rate = load.request_rate_per_s
    if rate is not None and not candidate.simulated and said.request_rate_per_s != rate:
        wrong["offered rate"] = (said.request_rate_per_s, rate)
    return wrong


@EACH
def test_a_plain_estimate_adds_up(load, layout):
    problem, result = plain(load, layout)
    assert not (wrong := disagreements(result.candidate, problem)), wrong


@EACH
@pytest.mark.parametrize("factors", [(1.5, 1.3), (0.7, 1.4), (1.3, 0.6)])
def test_a_calibrated_estimate_adds_up(load, layout, factors):
    assert not (wrong := disagreements(calibrated(load, layout, *factors), plain(load, layout)[0])), wrong


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("factors", [(1.5, 1.3), (0.7, 1.4), (1.3, 0.6)])
def test_an_estimate_corrected_by_its_engines_alone_adds_up(load, factors):
    assert not (wrong := disagreements(by_engines(load, DISAGG, *factors), plain(load, DISAGG)[0])), wrong


@pytest.mark.parametrize("layout", [AGG, DISAGG], ids=["agg", "disagg"])
def test_a_simulated_finalist_adds_up(layout):
    problem, result = plain("closed", layout)
    found = simulated_candidate(problem, result.candidate, 0).candidate
    assert not (wrong := disagreements(found, problem)), wrong


@pytest.mark.parametrize("corrected", [calibrated, by_engines])
@pytest.mark.parametrize("load", ["closed", "open"])
def test_probability_and_goodput_fall_as_latencies_rise(load, corrected):
    """Twice as slow breaks bounds 5 % above the mean, twice as fast keeps them."""
    said = [corrected(load, DISAGG, factor, factor).estimate for factor in (0.5, 1.0, 2.0)]
    chance, good = (
        [item.sla_probability for item in said],
        [item.goodput_per_s / item.request_rate_per_s for item in said],
    )
    assert chance[0] > chance[1] > chance[2], chance
    assert good[0] > good[1] > good[2], good


def test_a_calibration_that_says_nothing_changes_no_mean_and_no_rate():
    for load, layout in ALL:
        before, after = plain(load, layout)[1].candidate.estimate, calibrated(load, layout, 1.0, 1.0).estimate
        for name in ("request_rate_per_s", "output_tokens_per_s", "goodput_per_s", "tokens_per_s_per_user"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), rel=EXACT), (load, name)
        assert after.e2e.mean_s == pytest.approx(before.e2e.mean_s, rel=EXACT), load


def test_every_candidate_of_a_search_adds_up():
    request = request_of(
        "openai/gpt-oss-120b", "b200_sxm", "trtllm", gpus=2, gpu_hour_price=PRICE,
        slo=Slo(ttft_s=1.0, itl_s=0.02), isl_tokens=1000.0, osl_tokens=200.0, concurrency=32.0,
    )  # fmt: skip
    problem = build_problem(request)
    for item in search(problem).candidates:
        assert not (wrong := disagreements(item, problem)), wrong
        own = calibration_of([Observation(
            features=features_of(request.workload, item.estimate, item.deployment),
            log_ratios={"ttft": 0.3, "itl": -0.2}, doubts={"ttft": 0.3, "itl": 0.1},
        )])  # fmt: skip
        after = sharpened(item, request.workload, request.slo, own)
        assert not (wrong := disagreements(after, problem)), wrong
