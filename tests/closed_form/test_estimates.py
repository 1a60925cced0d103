"""From means to what people read: percentiles, intervals, probability."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.uncertainty.intervals import ErrorModel
from simkit.closed_form.estimates import figures_of, sla_probability
from simkit.core.estimate import Means
from simkit.core.slo import Slo

# Measurements from half to twice the prediction.
ERRORS = {
    name: ErrorModel(levels=(0.05, 0.5, 0.95), log_ratios=(-math.log(2), 0.0, math.log(2)), num_groups=3)
    for name in ("ttft", "itl", "e2e")
}
POINT = Means(
    ttft_s=0.5, itl_s=0.02, waiting_s=0.1, batch=16, prefill_share=0.25, in_flight=20, requests_per_s=2,
    osl_tokens=101, num_gpus=4, saturated=False, offered=False, errors=ERRORS,
    log_sds=dict.fromkeys(ERRORS, 1.0),
)  # fmt: skip


def said(point, slo=Slo()):  # noqa: B008
    """The fields of an estimate that follow from means."""
    return SimpleNamespace(**figures_of(point, slo))


def test_rates_by_hand():
    found = said(POINT)
    assert found.output_tokens_per_s == 202
    assert found.output_tokens_per_s_per_gpu == 50.5
    assert found.tokens_per_s_per_user == 50
    assert found.e2e.mean_s == pytest.approx(0.5 + 100 * 0.02)
    assert found.sla_probability is None


def test_percentiles_of_ttft_by_hand():
    # 0.4 s of service and a wait with an exponential tail of mean 0.1 s
    found = said(POINT).ttft
    assert found.p50_s == pytest.approx(0.4 + 0.1 * math.log(2))
    assert found.p90_s == pytest.approx(0.4 + 0.1 * math.log(10))
    assert found.p99_s == pytest.approx(0.4 + 0.1 * math.log(100))
    assert (found.lo_s, found.hi_s) == (pytest.approx(0.25), pytest.approx(1.0))


def test_percentiles_of_itl_by_hand():
    # a quarter of the gap is other prompts', in 16 independent pieces: a spread of 0.02 / 4 / 4
    found = said(POINT).itl
    assert found.p50_s == pytest.approx(0.02)
    assert found.p90_s == pytest.approx(0.02 + 1.2816 * 0.00125)
    assert found.p99_s == pytest.approx(0.02 + 2.3263 * 0.00125)


def test_without_waiting_there_is_no_tail():
    found = said(replace(POINT, waiting_s=0.0, prefill_share=0.0))
    assert found.ttft.p50_s == found.ttft.p99_s == 0.5
    assert found.e2e.p50_s == found.e2e.p99_s == pytest.approx(2.5)


def test_probability_is_the_product_over_bounds():
    # a bound at the prediction holds for half, one at sqrt(2) times it for 0.725, twice it surely
    means = (1.0, 0.02, 3.0)
    assert sla_probability(means, Slo(), ERRORS) is None
    assert sla_probability(means, Slo(ttft_s=1.0), ERRORS) == pytest.approx(0.5)
    both = sla_probability(means, Slo(ttft_s=1.0, itl_s=0.02 * math.sqrt(2)), ERRORS)
    assert both == pytest.approx(0.5 * 0.725)
    assert sla_probability(means, Slo(ttft_s=1.0, e2e_s=6.1), ERRORS) == pytest.approx(0.5)


times = st.floats(1e-4, 100)


@given(
    ttft=times, itl=st.floats(1e-4, 1), waiting=st.floats(0, 1), batch=st.floats(0, 1000),
    share=st.floats(0, 1), osl=st.floats(1, 5000),
)  # fmt: skip
def test_percentiles_rise_and_intervals_hold_the_mean(ttft, itl, waiting, batch, share, osl):
    wait = waiting * ttft
    point = replace(POINT, ttft_s=ttft, itl_s=itl, waiting_s=wait, batch=batch, prefill_share=share)
    point = replace(point, osl_tokens=osl)
    found = said(point, Slo(ttft_s=1.0))
    for latency in (found.ttft, found.itl, found.e2e):
        assert latency.p50_s <= latency.p90_s <= latency.p99_s
        assert latency.lo_s <= latency.mean_s <= latency.hi_s
    assert 0 <= found.sla_probability <= 1


def test_the_tail_of_ttft_averages_to_its_mean():
    """Planted truth: service plus an exponential wait has the mean it was given."""
    rng = np.random.default_rng(3)
    drawn = 0.4 + rng.exponential(0.1, 200_000)
    found = said(POINT).ttft
    for percentile, value in ((50, found.p50_s), (90, found.p90_s), (99, found.p99_s)):
        assert value == pytest.approx(np.percentile(drawn, percentile), rel=0.01)
    assert drawn.mean() == pytest.approx(found.mean_s, rel=0.01)
