"""Figures of a run: exact ones by hand and against numpy, sketched ones within their stated error."""

import numpy as np
import pytest

from simkit.core.errors import InputError
from simkit.core.slo import Slo
from simkit.sim.requests import RequestTimes, times_part
from simkit.sim.results.statistics import (
    PERCENTILES,
    RELATIVE_ERROR,
    LogHistogram,
    distribution,
    in_flight,
    weighted_distribution,
)
from simkit.sim.results.summary import SummaryBuilder, summarize

FIGURES = ("count", "total", "mean", "std", "low", "high")


@pytest.fixture
def two():
    """Worked by hand: request 0 of 3 tokens, request 1 of one."""
    return RequestTimes(
        sent_s=np.array([1.0, 2.0]),
        start_s=np.array([1.5, 2.0]),
        first_token_s=np.array([2.0, 4.0]),
        finished_s=np.array([3.0, 4.0]),
        isl_tokens=np.array([100, 300]),
        osl_tokens=np.array([3, 1]),
        cached_tokens=np.array([0, 64]),
        preemptions=np.array([0, 2]),
        replica=np.array([0, 1]),
    )


def test_by_hand(two):
    found = summarize(two, Slo(ttft_s=1.5, itl_s=0.6))
    assert found.duration_s == 3.0  # 1.0 to 4.0
    assert found.requests == 2
    assert found.request_rate_per_s == pytest.approx(2 / 3)
    assert found.output_tokens_per_s == pytest.approx(4 / 3)
    assert found.distributions["ttft_s"].mean == 1.5  # 1.0 and 2.0
    assert found.distributions["ttft_s"].percentiles[75] == 1.75
    assert found.distributions["itl_s"].count == 1  # a request of one token has none
    assert found.distributions["itl_s"].mean == 0.5
    assert found.distributions["tps_per_user"].mean == 2.0
    assert found.distributions["e2e_s"].mean == 2.0
    assert found.distributions["queue_s"].high == 0.5
    assert found.distributions["prefill_tps_per_user"].high == 150.0
    assert (found.cached_tokens, found.preemptions, found.isl_tokens) == (64, 2, 400)
    assert found.good_requests == 1  # request 1 took 2 s to its first token
    assert found.goodput_per_s == pytest.approx(1 / 3)


def test_in_flight_by_hand(two):
    """One from 1 s to 2 s, two to 3 s, one to 4 s."""
    found = summarize(two).in_flight
    assert found["all"].mean == pytest.approx(4 / 3)
    assert (found["all"].low, found["all"].high) == (1.0, 2.0)
    assert found["all"].percentiles[50] == 1.0
    assert found["all"].percentiles[90] == 2.0
    assert found["prefill"].mean == pytest.approx(1.0)


def test_littles_law(times):
    """Mean in flight is rate times mean latency, exactly, over the whole run."""
    found = summarize(times)
    latency = found.distributions["e2e_s"].mean
    assert found.in_flight["all"].mean == pytest.approx(found.request_rate_per_s * latency, rel=1e-12)
    assert found.mean_in_flight == pytest.approx(found.in_flight["all"].mean, rel=1e-12)


def test_sla_by_statistic(times):
    found = summarize(times)
    ttft = found.distributions["ttft_s"]
    between = 0.5 * (ttft.mean + ttft.percentiles[99])
    assert found.missed(Slo(ttft_s=between)) == {}
    assert found.missed(Slo(ttft_s=between), "p99") == {"ttft_s": ttft.percentiles[99]}
    assert found.good_requests is None
    with pytest.raises(InputError, match="p99"):
        found.missed(Slo(ttft_s=1.0), "p98")


def test_percentiles_are_numpys(times):
    found = summarize(times).distributions["ttft_s"]
    assert list(found.percentiles.values()) == list(np.percentile(times.ttft_s, PERCENTILES))
    assert found.std == np.std(times.ttft_s)


def test_nothing_has_no_distribution():
    assert distribution(np.array([np.nan])) is None
    assert weighted_distribution(np.ones(2), np.zeros(2)) is None
    assert in_flight(np.ones(1), np.ones(1)) is None
    assert LogHistogram().distribution() is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.lognormal(-2, 2, 20_000),
        lambda rng: rng.exponential(1e-4, 20_000),
        lambda rng: np.where(rng.random(20_000) < 0.3, 0.0, rng.uniform(1, 2, 20_000)),
        lambda rng: np.full(100, 64.0),
        lambda rng: rng.integers(1, 10**6, 7),
        lambda rng: np.array([3.0]),
    ],
)
def test_the_sketch_keeps_its_error(draw):
    values = draw(np.random.default_rng(2))
    sketch = LogHistogram()
    for piece in np.array_split(values, 13):
        sketch.add(piece)
    found, exact = sketch.distribution(), distribution(values)
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-9, abs=1e-12), name
    for q in PERCENTILES:
        assert found.percentiles[q] == pytest.approx(exact.percentiles[q], rel=RELATIVE_ERROR * 1.001), q


def test_the_sketch_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="from 0 up"):
        LogHistogram().add(np.array([-1.0]))


def test_pieces_add_up_to_the_whole(times):
    slo = Slo(ttft_s=0.4, e2e_s=1.5)
    whole, builder = summarize(times, slo), SummaryBuilder(slo)
    for start in range(0, 3000, 700):
        builder.add(times_part(times, start, start + 700))
    found = builder.summary()
    for name in ("requests", "duration_s", "isl_tokens", "osl_tokens", "good_requests", "preemptions"):
        assert getattr(found, name) == getattr(whole, name), name
    assert found.percentile_error == RELATIVE_ERROR
    for name, exact in whole.distributions.items():
        sketched = found.distributions[name]
        assert sketched.mean == pytest.approx(exact.mean, rel=1e-12)
        assert sketched.percentiles[99] == pytest.approx(exact.percentiles[99], rel=RELATIVE_ERROR * 1.001)
