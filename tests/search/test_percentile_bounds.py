"""Percentile bounds, cost and energy."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.percentiles import itl_quantile, ttft_quantile
from simkit.core.errors import InputError
from simkit.core.estimate import bounded
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.search.search import search

LENGTHS = {"isl_tokens": 4000, "osl_tokens": 500}
LOADS = [{}, {"concurrency": 40}, {"request_rate_per_s": 3.0}]


def test_percentiles_by_hand():
    """1 s of service, a wait of mean 2 s: p99 = 1 + 2*ln(100). A share of 0.3 in 9 pieces: sd 10 %."""
    assert ttft_quantile(3.0, 2.0, 99) == pytest.approx(1 + 2 * math.log(100))
    assert itl_quantile(0.02, (0.3, 9.0), 90) == pytest.approx(0.02 * (1 + 0.1 * 1.2816))
    assert np.isinf(ttft_quantile(np.inf, np.inf, 90))


@pytest.mark.slow
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("statistic", ["p90", "p99"])
@pytest.mark.parametrize("bounds", [{"ttft_s": 2.0, "itl_s": 0.03}, {"e2e_s": 12.0}])
def test_a_percentile_bound_is_held_by_the_percentile(problem_of, load, statistic, bounds):
    problem = problem_of(slo=bounds | {"statistic": statistic}, **load, **LENGTHS)
    rec = search(problem)
    assert rec.meets_sla
    for item in rec.candidates:
        within = all(bounded(item.estimate, name, statistic) <= bound for name, bound in bounds.items())
        assert item.meets_sla == within
    if load:
        single = deployment_candidate(problem, rec.selected.deployment)
        assert single.meets_sla
        assert single.estimate.sla_probability == pytest.approx(
            rec.selected.estimate.sla_probability, rel=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("load", LOADS)
def test_bounding_a_percentile_is_never_easier(problem_of, load):
    """The expected best under p99 holds on means too, so it is never better than the one under means."""
    mean, p99 = (
        search(
            problem_of(slo={"ttft_s": 1.0, "itl_s": 0.02, "statistic": s}, **load, **LENGTHS)
        ).expected_best
        for s in ("mean", "p99")
    )
    assert not (p99.meets_sla and not mean.meets_sla)
    if p99.meets_sla and not load:
        assert p99.estimate.output_tokens_per_s <= mean.estimate.output_tokens_per_s * (1 + 1e-9)
    if p99.meets_sla and load:
        assert p99.deployment.num_gpus >= mean.deployment.num_gpus


def test_an_unknown_statistic_is_named():
    with pytest.raises(InputError, match="p99"):
        Slo(ttft_s=1.0, statistic="p98")


def test_cost_and_energy_by_hand(problem_of):
    """3.6 units an hour are 0.001 a second; an H200 takes at most 700 W."""
    problem = problem_of(**LENGTHS)
    assert search(problem).selected.estimate.cost_per_million_output_tokens is None
    priced = search(replace(problem, request=replace(problem.request, gpu_hour_price=3.6))).selected.estimate
    per_gpu = priced.output_tokens_per_s_per_gpu
    assert priced.cost_per_million_output_tokens == pytest.approx(0.001 / per_gpu * 1e6)
    assert priced.max_energy_j_per_output_token == pytest.approx(700 / per_gpu)


@pytest.mark.parametrize("price", [0.0, -1.0, math.inf, math.nan])
def test_a_price_is_positive(price):
    with pytest.raises(InputError, match="price"):
        Request(model="m", gpu_hour_price=price)
