"""A user's own runs sharpen predictions: a Gaussian process on log(measured / predicted).

The prior says how alike the errors of two points are: one part is shared by everything on a cluster, another
fades with the distance of their loads, lengths and predicted latencies. A handful of runs then corrects the
rest, most near to what was measured, and says how sure that is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray

FEATURES = (
    "concurrency", "isl_tokens", "osl_tokens", "predicted_ttft_s", "predicted_itl_s", "engine_gpus", "apart",
)  # fmt: skip
APART = float(np.e)  # the last feature where prefill and decode run apart; 1 where they run together


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualPrior:
    """How errors of log predictions vary and go together (all in log units; Matern 3/2).

    shared: standard deviation of the part that all points of a cluster have in common; local: of the part
    that fades with distance; noise: of what two runs of the same point differ by. weights [FEATURES] scale
    the logarithms of the features before distances are taken.
    """

    shared: float
    local: float
    noise: float
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES):
            raise ValueError(f"a prior needs {len(FEATURES)} weights, got {len(self.weights)}")
        if min(self.shared, self.local, self.noise) <= 0:
            raise ValueError("the standard deviations of a prior must be positive")

    def covariance(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Covariance [n, m] of errors at features [n, k] and [m, k] (logarithms)."""
        gap = (one[:, None, :] - other[None, :, :]) * np.asarray(self.weights)
        distance = np.sqrt(3.0 * np.sum(gap**2, axis=-1))
        found: FloatArray = self.shared**2 + self.local**2 * (1.0 + distance) * np.exp(-distance)
        return found

    @property
    def variance(self) -> float:
        """Variance of a point's error before anything is measured."""
        return self.shared**2 + self.local**2


# Chosen on the public runs that ship (experiments/own_runs/report.py): five runs of a sweep against its rest.
TTFT_PRIOR = ResidualPrior(shared=0.3, local=1.2, noise=0.03, weights=(0.2, 0.8, 0.2, 0.1, 0.3, 0.5, 1.0))
ITL_PRIOR = ResidualPrior(shared=0.2, local=0.2, noise=0.03, weights=(0.7, 0.3, 0.2, 0.2, 0.8, 0.5, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRuns:
    """Errors measured at features [n, k]: log_ratios [n] of measured over predicted."""

    prior: ResidualPrior
    features: FloatArray
    log_ratios: FloatArray

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[0] != len(self.log_ratios):
            raise ValueError(f"features {self.features.shape} and {len(self.log_ratios)} errors do not match")

    def correct(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected log(measured / predicted) and its standard deviation at features [m, k]."""
        across = self.prior.covariance(features, self.features)
        solved = np.linalg.solve(self._known(), np.column_stack([self.log_ratios, across.T]))
        mean: FloatArray = across @ solved[:, 0]
        explained = np.einsum("ij,ji->i", across, solved[:, 1:])
        spread: FloatArray = np.sqrt(np.maximum(self.prior.variance - explained, 0.0) + self.prior.noise**2)
        return mean, spread

    def _known(self) -> FloatArray:
        size = len(self.log_ratios)
        known: FloatArray = self.prior.covariance(self.features, self.features)
        return known + self.prior.noise**2 * np.eye(size)


def log_features(columns: FloatArray) -> FloatArray:
    """Logarithms of FEATURES columns [n, k]; all must be positive."""
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(FEATURES) or not np.all(values > 0):
        raise ValueError(f"features must be positive and have the columns {', '.join(FEATURES)}")
    found: FloatArray = np.log(values)
    return found


def most_telling(
    priors: tuple[ResidualPrior, ...],
    known: FloatArray,
    candidates: FloatArray,
    targets: FloatArray,
    count: int,
) -> tuple[NDArray[np.intp], FloatArray]:
    """Which candidates to measure next, and what is left of the variance at the targets after each.

    known [n, k] were measured; each step takes the candidate that leaves the least variance over all
    targets, relative to what each metric's prior began with.
    """
    chosen: list[int] = []
    left: list[float] = []
    for _ in range(min(count, len(candidates))):
        scores = [
            np.inf if index in chosen else _left(priors, known, candidates[[*chosen, index]], targets)
            for index in range(len(candidates))
        ]
        best = int(np.argmin(scores))
        chosen.append(best)
        left.append(float(scores[best]))
    return np.array(chosen, dtype=np.intp), np.array(left)


def _left(
    priors: tuple[ResidualPrior, ...], known: FloatArray, added: FloatArray, targets: FloatArray
) -> float:
    """Share of the prior variance that is left at the targets, the mean over metrics."""
    points = np.concatenate([known, added])
    shares = []
    for prior in priors:
        zeros = np.zeros(len(points))
        _, spread = OwnRuns(prior=prior, features=points, log_ratios=zeros).correct(targets)
        shares.append(float(np.mean(spread**2 - prior.noise**2)) / prior.variance)
    return float(np.mean(shares))
