"""Fitting grids: a planted surface is found again, outliers and gaps do no harm, time never falls."""

import numpy as np
import pytest

from perfmodels.op_fit.grid import GridFit, fit_grid
from perfmodels.op_times.grid import GridAxis

RECOVERED = 0.02  # smoothing bends the corner of a roofline by less than this in the median
AXES = (
    GridAxis(name="m", knots=(1, 4, 16, 64, 256, 1024, 4096)),
    GridAxis(name="n", knots=(64, 256, 1024, 4096, 16384)),
)


def planted(m, n):
    """2 us to start, then the slower of a compute and a memory line."""
    return 2e-6 + np.maximum(m * n / 1e11, n / 1e10)


def sample(count, seed=0):
    rng = np.random.default_rng(seed)
    return 2 ** rng.uniform(0, 12, count), 2 ** rng.uniform(6, 14, count)


def median_error(model):
    m, n = sample(2_000, seed=99)
    return np.median(np.abs(model.time_s([m, n]) / planted(m, n) - 1))


def test_a_planted_surface_is_recovered():
    m, n = sample(3_000)
    assert median_error(fit_grid(AXES, [m, n], planted(m, n))) < RECOVERED


def test_outliers_do_not_move_it():
    m, n = sample(3_000)
    time = planted(m, n)
    time[::20] *= 10
    assert median_error(fit_grid(AXES, [m, n], time)) < 1.5 * RECOVERED


@pytest.mark.parametrize("seed", range(5))
def test_time_never_falls_along_monotone_axes(seed):
    m, n = sample(400, seed)
    noise = np.random.default_rng(seed).lognormal(0, 0.5, 400)
    grid = fit_grid(AXES, [m, n], planted(m, n) * noise).log_time
    assert all((np.diff(grid, axis=axis) >= 0).all() for axis in (0, 1))


def test_an_axis_may_be_free():
    free = (AXES[0], GridAxis(name="heads", knots=(1, 8, 64), monotone=False))
    m, heads = sample(2_000)[0], np.tile([1.0, 8.0, 64.0, 8.0], 500)
    grid = fit_grid(free, [m, heads], 1e-6 * m * (1 + (heads == 8))).log_time
    assert (np.diff(grid, axis=1) < 0).any()


def test_knots_without_data_follow_their_neighbours():
    m, n = sample(2_000)
    near = m < 64
    model = fit_grid(AXES, [m[near], n[near]], planted(m, n)[near])
    far = model.time_s([np.full(50, 256.0), np.full(50, 4096.0)]) / planted(256.0, 4096.0)
    assert np.all((far > 0.2) & (far < 5))


def test_growth_past_the_last_knot_is_taken_off_before_fitting():
    axes = (GridAxis(name="m", knots=(1, 10, 100)),)
    m = np.geomspace(1, 10_000, 200)
    model = fit_grid(axes, [m], 1e-6 * m, settings=GridFit(smoothness=1e-6, flatness=0.0))
    assert model.time_s([10_000.0]) == pytest.approx(1e-2, rel=1e-3)


def test_weights_decide_between_contradicting_rows():
    m = np.repeat([1.0, 1024.0], 50)
    time = np.where(np.arange(100) % 2, 1e-6, 1e-3)
    model = fit_grid(AXES[:1], [m], time, weight=np.where(np.arange(100) % 2, 1e4, 1e-4))
    assert model.time_s([1.0]) == pytest.approx(1e-6, rel=0.05)


@pytest.mark.parametrize("time", [np.array([]), np.array([1.0, 0.0]), np.array([1.0, -1.0])])
def test_times_must_be_positive(time):
    with pytest.raises(ValueError, match="positive times"):
        fit_grid(AXES[:1], [np.ones(time.size)], time)
