"""Loads have the rates, spreads and shared prefixes that were asked for, whatever the chunks."""

import itertools
import math

import numpy as np
import pytest

from simkit.core.errors import InputError
from simkit.sim.load.arrivals import ClosedLoop, OpenLoop, SyntheticLoad, burstiness_of_cv, chunks
from simkit.sim.load.lengths import FixedLength, LognormalLength, UniformLength, spread_length
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.requests import joined, part, selected

N = 40_000
SIGMAS = 4.5  # a correct sampler is outside once in 150,000 draws; seeds are fixed


def drawn(load, seed=1, size=1 << 16):
    return joined(list(chunks(load, np.random.default_rng(seed), size)))


def load(arrivals=None, isl=None, osl=None, **more):
    return SyntheticLoad(
        arrivals=arrivals or ClosedLoop(concurrency=8),
        isl=isl or FixedLength(tokens=1000),
        osl=osl or FixedLength(tokens=100),
        **{"count": N, **more},
    )


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0, None])
@pytest.mark.parametrize("rate", [0.5, 200.0])
def test_gaps_have_the_rate_and_the_coefficient_of_variation(rate, burstiness):
    found = drawn(load(OpenLoop(rate_per_s=rate, burstiness=burstiness)))
    gaps = np.diff(found.arrival_s, prepend=0.0)
    cv = 0.0 if burstiness is None else 1 / math.sqrt(burstiness)
    assert np.mean(gaps) == pytest.approx(1 / rate, rel=SIGMAS * cv / math.sqrt(N) + 1e-9)
    # standard error of a sample's deviation: sqrt((kurtosis - 1) / 4n); a gamma's kurtosis is 3 + 6 cv^2
    error = math.sqrt((2 + 6 * cv**2) / (4 * N)) + cv / math.sqrt(N)
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(cv, rel=SIGMAS * error, abs=1e-6)


def test_poisson_counts_have_the_variance_of_their_mean():
    found = drawn(load(OpenLoop(rate_per_s=10.0)))
    counts = np.bincount(found.arrival_s.astype(int))[:-1]
    # the variance of a Poisson sample's variance is (mu + 2 mu^2) / n
    error = math.sqrt((10 + 2 * 10**2) / len(counts))
    assert np.var(counts) == pytest.approx(10.0, abs=SIGMAS * error)


def test_cv_and_burstiness_say_the_same():
    assert burstiness_of_cv(2.0) == 0.25
    assert burstiness_of_cv(1.0) == 1.0
    assert burstiness_of_cv(0.0) is None


def test_a_closed_loop_does_not_look_at_the_clock():
    assert not np.any(drawn(load(ClosedLoop(concurrency=64))).arrival_s)


def test_spread_is_uniform_between_its_ends():
    found = drawn(load(isl=spread_length(1000, 0.2))).isl_tokens
    assert (found.min(), found.max()) == (800, 1000)
    assert np.mean(found) == pytest.approx(900, abs=SIGMAS * 201 / math.sqrt(12 * N))
    assert np.std(found) == pytest.approx(201 / math.sqrt(12), rel=SIGMAS / math.sqrt(2 * N))
    assert spread_length(1000, 0.0) == FixedLength(tokens=1000)
    assert spread_length(1, 0.9) == FixedLength(tokens=1)


@pytest.mark.parametrize("cv", [0.3, 1.0])
def test_lognormal_lengths_keep_mean_and_spread(cv):
    found = drawn(load(isl=LognormalLength(tokens=3000, cv=cv))).isl_tokens
    sigma2 = math.log1p(cv**2)
    excess = math.exp(4 * sigma2) + 2 * math.exp(3 * sigma2) + 3 * math.exp(2 * sigma2) - 6
    assert np.mean(found) == pytest.approx(3000, rel=SIGMAS * cv / math.sqrt(N))
    error = math.sqrt((excess + 2) / (4 * N)) + cv / math.sqrt(N)
    assert np.std(found) / np.mean(found) == pytest.approx(cv, rel=SIGMAS * error)
    assert np.median(found) == pytest.approx(3000 / math.sqrt(1 + cv**2), rel=0.03)


def test_lognormal_lengths_are_cut():
    found = LognormalLength(tokens=100, cv=3, least_tokens=20, most_tokens=500).draw(
        np.random.default_rng(1), 5000
    )
    assert (found.min(), found.max()) == (20, 500)


@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
def test_chunks_do_not_change_what_is_drawn(size):
    asked = load(
        OpenLoop(rate_per_s=3, burstiness=0.5),
        isl=LognormalLength(tokens=500, cv=0.5, least_tokens=200),
        osl=UniformLength(low_tokens=5, high_tokens=50),
        prefixes=SharedPrefixes(system_tokens=64, prefix_tokens=32, num_prefixes=5),
        count=2000,
        warmup=500,
    )
    whole, pieces = drawn(asked, seed=5), drawn(asked, seed=5, size=size)
    for name in ("arrival_s", "isl_tokens", "osl_tokens", "block_ids", "block_starts"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name)), name
    assert len(whole) == 2500
    assert drawn(asked, seed=6).arrival_s[0] != whole.arrival_s[0]


def test_chunks_come_one_by_one():
    """Ten billion requests are promised; only those asked for are made."""
    endless = chunks(load(count=10**10), np.random.default_rng(0), size=10)
    assert sum(len(chunk) for chunk in itertools.islice(endless, 3)) == 30


def test_prefixes_are_shared_by_whole_blocks():
    prefixes = SharedPrefixes(system_tokens=1000, prefix_tokens=600, num_prefixes=4)
    assert prefixes.block_tokens == 32  # gcd of 992 and 1600: whole cache blocks of 16
    found = drawn(load(isl=FixedLength(tokens=2000), prefixes=prefixes, count=400))
    rows = found.block_ids.reshape(400, -1)
    assert rows.shape[1] * prefixes.block_tokens == 1600
    assert np.all(rows[:, :31] == np.arange(31))  # 31 x 32 = 992 tokens of system prompt
    tails = np.unique(rows[:, 31:], axis=0)
    assert len(tails) == 4
    assert len(np.unique(tails)) == tails.size  # no block belongs to two prefixes
    chosen = np.bincount(np.unique(rows[:, 31], return_inverse=True)[1])
    assert np.all(np.abs(chosen - 100) < SIGMAS * math.sqrt(400 * 0.25 * 0.75))


def test_one_system_prompt_is_one_block():
    prefixes = SharedPrefixes(system_tokens=4096)
    ids, starts = prefixes.draw(np.random.default_rng(0), 3)
    assert prefixes.block_tokens == 4096
    assert ids.tolist() == [0, 0, 0]
    assert starts.tolist() == [0, 1, 2, 3]


def test_less_than_a_cache_block_is_not_shared():
    ids, starts = SharedPrefixes(system_tokens=15).draw(np.random.default_rng(0), 3)
    assert len(ids) == 0
    assert starts.tolist() == [0, 0, 0, 0]


def test_parts_and_selections_keep_blocks_with_their_requests():
    prefixes = SharedPrefixes(system_tokens=32, prefix_tokens=32, num_prefixes=50)
    found = drawn(load(prefixes=prefixes, count=20))
    again = joined([part(found, 0, 7), part(found, 7, 20)])
    assert np.array_equal(again.block_ids, found.block_ids)
    assert np.array_equal(again.block_starts, found.block_starts)
    picked = selected(found, np.array([4, 1]))
    assert picked.block_ids.tolist() == [*found.block_ids[8:10], *found.block_ids[2:4]]
    assert picked.block_starts.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ClosedLoop(concurrency=0), "concurrency"),
        (lambda: OpenLoop(rate_per_s=0), "rate"),
        (lambda: OpenLoop(rate_per_s=math.nan), "rate"),
        (lambda: OpenLoop(rate_per_s=1, burstiness=0), "burstiness"),
        (lambda: burstiness_of_cv(-1), "coefficient"),
        (lambda: FixedLength(tokens=0), "length"),
        (lambda: UniformLength(low_tokens=9, high_tokens=3), "swap"),
        (lambda: LognormalLength(tokens=10, cv=0), "coefficient"),
        (lambda: LognormalLength(tokens=10, cv=1, least_tokens=5, most_tokens=2), "swap"),
        (lambda: spread_length(100, 1.0), "spread"),
        (lambda: SharedPrefixes(system_tokens=-1), "system_tokens"),
        (lambda: SharedPrefixes(num_prefixes=2), "tell apart"),
        (lambda: load(count=0), "number of requests"),
        (lambda: load(warmup=-1), "warm-up"),
        (lambda: load(prefixes=SharedPrefixes(system_tokens=1000)), "raise --isl"),
    ],
)
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
