"""A steady load has no opening burst, is bounded, and follows its seed."""

import numpy as np
import pytest

from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.sim.load.steady_load import MOST_REQUESTS, ROUNDS, steady_load


def drawn(seed=0, expected=(8.0, 20.0), **workload):
    return steady_load(
        Workload(isl_tokens=100, osl_tokens=50, **workload), expected, np.random.default_rng(seed)
    )


def test_slots_open_over_the_time_of_one_request():
    load = drawn(concurrency=64)
    opened = load.requests.arrival_s[:64]
    assert np.all(np.diff(opened) >= 0)
    assert 0 <= opened[0] < opened[-1] <= 20.0
    assert opened.std() == pytest.approx(20.0 / np.sqrt(12), rel=0.25)  # all over it
    assert np.all(load.requests.arrival_s[64:] == opened[-1])


@pytest.mark.parametrize("concurrency", [1, 7, 64, 500, 3_000, 20_000])
def test_the_number_of_requests_is_bounded(concurrency):
    load = drawn(concurrency=concurrency)
    counted = load.last - load.first
    assert load.concurrency == concurrency
    assert load.first == 2 * concurrency
    assert len(load.requests) == load.last + concurrency
    assert counted >= 2 * concurrency
    assert counted <= max(ROUNDS * concurrency, 200)
    assert len(load.requests) <= max(MOST_REQUESTS, 5 * concurrency)


def test_an_open_load_is_poisson_and_long_enough_for_its_waits():
    load = drawn(request_rate_per_s=4.0)
    gaps = np.diff(load.requests.arrival_s)
    assert load.concurrency is None
    assert load.last - load.first == 1_000
    assert gaps.mean() == pytest.approx(0.25, rel=0.1)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_the_seed_decides():
    one, same, other = (drawn(seed, concurrency=16, length_spread=0.5).requests for seed in (1, 1, 2))
    for name in ("arrival_s", "isl_tokens", "osl_tokens"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))
    assert one.osl_tokens.min() >= 25
    assert one.osl_tokens.max() <= 50


def test_without_a_load_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="no load to simulate"):
        drawn()
