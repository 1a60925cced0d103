"""Error measures worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from perfmodels.uncertainty.scoring import error_summary, interval_coverage, spearman


def test_summary_by_hand():
    # off by -50 %, 0, +10 %, +100 %
    found = error_summary(np.array([1.0, 2.0, 3.3, 8.0]), np.array([2.0, 2.0, 3.0, 4.0]))
    assert found.mdape == pytest.approx(0.3)  # between 0.1 and 0.5
    assert found.mape == pytest.approx(1.6 / 4)
    assert found.bias == pytest.approx(0.05)  # between 0 and +0.1
    assert found.p90 == pytest.approx(0.5 + 0.7 * 0.5)  # 0.9 * 3 = 2.7 of the way through 0, .1, .5, 1
    assert found.rank == pytest.approx(math.sqrt(0.9))  # ranks 0 1 2 3 against 0.5 0.5 2 3


def test_a_perfect_prediction():
    values = np.array([1.0, 5.0, 2.0])
    found = error_summary(values, values)
    assert (found.mdape, found.mape, found.bias, found.p90, found.rank) == (0, 0, 0, 0, pytest.approx(1))


@pytest.mark.parametrize(("predicted", "measured"), [([], []), ([1.0], [0.0]), ([1.0, 1.0], [1.0, -1.0])])
def test_errors_need_positive_measurements(predicted, measured):
    with pytest.raises(ValueError, match="positive measurements"):
        error_summary(np.array(predicted), np.array(measured))


def test_rank_correlation_by_hand():
    # ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 * (1 + 1 + 1 + 1) / (5 * 24)
    assert spearman(np.arange(5.0), np.array([20.0, 10.0, 40.0, 30.0, 50.0])) == pytest.approx(0.8)
    assert spearman(np.arange(5.0), -np.exp(np.arange(5.0))) == pytest.approx(-1)


def test_rank_correlation_needs_three_points_that_differ():
    assert math.isnan(spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))


@pytest.mark.parametrize("seed", range(10))
def test_rank_correlation_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 12, 40).astype(float)  # many ties
    b = a + rng.normal(0, 5, 40).round()
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_coverage_by_hand():
    measured = np.array([1.0, 2.0, 3.0, 4.0])
    assert interval_coverage(measured, np.array([1.0, 0, 4, 0]), np.array([9.0, 1, 9, 9])) == 0.5
