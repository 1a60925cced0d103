"""Crossings of increasing functions: known roots, kinks, ends, and every element by itself."""

import numpy as np
import pytest

from simkit.closed_form.roots import crossing


def test_known_roots_to_the_last_bits():
    power = np.array([1.0, 2.0, 3.0, 7.0])
    found = crossing(lambda x: x**power - 2.0, np.zeros(4), np.full(4, 5.0))
    assert found == pytest.approx(2.0 ** (1.0 / power), rel=1e-14)


def test_kinks_and_jumps_are_found_like_by_bisection():
    rng = np.random.default_rng(5)
    knots = np.cumsum(rng.exponential(1.0, (50, 12)), axis=1)
    heights = np.cumsum(rng.exponential(1.0, (50, 12)) ** 3, axis=1)
    aims = rng.uniform(heights[:, 0], heights[:, -1])

    def above(x):
        return np.array([np.interp(*each) for each in zip(x, knots, heights, strict=True)]) - aims

    low, high = knots[:, 0].copy(), knots[:, -1].copy()
    found = crossing(above, low, high)
    for _ in range(200):
        middle = 0.5 * (low + high)
        enough = above(middle) >= 0
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    assert found == pytest.approx(high, rel=1e-12)
    step = crossing(lambda x: np.where(x < 3.0, -1.0, 1.0), np.zeros(1), np.full(1, 10.0))
    assert step == pytest.approx(3.0, rel=1e-12)


def test_where_the_function_has_one_sign_the_end_is_told():
    shift = np.array([-20.0, 20.0])
    found = crossing(lambda x: x + shift, np.ones(2), np.full(2, 10.0))
    assert found.tolist() == [10.0, 1.0]


def test_few_rounds_are_enough():
    calls = []

    def counted(x):
        calls.append(1)
        return np.exp(x) - np.linspace(2.0, 20_000.0, 1000)

    crossing(counted, np.zeros(1000), np.full(1000, 10.0))
    assert len(calls) < 25
