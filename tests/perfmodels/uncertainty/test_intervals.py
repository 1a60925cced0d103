"""Intervals recover the spread of planted residuals and turn bounds into probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.uncertainty.intervals import LEVELS, ErrorModel, fit_error_model

# Measurements run from half to twice the prediction, and half of them exceed it.
BY_HAND = ErrorModel(levels=(0.05, 0.5, 0.95), log_ratios=(-np.log(2), 0.0, np.log(2)), num_groups=3)


def planted(seed, rows):
    """Predictions that are off by a lognormal factor of 30 % spread and 10 % bias."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0.01, 10, rows)
    return predicted, predicted * np.exp(rng.normal(0.1, 0.3, rows))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_coverage_of_planted_residuals(seed, coverage):
    model = fit_error_model(*planted(seed, 2000), np.ones(2000))
    predicted, measured = planted(seed + 1000, 2000)
    low, high = model.interval(predicted, coverage)
    inside = np.mean((measured >= low) & (measured <= high))
    # Both samples scatter; the interval may be wider than asked where it is stretched to the prediction.
    four_standard_errors = 4 * np.sqrt(2 * coverage * (1 - coverage) / 2000)
    assert abs(inside - coverage) < four_standard_errors


def test_quantiles_of_planted_residuals_are_recovered():
    model = fit_error_model(*planted(7, 20_000), np.ones(20_000))
    median = model.log_ratios[LEVELS.index(0.5)]
    spread = model.log_ratios[LEVELS.index(0.95)] - median
    assert median == pytest.approx(0.1, abs=0.01)  # 20,000 draws of spread 0.3: standard error 0.003
    assert spread == pytest.approx(1.645 * 0.3, abs=0.02)


def test_groups_count_alike_however_many_rows_they_have():
    # Nine groups of one exact row, and one of a thousand rows that are all off by a factor of two.
    measured = np.concatenate([np.ones(9), np.full(1000, 2.0)])
    weights = np.concatenate([np.ones(9), np.full(1000, 1 / 1000)])
    model = fit_error_model(np.ones(1009), measured, weights)
    assert model.num_groups == 10
    assert model.log_ratios[LEVELS.index(0.5)] == 0.0
    assert model.log_ratios[LEVELS.index(0.99)] == pytest.approx(np.log(2))


def test_interval_by_hand():
    low, high = BY_HAND.interval(3.0)
    assert (low, high) == (pytest.approx(1.5), pytest.approx(6.0))
    # Half of the mass lies between the 25th and 75th percentile: 4/9 of the way to each end.
    low, high = BY_HAND.interval(3.0, coverage=0.5)
    assert low == pytest.approx(3.0 * 2 ** (-5 / 9))
    assert high == pytest.approx(3.0 * 2 ** (5 / 9))


@given(shift=st.floats(-2, 2), predicted=st.floats(1e-6, 1e6), coverage=st.floats(0.01, 0.99))
def test_intervals_hold_the_prediction(shift, predicted, coverage):
    model = ErrorModel(levels=(0.05, 0.95), log_ratios=(shift - 0.1, shift + 0.1), num_groups=1)
    low, high = model.interval(predicted, coverage)
    assert low <= predicted <= high


def test_probability_by_hand():
    # A bound at the prediction holds for half; at sqrt(2) halfway from 0.5 to 0.95; beyond 2 surely.
    assert BY_HAND.probability_below(3.0, 3.0) == pytest.approx(0.5)
    assert BY_HAND.probability_below(3.0, 3.0 * np.sqrt(2)) == pytest.approx(0.725)
    assert BY_HAND.probability_below(3.0, 6.1) == 1.0
    assert BY_HAND.probability_below(3.0, 1.4) == 0.0


bounds = st.floats(1e-3, 1e3)


@given(predicted=bounds, bound=bounds, more=st.floats(1, 10))
def test_probability_rises_with_the_bound_and_falls_with_the_prediction(predicted, bound, more):
    base = BY_HAND.probability_below(predicted, bound)
    assert 0 <= base <= 1
    assert BY_HAND.probability_below(predicted, bound * more) >= base
    assert BY_HAND.probability_below(predicted * more, bound) <= base


def test_probability_takes_arrays():
    found = BY_HAND.probability_below(np.array([1.0, 2.0, 4.0, 100.0]), 2.0)
    assert found == pytest.approx([0.95, 0.5, 0.05, 0.0])


@pytest.mark.parametrize(
    ("levels", "values"),
    [
        ((0.1, 0.9), (0.0,)),  # lengths differ
        ((0.9, 0.1), (-1.0, 1.0)),  # levels descend
        ((0.1, 0.1), (-1.0, 1.0)),  # levels repeat
        ((0.1, 0.9), (1.0, -1.0)),  # quantiles cross
        ((0.0, 0.9), (-1.0, 1.0)),  # nothing is certain
        ((0.1, 1.0), (-1.0, 1.0)),
        ((0.1, 0.9), (float("nan"), 1.0)),
    ],
)
def test_malformed_error_models_cannot_exist(levels, values):
    with pytest.raises(ValueError, match="ascending"):
        ErrorModel(levels=levels, log_ratios=values, num_groups=1)


def test_errors_beyond_what_was_measured_have_quantiles_of_their_own():
    known = ErrorModel(
        levels=(0.05, 0.5, 0.95), log_ratios=(-1.0, 0.1, 1.0), beyond_ratios=(-0.5, 0.3, 3.0), num_groups=9
    )
    away, unaware = known.beyond(), known.doubtful()
    assert away.log_ratios == (-0.5, 0.3, 3.0)
    assert unaware.log_ratios == (-1.0, 0.3, 3.0)
    assert away.interval(1.0, log_sd=0.5) == pytest.approx((np.exp(-0.25), np.exp(1.5)))
    assert (away.beyond(), away.doubtful(), unaware.doubtful()) == (away, away, unaware)
    with pytest.raises(ValueError, match="ascending"):
        ErrorModel(levels=(0.1, 0.9), log_ratios=(0.0, 1.0), beyond_ratios=(1.0,), num_groups=1)
