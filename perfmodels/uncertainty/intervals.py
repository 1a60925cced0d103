"""Intervals from the residuals of past predictions (split conformal on the log ratio).

An ErrorModel holds quantiles of log(measured / predicted) of one metric over runs the point model
was not fitted on, each divided by how unsure the point model said it was (log_sd). It turns a
prediction into an interval and a bound into a probability.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Quantiles of log(measured / predicted) / log_sd: levels ascending in (0, 1), log_ratios ascending.

    num_groups is how many independent groups of runs they rest on. beyond_ratios are the same quantiles for
    what no run was measured on (see `beyond`), empty where they are not known to differ.
    """

    levels: tuple[float, ...]
    log_ratios: tuple[float, ...]
    num_groups: int
    beyond_ratios: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels)
        known = [np.asarray(ratios) for ratios in (self.log_ratios, self.beyond_ratios or self.log_ratios)]
        ascending = all(bool(np.all(np.diff(values) >= 0)) for values in (levels, *known))
        if (
            any(len(values) != len(levels) for values in known)
            or len(levels) < 2
            or not ascending
            or len(np.unique(levels)) < len(levels)
            or not 0 < levels[0] < levels[-1] < 1
        ):
            raise ValueError("an error model needs ascending levels in (0, 1) with ascending log ratios")

    def beyond(self) -> "ErrorModel":
        """Errors for what no run was measured on, whose predictions know that they are less sure."""
        return replace(self, log_ratios=self.beyond_ratios or self.log_ratios, beyond_ratios=())

    def doubtful(self) -> "ErrorModel":
        """Errors for what no run was measured on and whose predictions do not know it: the wider of both."""
        pairs = zip(self.log_ratios, self.beyond_ratios or self.log_ratios, strict=True)
        wider = [min(pair) if sum(pair) < 0 else max(pair) for pair in pairs]
        return replace(self, log_ratios=tuple(np.maximum.accumulate(wider).tolist()), beyond_ratios=())

    def interval(
        self, predicted: FloatLike, coverage: float = 0.9, log_sd: FloatLike = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold the measurement with probability `coverage`, widened to hold `predicted`.

        log_sd is the prediction's own uncertainty, one or one per prediction.
        """
        tail = (1.0 - coverage) / 2.0
        low, high = np.interp([tail, 1.0 - tail], self.levels, self.log_ratios)
        value, spread = np.asarray(predicted, dtype=np.float64), np.asarray(log_sd, dtype=np.float64)
        return value * np.exp(min(low, 0.0) * spread), value * np.exp(max(high, 0.0) * spread)

    def probability_below(self, predicted: FloatLike, bound: float, log_sd: FloatLike = 1.0) -> FloatArray:
        """Probability that the measurement stays at or under `bound`."""
        with np.errstate(divide="ignore"):
            room = np.log(bound / np.asarray(predicted, dtype=np.float64)) / np.asarray(log_sd)
        chance: FloatArray = np.interp(room, self.log_ratios, self.levels, left=0.0, right=1.0)
        return chance


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalErrors:
    """Errors of log predictions that are normal: log_sd is their standard deviation itself."""

    def interval(
        self, predicted: FloatLike, coverage: float = 0.9, log_sd: FloatLike = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Bounds that hold the measurement with probability `coverage`."""
        reach = NormalDist().inv_cdf(0.5 + coverage / 2.0) * np.asarray(log_sd, dtype=np.float64)
        value = np.asarray(predicted, dtype=np.float64)
        return value * np.exp(-reach), value * np.exp(reach)

    def probability_below(self, predicted: FloatLike, bound: float, log_sd: FloatLike = 1.0) -> FloatArray:
        """Probability that the measurement stays at or under `bound`."""
        spread = np.maximum(np.asarray(log_sd, dtype=np.float64), 1e-12)
        with np.errstate(divide="ignore"):
            room = np.log(bound / np.asarray(predicted, dtype=np.float64)) / spread
        return np.vectorize(NormalDist().cdf, otypes=[np.float64])(room)  # type: ignore[no-any-return]


Errors = ErrorModel | NormalErrors

LEVELS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995)


def fit_error_model(
    predicted: FloatArray, measured: FloatArray, weights: FloatArray, log_sd: FloatLike = 1.0
) -> ErrorModel:
    """Weighted quantiles of the log ratio over log_sd; weights such that each group of runs counts alike.

    The caller passes 1/rows per row of a group, so their sum is the number of groups.
    """
    found = np.log(measured / predicted) / np.asarray(log_sd, dtype=np.float64)
    order = np.argsort(found)
    ratios = found[order]
    mass = weights[order]
    positions = (np.cumsum(mass) - 0.5 * mass) / np.sum(mass)
    values = np.interp(LEVELS, positions, ratios)
    return ErrorModel(
        levels=LEVELS, log_ratios=tuple(float(v) for v in values), num_groups=round(float(np.sum(weights)))
    )
