"""Percentiles over requests in closed form: a wait with an exponential tail, stalls in pieces."""

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike

NORMAL = {50: 0.0, 90: 1.2816, 99: 2.3263}


def ttft_quantile(ttft_s: FloatLike, waiting_s: FloatLike, percentile: int) -> FloatArray:
    """Percentile of TTFT: a fixed service time plus a wait with an exponential tail of its mean."""
    mean, wait = np.asarray(ttft_s, dtype=np.float64), np.asarray(waiting_s, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        found = np.maximum(mean - wait, 0.0) - np.log(1.0 - percentile / 100.0) * wait
    infinite: FloatArray = np.where(np.isinf(wait), np.inf, found)
    return infinite


def itl_quantile(itl_s: FloatLike, stalls: tuple[FloatLike, FloatLike], percentile: int) -> FloatArray:
    """Percentile of a request's mean ITL; stalls is (prefill share of time, batch).

    The share of the gaps that is other requests' prefills comes in about `batch` independent
    pieces per request, so its spread is that share over the root of their number.
    """
    spread = itl_spread_s(itl_s, stalls)
    found: FloatArray = np.maximum(np.asarray(itl_s) + NORMAL[percentile] * spread, 0.0)
    return found


def itl_spread_s(itl_s: FloatLike, stalls: tuple[FloatLike, FloatLike]) -> FloatArray:
    """Standard deviation of a request's mean ITL [s]; stalls as for `itl_quantile`."""
    mean, share, batch = (np.asarray(value, dtype=np.float64) for value in (itl_s, *stalls))
    spread: FloatArray = mean * share / np.sqrt(np.maximum(batch, 1.0))
    return spread
