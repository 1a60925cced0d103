"""Kriging of residuals: by hand, against the plain formula, and where nothing is known."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.uncertainty.residual_gp import Kriging, closeness, group_left_out, prior_variance, solved

ROUNDING = 1e-9


def kriging(residuals, noise, groups, amplitudes, features=None):
    """Runs at one place (or at `features`), in groups per level."""
    count = len(residuals)
    names = {level: sorted(set(found)) for level, found in groups.items()}
    return solved(
        Kriging(
            features=np.zeros((count, 1)) if features is None else np.asarray(features, dtype=float),
            residuals=np.asarray(residuals, dtype=float),
            noise=np.full(count, noise),
            codes={level: np.array([names[level].index(g) for g in groups[level]]) for level in groups},
            vocabulary=names,
            amplitudes=amplitudes,
            kin=next(iter(amplitudes)),
            weights=np.zeros(count),
        )
    )


def test_a_group_shrinks_towards_nothing_by_hand():
    # prior variance 1, two runs of 0.6 with noise 1 each: mean 0.6 * 2 / (2 + 1), variance 1 / (2 + 1)
    model = kriging([0.6, 0.6], 1.0, {"engine": ["a", "a"]}, {"engine": (1.0, 0.0)})
    near = model.at({"engine": "a"})
    assert near.mean(np.zeros((1, 1))) == pytest.approx(0.4)
    assert near.variance(np.zeros((1, 1))) == pytest.approx(1 / 3)


def test_a_stranger_is_left_alone():
    model = kriging([0.6, 0.6], 0.1, {"engine": ["a", "a"]}, {"engine": (1.0, 0.5)})
    stranger = model.at({"engine": "b"})
    assert stranger.mean(np.zeros((3, 1))) == pytest.approx(np.zeros(3))
    assert stranger.variance(np.zeros((3, 1))) == pytest.approx(prior_variance(model.amplitudes))


def test_a_correction_fades_with_distance():
    model = kriging([0.5], 1e-6, {"engine": ["a"]}, {"engine": (0.0, 1.0)})
    at = np.array([[0.0], [1.0], [4.0]])
    assert model.at({"engine": "a"}).mean(at) == pytest.approx(0.5 * np.exp(-0.5 * at[:, 0] ** 2), rel=1e-5)


def random_kriging(seed):
    rng = np.random.default_rng(seed)
    groups = {"gpu": list(rng.choice(["x", "y"], 30)), "engine": list(rng.choice(["a", "b", "c"], 30))}
    amplitudes = {"engine": (0.3, 0.2), "gpu": (0.1, 0.4)}
    return kriging(rng.normal(size=30), 0.2, groups, amplitudes, rng.normal(size=(30, 3))), rng


@pytest.mark.parametrize("seed", range(20))
def test_left_out_in_closed_form_equals_leaving_out(seed):
    model, rng = random_kriging(seed)
    split = rng.integers(0, 5, 30)
    mean, variance = group_left_out(model, split)
    for group in np.unique(split):
        keep, held = split != group, np.flatnonzero(split == group)
        rest = replace(
            model,
            features=model.features[keep],
            residuals=model.residuals[keep],
            noise=model.noise[keep],
            codes={level: codes[keep] for level, codes in model.codes.items()},
            _known={},
        )
        rest = solved(rest)
        for row in held:
            levels = {level: model.vocabulary[level][codes[row]] for level, codes in model.codes.items()}
            near = rest.at(levels)
            assert near.mean(model.features[[row]])[0] == pytest.approx(mean[row], abs=1e-9)
            assert near.variance(model.features[[row]])[0] + 0.2 >= variance[row] - 1e-9  # fewer judges


def test_closeness_is_that_of_a_gaussian():
    left, right = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert closeness(left, right) == pytest.approx(np.array([[np.exp(-12.5), 1.0]]))
