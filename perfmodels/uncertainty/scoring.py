"""Error measures of predictions against measurements."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """Errors as fractions of the measurement; rank is Spearman's correlation (nan under 3 points)."""

    mdape: float
    mape: float
    bias: float
    p90: float
    rank: float


def error_summary(predicted: FloatArray, measured: FloatArray) -> ErrorSummary:
    """Summary over all pairs; bias is the median of predicted/measured - 1.

    Raises ValueError on empty input or non-positive measurements.
    """
    if predicted.size == 0 or np.any(measured <= 0):
        raise ValueError("errors need at least one pair and positive measurements")
    ratio = predicted / measured - 1.0
    ape = np.abs(ratio)
    return ErrorSummary(
        mdape=float(np.median(ape)),
        mape=float(np.mean(ape)),
        bias=float(np.median(ratio)),
        p90=float(np.quantile(ape, 0.9)),
        rank=spearman(predicted, measured),
    )


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation of two samples; nan under three points or when either is constant."""
    if a.size < 3:
        return float("nan")
    ranks_a, ranks_b = _mean_ranks(a), _mean_ranks(b)
    if np.ptp(ranks_a) == 0 or np.ptp(ranks_b) == 0:
        return float("nan")
    return float(np.corrcoef(ranks_a, ranks_b)[0, 1])


def _mean_ranks(values: FloatArray) -> FloatArray:
    """Ranks from zero; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts).astype(np.float64)
    mean_rank: FloatArray = (ends - 0.5 * (counts + 1))[inverse]
    return mean_rank


def interval_coverage(measured: FloatArray, lo: FloatArray, hi: FloatArray) -> float:
    """Share of measurements inside [lo, hi]."""
    return float(np.mean((measured >= lo) & (measured <= hi)))
