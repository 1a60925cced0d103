"""A user's own runs: planted errors recovered, sureness near what was measured, the most telling point."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.uncertainty.intervals import NormalErrors
from perfmodels.uncertainty.user_runs import (
    FEATURES,
    ITL_PRIOR,
    TTFT_PRIOR,
    Locations,
    OwnRuns,
    Places,
    ResidualPrior,
    log_features,
    most_telling,
)

PRIOR = ResidualPrior(
    shared=0.3, local=0.2, single=1e-6, noise=0.01, weights=(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
)


def points(*loads, isl=1000.0, doubt=1.0):
    rows = np.array([[load, isl, 100.0, 0.1, 0.01, 1.0, 1.0] for load in loads])
    features = log_features(rows.reshape(len(loads), len(FEATURES)))
    return Locations(features=features, doubts=np.full(len(loads), doubt))


def places(*loads, doubt=1.0):
    at = points(*loads, doubt=doubt)
    return Places(features=at.features, doubts=at.doubts[None, :])


def own(loads, errors, prior=PRIOR):
    return OwnRuns(prior=prior, points=points(*loads), log_ratios=np.asarray(errors, dtype=float))


def test_one_run_worked_by_hand():
    """The prior variance is 0.3^2 + 0.2^2 = 0.13; with noise 0.1 an error is believed to 0.13/0.14."""
    mean, spread = own([8], [0.14], replace(PRIOR, noise=0.1)).correct(points(8))
    assert mean[0] == pytest.approx(0.13)
    assert spread[0] ** 2 == pytest.approx(0.13 - 0.13**2 / 0.14 + 0.01)


def test_a_constant_error_is_found_and_applied_everywhere():
    mean, _ = own([1, 8, 64, 256], [0.2, 0.2, 0.2, 0.2]).correct(points(2, 16, 128, 4096))
    assert mean == pytest.approx(np.full(4, 0.2), abs=0.04)


def test_an_error_that_grows_with_load_is_interpolated():
    loads = [1, 4, 16, 64, 256]
    planted = 0.05 * np.log(loads)
    mean, _ = own(loads, planted).correct(points(2, 8, 32, 128))
    assert mean == pytest.approx(0.05 * np.log([2, 8, 32, 128]), abs=0.02)


def test_what_was_measured_is_sure_and_what_is_far_is_not():
    fitted = own([8], [0.1])
    _, spread = fitted.correct(points(8, 16, 10_000))
    assert spread[0] < 2 * PRIOR.noise
    assert spread[0] < spread[1] < spread[2]
    assert spread[2] ** 2 <= PRIOR.variance(1.0) + PRIOR.noise**2  # never less sure than before measuring


def test_no_runs_leave_everything_as_it_was():
    mean, spread = own([], []).correct(points(8))
    assert mean[0] == 0.0
    assert spread[0] ** 2 == pytest.approx(PRIOR.variance(1.0) + PRIOR.noise**2)


def test_intervals_hold_what_the_prior_draws():
    """Errors drawn from the prior itself: 90 % of them lie in the 90 % band."""
    rng = np.random.default_rng(1)
    loads = np.exp(rng.uniform(0, 6, 40))
    everywhere = points(*loads, doubt=0.5)
    some, rest = points(*loads[:5], doubt=0.5), points(*loads[5:], doubt=0.5)
    covariance = PRIOR.covariance(everywhere, everywhere) + PRIOR.noise**2 * np.eye(40)
    inside = []
    for _ in range(60):
        errors = rng.multivariate_normal(np.zeros(40), covariance)
        fitted = OwnRuns(prior=PRIOR, points=some, log_ratios=errors[:5])
        mean, spread = fitted.correct(rest)
        low, high = NormalErrors().interval(np.exp(mean), log_sd=spread)
        inside.append((np.exp(errors[5:]) >= low) & (np.exp(errors[5:]) <= high))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_the_most_telling_point_is_in_the_middle_then_at_the_ends():
    grid = places(*np.exp(np.linspace(0, 6, 13)))
    chosen, left = most_telling((PRIOR,), grid.at([]), grid, grid, 3)
    assert chosen[0] == 6
    assert {chosen[1] < 6, chosen[2] < 6} == {True, False}
    assert list(left) == sorted(left, reverse=True)
    again, _ = most_telling((PRIOR,), grid.at([6]), grid, grid, 1)
    assert again[0] != 6  # it is known already
    assert len(most_telling((PRIOR,), grid.at([]), grid.at([0, 1]), grid, 9)[0]) == 2


def test_one_run_moves_what_was_unsure_and_hardly_what_was_sure():
    """A ratio of 1.3, next to where it was measured: a new family's doubt is 0.25, a measured one's 0.05."""
    moved = {}
    for doubt in (0.25, 0.05):
        fitted = OwnRuns(prior=ITL_PRIOR, points=points(16, doubt=doubt), log_ratios=np.log([1.3]))
        moved[doubt] = float(np.exp(fitted.correct(points(32, doubt=doubt))[0][0]))
    assert moved[0.25] > 1.15
    assert moved[0.05] < moved[0.25] - 0.05


def test_where_a_run_was_measured_it_is_believed():
    for prior in (TTFT_PRIOR, ITL_PRIOR):
        fitted = OwnRuns(prior=prior, points=points(16, doubt=0.2), log_ratios=np.log([1.3]))
        assert np.exp(fitted.correct(points(16, doubt=0.2))[0][0]) == pytest.approx(1.3, rel=0.02)


@pytest.mark.parametrize(
    ("change", "said"), [({"weights": (1.0,)}, "weights"), ({"noise": 0.0}, "must be positive")]
)
def test_a_prior_cannot_be_nonsense(change, said):
    with pytest.raises(ValueError, match=said):
        replace(PRIOR, **change)


def test_features_must_be_positive_and_match():
    with pytest.raises(ValueError, match="positive"):
        points(0)
    with pytest.raises(ValueError, match="do not match"):
        OwnRuns(prior=PRIOR, points=points(1, 2), log_ratios=np.zeros(3))
    with pytest.raises(ValueError, match="doubts must be positive"):
        points(1, doubt=0.0)
