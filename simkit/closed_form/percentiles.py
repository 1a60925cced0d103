"""Percentiles over requests in closed form, and the share of requests that keep every bound."""

import math
from typing import Protocol

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from simkit.core.slo import Slo

# --- Percentiles over requests in closed form: a wait with an exponential tail, stalls in pieces.


NORMAL = {50: 0.0, 75: 0.6745, 90: 1.2816, 95: 1.6449, 99: 2.3263}
_PERCENTILES, _DEVIATIONS = np.array(list(NORMAL), dtype=np.float64), np.array(list(NORMAL.values()))


def ttft_quantile(ttft_s: FloatLike, waiting_s: FloatLike, percentile: FloatLike) -> FloatArray:
    """Percentile of TTFT: a fixed service time plus a wait with an exponential tail of its mean."""
    mean, wait = np.asarray(ttft_s, dtype=np.float64), np.asarray(waiting_s, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        found = np.maximum(mean - wait, 0.0) - np.log(1.0 - np.asarray(percentile) / 100.0) * wait
    infinite: FloatArray = np.where(np.isinf(wait), np.inf, found)
    return infinite


def itl_quantile(itl_s: FloatLike, stalls: tuple[FloatLike, FloatLike], percentile: int) -> FloatArray:
    """Percentile of a request's mean ITL; stalls is (prefill share of time, batch).

    The share of the gaps that is other requests' prefills comes in about `batch` independent
    pieces per request, so its spread is that share over the root of their number.
    """
    return _itl_at(itl_s, stalls, NORMAL[percentile])


def all_quantiles(served: "Served") -> tuple[dict[int, float], dict[int, float]]:
    """Every percentile of one load's TTFT and ITL."""
    ttft = ttft_quantile(served.ttft_s, served.waiting_s, _PERCENTILES)
    itl = _itl_at(served.itl_s, (served.prefill_share, served.batch), _DEVIATIONS)
    return dict(zip(NORMAL, ttft.tolist(), strict=True)), dict(zip(NORMAL, itl.tolist(), strict=True))


def _itl_at(itl_s: FloatLike, stalls: tuple[FloatLike, FloatLike], deviations: FloatLike) -> FloatArray:
    found: FloatArray = np.maximum(np.asarray(itl_s) + deviations * itl_spread_s(itl_s, stalls), 0.0)
    return found


def itl_spread_s(itl_s: FloatLike, stalls: tuple[FloatLike, FloatLike]) -> FloatArray:
    """Standard deviation of a request's mean ITL [s]; stalls as for `itl_quantile`."""
    mean, share, batch = (np.asarray(value, dtype=np.float64) for value in (itl_s, *stalls))
    spread: FloatArray = mean * share / np.sqrt(np.maximum(batch, 1.0))
    return spread


# --- The share of requests that keep every bound, from the distributions behind the percentiles.
# TTFT is a fixed service time and a wait with an exponential tail; a request's mean ITL is normal around the
# mean, as wide as others' prompts stall it (simkit.closed_form.percentiles). The two count as independent.


# Places in (0, 1) at which ITL is taken where a bound on end-to-end latency ties it to TTFT.
_PLACES = (np.arange(32) + 0.5) / 32
_erf = np.frompyfunc(math.erf, 1, 1)


class Served(Protocol):
    """Means of one load or of many: scalars or arrays of one shape."""

    @property
    def ttft_s(self) -> FloatLike:
        """Time to first token."""

    @property
    def itl_s(self) -> FloatLike:
        """Time per output token."""

    @property
    def e2e_s(self) -> FloatLike:
        """Request latency."""

    @property
    def waiting_s(self) -> FloatLike:
        """The part of TTFT spent queueing."""

    @property
    def prefill_share(self) -> FloatLike:
        """Share of engine time that goes to prompts."""

    @property
    def batch(self) -> FloatLike:
        """Requests a lane works on."""


def goodput_share(served: Served, slo: Slo) -> FloatArray:
    """Probability that a request keeps every bound, whatever the bounds are on; 1 without bounds."""
    ttft, itl, e2e, wait = (
        np.asarray(value, dtype=np.float64)
        for value in (served.ttft_s, served.itl_s, served.e2e_s, served.waiting_s)
    )
    spread = itl_spread_s(itl, (served.prefill_share, served.batch))
    most_itl = np.inf if slo.itl_s is None else slo.itl_s
    most_ttft = np.inf if slo.ttft_s is None else slo.ttft_s
    paced = _normal_below(most_itl, itl, spread)
    if slo.e2e_s is None:
        return paced * _waited_below(most_ttft, ttft, wait)
    with np.errstate(invalid="ignore"):
        decodes = np.where(np.isfinite(e2e), (e2e - ttft) / np.maximum(itl, 1e-12), 0.0)
    total = np.zeros(np.shape(paced))
    for place in _PLACES:  # within the share of requests that keep the bound on ITL
        at = itl + spread * _normal_quantile(place * paced)
        total = total + _waited_below(np.minimum(most_ttft, slo.e2e_s - decodes * at), ttft, wait)
    share: FloatArray = paced * total / len(_PLACES)
    return share


def _waited_below(bound_s: FloatLike, ttft_s: FloatArray, wait_s: FloatArray) -> FloatArray:
    """Probability of a TTFT within the bound."""
    endless = ~np.isfinite(wait_s)
    with np.errstate(invalid="ignore", over="ignore"):
        room = np.asarray(bound_s) - np.maximum(ttft_s - wait_s, 0.0)
        within = -np.expm1(-np.maximum(room, 0.0) / np.maximum(wait_s, 1e-12))
    within = np.where((wait_s == 0) & (room >= 0), 1.0, within)
    return np.where(endless | (room < 0), 0.0, within)


def _normal_below(bound: float, mean: FloatArray, spread: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", over="ignore"):
        distance = (bound - mean) / np.maximum(spread, 1e-12)
        below = 0.5 * (1.0 + np.asarray(_erf(distance / math.sqrt(2.0)), dtype=np.float64))
    below = np.where(spread > 0, below, mean <= bound)
    return np.where(np.isnan(below), 0.0, below)


def _normal_quantile(level: FloatArray) -> FloatArray:
    """Inverse of the normal distribution, to 5e-4 (Abramowitz and Stegun 26.2.23)."""
    held = np.clip(level, 1e-12, 1.0 - 1e-12)
    tail = np.sqrt(-2.0 * np.log(np.minimum(held, 1.0 - held)))
    top = 2.515517 + tail * (0.802853 + tail * 0.010328)
    bottom = 1.0 + tail * (1.432788 + tail * (0.189269 + tail * 0.001308))
    distance = tail - top / bottom
    return np.where(held < 0.5, -distance, distance)
