"""Mean, spread and percentiles of many values, exact or from a histogram in constant memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray

# --- What a summary says of many values: mean, spread, extremes and percentiles.


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


# --- Percentiles of any number of values in constant memory: a histogram with logarithmic buckets.
# Bucket k holds values in (g^(k-1), g^k] with g = (1 + a) / (1 - a), and stands for them by their
# harmonic middle, which is within a relative error a of each (the mapping of DDSketch, Masson et al.,
# VLDB 2019). Mean, standard deviation and extremes are exact.


RELATIVE_ERROR = 0.002
_LEAST, _MOST = 1e-9, 1e12  # values outside count as these; zeros are counted apart
_LOG_BASE = math.log((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR))
_FIRST = math.floor(math.log(_LEAST) / _LOG_BASE)
_NUM_BUCKETS = math.ceil(math.log(_MOST) / _LOG_BASE) - _FIRST + 1


class LogHistogram:
    """Non-negative values added in any number of pieces."""

    def __init__(self) -> None:
        self._buckets = np.zeros(_NUM_BUCKETS, dtype=np.int64)
        self._zeros = 0
        self._count = 0
        self._total = 0.0
        self._squares = 0.0  # summed squared distances from the mean
        self._low, self._high = math.inf, -math.inf

    def add(self, values: FloatArray) -> None:
        """Count the finite ones of `values` (>= 0)."""
        kept = np.asarray(values, dtype=np.float64)
        kept = kept[np.isfinite(kept)]
        if not len(kept):
            return
        if np.min(kept) < 0:
            raise ValueError("a log histogram holds values from 0 up")
        self._moments(kept)
        positive = kept[kept > 0]
        self._zeros += len(kept) - len(positive)
        logs = np.log(np.clip(positive, _LEAST, _MOST)) / _LOG_BASE
        index = np.ceil(logs).astype(np.int64) - _FIRST
        self._buckets += np.bincount(index, minlength=_NUM_BUCKETS)

    def _moments(self, kept: FloatArray) -> None:
        """Mean and spread of two groups joined (Chan, Golub and LeVeque)."""
        count, total = len(kept), float(np.sum(kept))
        apart = total / count - (self._total / self._count if self._count else 0.0)
        both = self._count + count
        own = float(np.sum((kept - total / count) ** 2))
        self._squares += own + (apart**2 * self._count * count / both if self._count else 0.0)
        self._count, self._total = both, self._total + total
        self._low = min(self._low, float(np.min(kept)))
        self._high = max(self._high, float(np.max(kept)))

    def distribution(self) -> Distribution | None:
        """Figures of everything added; None if that is nothing."""
        if not self._count:
            return None
        return Distribution(
            count=self._count,
            total=self._total,
            mean=self._total / self._count,
            std=math.sqrt(self._squares / self._count),
            low=self._low,
            high=self._high,
            percentiles={q: self._percentile(q) for q in PERCENTILES},
        )

    def _percentile(self, q: float) -> float:
        """Between the two values that enclose it, each within the relative error."""
        place = q / 100.0 * (self._count - 1)
        below, above = self._ranked(math.floor(place)), self._ranked(math.ceil(place))
        found = below + (place - math.floor(place)) * (above - below)
        return min(max(found, self._low), self._high)

    def _ranked(self, rank: int) -> float:
        """The value of this rank from below, 0 the smallest."""
        if rank < self._zeros:
            return 0.0
        reached = np.cumsum(self._buckets)
        bucket = int(np.searchsorted(reached, rank - self._zeros, side="right"))
        upper = math.exp((bucket + _FIRST) * _LOG_BASE)
        return upper * (1.0 - RELATIVE_ERROR)  # 2 / (1 + g) of the upper edge
