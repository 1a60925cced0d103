"""Grids of log times: exact for power laws, monotone, continuous, honest about their reach."""

import numpy as np
import pytest

from perfmodels.op_times.grid import GridAxis, GridModel

ROUNDING = 1e-5  # values are stored as float32


def power_law(exponents, knots=(1.0, 4.0, 16.0, 64.0), beyond=1.0):
    axes = tuple(GridAxis(name=f"x{i}", knots=knots, beyond=beyond) for i in range(len(exponents)))
    logs = np.meshgrid(*[np.log(axis.knots) for axis in axes], indexing="ij")
    values = sum(e * log for e, log in zip(exponents, logs, strict=True))
    return GridModel(axes=axes, log_time=np.asarray(values, dtype=np.float32))


@pytest.mark.parametrize("exponents", [(1.0,), (0.5, 2.0), (1.0, 0.0, 0.7), (0.2, 0.4, 0.6, 0.8)])
def test_power_laws_are_exact_between_knots(exponents):
    model, rng = power_law(exponents), np.random.default_rng(1)
    points = [rng.uniform(1.0, 64.0, 500) for _ in exponents]
    expected = np.prod([p**e for p, e in zip(points, exponents, strict=True)], axis=0)
    assert model.time_s(points) == pytest.approx(expected, rel=ROUNDING)


def test_a_value_by_hand():
    # knots 1 and 4 hold 1 s and 8 s; at 2, half way in logs, sqrt(8)
    axis = GridAxis(name="m", knots=(1.0, 4.0))
    model = GridModel(axes=(axis,), log_time=np.log(np.array([1.0, 8.0], dtype=np.float32)))
    assert model.time_s([2.0]) == pytest.approx(8**0.5, rel=ROUNDING)
    assert model.time_s([0.1]) == pytest.approx(1.0, rel=ROUNDING)  # held before the first knot
    assert model.time_s([40.0]) == pytest.approx(80.0, rel=ROUNDING)  # proportional past the last


def test_growth_past_the_last_knot_follows_the_axis():
    square = power_law((2.0,), beyond=2.0)
    assert square.time_s([640.0]) / square.time_s([64.0]) == pytest.approx(100.0, rel=ROUNDING)


def test_coordinates_broadcast():
    model = power_law((1.0, 1.0))
    assert model.time_s([np.ones((3, 1)), np.ones(5)]).shape == (3, 5)
    assert model.time_s([2.0, 3.0]).shape == ()


def test_long_columns_equal_short_ones():
    model, rng = power_law((1.0, 0.5)), np.random.default_rng(2)
    points = [rng.uniform(1, 100, 40_000), rng.uniform(1, 100, 40_000)]
    some = model.time_s([p[17_000:17_010] for p in points])
    assert np.array_equal(model.time_s(points)[17_000:17_010], some)


def test_an_axis_of_one_knot_only_says_where_it_holds():
    axes = (GridAxis(name="m", knots=(1.0, 4.0)), GridAxis(name="group", knots=(8.0,)))
    model = GridModel(axes=axes, log_time=np.zeros((2, 1), dtype=np.float32))
    assert model.time_s([2.0, 8.0]) == model.time_s([2.0, 99.0]) == 1.0
    assert model.inside([2.0, 8.0])
    assert not model.inside([2.0, 9.0])


def test_inside_is_between_the_outer_knots():
    model = power_law((1.0, 1.0))
    found = model.inside([np.array([0.5, 1.0, 64.0, 65.0]), 2.0])
    assert found.tolist() == [False, True, True, False]


@pytest.mark.parametrize("knots", [(), (0.0, 1.0), (2.0, 1.0), (1.0, 1.0)])
def test_knots_are_checked(knots):
    with pytest.raises(ValueError, match="ascending"):
        GridAxis(name="m", knots=knots)


def test_values_must_fit_the_knots():
    with pytest.raises(ValueError, match="as many values"):
        GridModel(axes=(GridAxis(name="m", knots=(1, 2)),), log_time=np.zeros(3, dtype=np.float32))
