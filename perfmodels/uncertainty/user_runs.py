"""A user's own runs sharpen predictions: a Gaussian process on log(measured / predicted).

The prior says how alike the errors of two points are: one part is shared by everything on a cluster, another
fades with the distance of their loads, lengths and predicted latencies. Both are shares of how unsure the
prediction was (its doubt): where it knew little, a run moves it far; where it knew much, hardly. A handful of
runs then corrects the rest, most near to what was measured, and says how sure that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike

FEATURES = (
    "concurrency", "isl_tokens", "osl_tokens", "predicted_ttft_s", "predicted_itl_s", "engine_gpus", "apart",
)  # fmt: skip
APART = float(np.e)  # the last feature where prefill and decode run apart; 1 where they run together


@dataclass(frozen=True, slots=True, kw_only=True)
class Locations:
    """Where predictions lie, and how unsure they are.

    features [n, k]: logarithms of FEATURES; doubts [n]: standard deviations of the logs of predictions.
    """

    features: FloatArray
    doubts: FloatArray

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.doubts.shape != self.features.shape[:1]:
            raise ValueError(f"features {self.features.shape} and {len(self.doubts)} doubts do not match")
        if not np.all(self.doubts > 0):
            raise ValueError("doubts must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualPrior:
    """How errors of log predictions vary and go together (Matern 3/2).

    In units of a prediction's doubt: shared, the standard deviation of the part that all points of a cluster
    have in common; local, of the part that fades with distance. In logs: single, of what a point has for
    itself (it fades _CLOSE times as fast); noise, of what two runs of the same point differ by. weights
    [FEATURES] scale the logarithms of the features before distances are taken.
    """

    shared: float
    local: float
    single: float
    noise: float
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES):
            raise ValueError(f"a prior needs {len(FEATURES)} weights, got {len(self.weights)}")
        if min(self.shared, self.local, self.single, self.noise) <= 0:
            raise ValueError("the standard deviations of a prior must be positive")

    def covariance(self, one: Locations, other: Locations) -> FloatArray:
        """Covariance [n, m] of errors in logs, noise not included."""
        gap = (one.features[:, None, :] - other.features[None, :, :]) * np.asarray(self.weights)
        distance = np.sqrt(3.0 * np.sum(gap**2, axis=-1))
        alike = self.shared**2 + self.local**2 * _fading(distance)
        found: FloatArray = np.outer(one.doubts, other.doubts) * alike
        return found + self.single**2 * _fading(_CLOSE * distance)

    def variance(self, doubts: FloatLike) -> FloatArray:
        """Variance of the errors of points before anything is measured, noise not included."""
        own = (self.shared**2 + self.local**2) * np.asarray(doubts, dtype=np.float64) ** 2
        found: FloatArray = own + self.single**2
        return found


def _fading(distance: FloatArray) -> FloatArray:
    found: FloatArray = (1.0 + distance) * np.exp(-distance)
    return found


_CLOSE = 8.0
# Chosen on the public runs that ship: one to five runs of a model, GPU, engine and format against its rest,
# with families left out and with groups left out (experiments/own_runs/report.py): where the prediction was
# good one run must not spoil it.
TTFT_PRIOR = ResidualPrior(
    shared=0.32, local=0.95, single=0.3, noise=0.05, weights=(0.3, 1.2, 0.3, 0.15, 0.45, 0.75, 1.5)
)
ITL_PRIOR = ResidualPrior(
    shared=0.32, local=0.95, single=0.04, noise=0.03, weights=(0.7, 0.3, 0.2, 0.2, 0.8, 0.5, 1.0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRuns:
    """Errors measured at points [n]: log_ratios [n] of measured over predicted."""

    prior: ResidualPrior
    points: Locations
    log_ratios: FloatArray

    def __post_init__(self) -> None:
        if self.points.doubts.shape != self.log_ratios.shape:
            raise ValueError(
                f"{len(self.points.doubts)} points and {len(self.log_ratios)} errors do not match"
            )

    def correct(self, points: Locations) -> tuple[FloatArray, FloatArray]:
        """Expected log(measured / predicted) at points [m], and its standard deviation."""
        across = self.prior.covariance(points, self.points)
        known = self.prior.covariance(self.points, self.points)
        known += self.prior.noise**2 * np.eye(len(self.log_ratios))
        solved = np.linalg.solve(known, np.column_stack([self.log_ratios, across.T]))
        mean: FloatArray = across @ solved[:, 0]
        explained = np.einsum("ij,ji->i", across, solved[:, 1:])
        left = np.maximum(self.prior.variance(points.doubts) - explained, 0.0)
        spread: FloatArray = np.sqrt(left + self.prior.noise**2)
        return mean, spread


def log_features(columns: FloatArray) -> FloatArray:
    """Logarithms of FEATURES columns [n, k]; all must be positive and finite."""
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(FEATURES) or not _positive(values):
        raise ValueError(f"features must be positive, finite and have the columns {', '.join(FEATURES)}")
    found: FloatArray = np.log(values)
    return found


def _positive(values: FloatArray) -> bool:
    return bool(np.all((values > 0) & np.isfinite(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Locations that were or may be measured: features [n, k] (logarithms), doubts by metric [metrics, n]."""

    features: FloatArray
    doubts: FloatArray

    def at(self, rows: Sequence[int]) -> "Places":
        """Some of them."""
        picked = list(rows)
        return Places(features=self.features[picked], doubts=self.doubts[:, picked])

    def and_also(self, others: "Places") -> "Places":
        """These, then others."""
        return Places(
            features=np.concatenate([self.features, others.features]),
            doubts=np.concatenate([self.doubts, others.doubts], axis=1),
        )


def most_telling(
    priors: tuple[ResidualPrior, ...], known: Places, candidates: Places, targets: Places, count: int
) -> tuple[NDArray[np.intp], FloatArray]:
    """Which candidates to measure next, and what is left of the variance at the targets after each.

    Locations in `known` were measured; each step takes the candidate that leaves the least variance over all
    targets, relative to what each metric began with.
    """
    total = len(candidates.features)
    chosen: list[int] = []
    left: list[float] = []
    for _ in range(min(count, total)):
        scores = [
            np.inf
            if index in chosen
            else doubt_left(priors, known.and_also(candidates.at([*chosen, index])), targets)
            for index in range(total)
        ]
        best = int(np.argmin(scores))
        chosen.append(best)
        left.append(float(scores[best]))
    return np.array(chosen, dtype=np.intp), np.array(left)


def doubt_left(priors: tuple[ResidualPrior, ...], measured: Places, targets: Places) -> float:
    """Share of the variance at the targets that is left once some points are measured, mean over metrics."""
    shares = []
    for prior, own, asked in zip(priors, measured.doubts, targets.doubts, strict=True):
        points = Locations(features=measured.features, doubts=own)
        runs = OwnRuns(prior=prior, points=points, log_ratios=np.zeros(len(own)))
        _, spread = runs.correct(Locations(features=targets.features, doubts=asked))
        before = float(np.mean(prior.variance(asked)))
        shares.append(float(np.mean(spread**2 - prior.noise**2)) / before)
    return float(np.mean(shares))
