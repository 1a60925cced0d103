"""What a summary says of many values: mean, spread, extremes and percentiles."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values in one line: std is that of the population; percentiles by their number, 1 to 99."""

    count: int
    total: float
    mean: float
    std: float
    low: float
    high: float
    percentiles: Mapping[int, float]

    def at(self, statistic: str) -> float:
        """`mean`, `min`, `max` or a percentile such as `p90`."""
        named = {"mean": self.mean, "min": self.low, "max": self.high}
        return named[statistic] if statistic in named else self.percentiles[int(statistic[1:])]


def distribution(values: FloatArray) -> Distribution | None:
    """Exact figures of all finite values, percentiles interpolated linearly; None if there are none."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return None
    found = np.percentile(kept, PERCENTILES)
    total = float(np.sum(kept))
    return Distribution(
        count=len(kept),
        total=total,
        mean=total / len(kept),
        std=float(np.std(kept)),
        low=float(np.min(kept)),
        high=float(np.max(kept)),
        percentiles=dict(zip(PERCENTILES, map(float, found), strict=True)),
    )


def weighted_distribution(values: FloatArray, weights: FloatArray) -> Distribution | None:
    """Figures of a step function that holds values[i] for weights[i]: time-weighted, no interpolation.

    count is the number of steps and total the weighted sum; None where nothing has weight.
    """
    kept = weights > 0
    values, weights = values[kept], weights[kept]
    if not len(values):
        return None
    whole, total = float(np.sum(weights)), float(np.sum(values * weights))
    mean = total / whole
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.searchsorted(reached, np.asarray(PERCENTILES) / 100.0 * reached[-1])
    found = values[order][np.minimum(at, len(values) - 1)]
    return Distribution(
        count=len(values),
        total=total,
        mean=mean,
        std=float(np.sqrt(np.sum(weights * (values - mean) ** 2) / whole)),
        low=float(np.min(values)),
        high=float(np.max(values)),
        percentiles=dict(zip(PERCENTILES, map(float, found), strict=True)),
    )


def in_flight(begin_s: FloatArray, end_s: FloatArray) -> Distribution | None:
    """How many intervals are open, time-weighted from the first begin to the last end."""
    moments = np.concatenate([begin_s, end_s])
    steps = np.concatenate([np.ones(len(begin_s)), -np.ones(len(end_s))])
    order = np.argsort(moments, kind="stable")
    open_now = np.cumsum(steps[order])
    return weighted_distribution(open_now[:-1], np.diff(moments[order]))
