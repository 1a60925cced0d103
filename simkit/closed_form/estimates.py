"""From mean latencies to the Estimate people read: percentiles, intervals, probability, bottleneck."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.uncertainty.intervals import ErrorModel
from simkit.closed_form.percentiles import NORMAL, goodput_share, itl_quantile, ttft_quantile
from simkit.core.estimate import Estimate, Latency
from simkit.core.slo import Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class PointValues:
    """One evaluated point: one row of a Points table with what else an Estimate shows."""

    num_gpus: float
    concurrency: float
    requests_per_s: float
    ttft_s: float
    itl_s: float
    waiting_s: float
    batch: float
    prefill_share: float
    osl_tokens: float
    kv_capacity_tokens: float
    ttft_log_sd: float
    itl_log_sd: float
    memory_bytes: Mapping[str, float]
    bottleneck: str
    in_domain: bool
    notes: tuple[str, ...] = ()
    overloaded: bool = False
    doubtful: bool = False

    @property
    def e2e_s(self) -> float:
        """Mean request latency."""
        return self.ttft_s + max(self.osl_tokens - 1.0, 0.0) * self.itl_s


def estimate_of(point: PointValues, slo: Slo, errors: Mapping[str, ErrorModel]) -> Estimate:
    """The full record of one point; its intervals are wider outside the measured domain."""
    if not point.in_domain:
        errors = {name: model.beyond() for name, model in errors.items()}
    decodes = max(point.osl_tokens - 1.0, 0.0)
    e2e_s = point.e2e_s
    spread = log_spreads((point.ttft_s, point.itl_s, e2e_s), (point.ttft_log_sd, point.itl_log_sd))
    ttft = _latency(point.ttft_s, _waiting_quantiles(point), (errors["ttft"], spread[0]))
    itl = _latency(point.itl_s, _stall_quantiles(point), (errors["itl"], spread[1]))
    e2e_quantiles = {q: _at(ttft, q) + decodes * _at(itl, q) for q in NORMAL}
    bounded = (point.ttft_s, point.itl_s, e2e_s)
    if slo.statistic != "mean":
        percentile = int(slo.statistic.removeprefix("p"))
        bounded = (_at(ttft, percentile), _at(itl, percentile), e2e_quantiles[percentile])
    probability = sla_probability(bounded, slo, errors, spread)
    tokens_per_s = point.requests_per_s * point.osl_tokens
    return Estimate(
        concurrency=point.concurrency,
        ttft=ttft,
        itl=itl,
        e2e=_latency(e2e_s, e2e_quantiles, (errors["e2e"], spread[2])),
        output_tokens_per_s=tokens_per_s,
        output_tokens_per_s_per_gpu=tokens_per_s / point.num_gpus,
        tokens_per_s_per_user=1.0 / point.itl_s if point.itl_s > 0 else math.inf,
        request_rate_per_s=point.requests_per_s,
        memory_bytes=point.memory_bytes,
        kv_capacity_tokens=point.kv_capacity_tokens,
        sla_probability=None if probability is None else float(probability),
        in_domain=point.in_domain,
        bottleneck=point.bottleneck,
        notes=point.notes,
        overloaded=point.overloaded,
        doubtful=point.doubtful,
        goodput_per_s=_goodput(point, slo),
    )


def _goodput(point: PointValues, slo: Slo) -> float | None:
    if not slo.bounds:
        return None
    return 0.0 if point.overloaded else point.requests_per_s * float(goodput_share(point, slo))


def sla_probability(
    means: tuple[FloatLike, FloatLike, FloatLike],
    slo: Slo,
    errors: Mapping[str, ErrorModel],
    log_sds: tuple[FloatLike, FloatLike, FloatLike] = (1.0, 1.0, 1.0),
) -> FloatArray | None:
    """Probability that every bound holds for what is measured; None without bounds.

    means (or the percentiles that are bound) is (ttft, itl, e2e) in seconds, log_sds how unsure each is;
    scalars or arrays. Bounds are treated as independent, which errs low: the errors of the metrics rise
    and fall together.
    """
    if not slo.bounds:
        return None
    probability = np.ones(np.broadcast_shapes(*(np.shape(mean) for mean in means)))
    for name, value, spread in zip(("ttft", "itl", "e2e"), means, log_sds, strict=True):
        bound = slo.bounds.get(f"{name}_s")
        if bound is not None:
            probability = probability * errors[name].probability_below(value, bound, spread)
    return probability


def log_spreads(
    means: tuple[FloatLike, FloatLike, FloatLike], log_sds: tuple[FloatLike, FloatLike]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How unsure TTFT, ITL and their sum are; means is (ttft, itl, e2e), log_sds (ttft, itl).

    The errors of the two parts of a request's life are taken as independent.
    """
    ttft, _, e2e = (np.asarray(mean, dtype=np.float64) for mean in means)
    first, rest = (np.asarray(sd, dtype=np.float64) for sd in log_sds)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(e2e), ttft / np.maximum(e2e, 1e-12), 1.0)
    return first, rest, np.hypot(share * first, (1.0 - share) * rest)


def _at(latency: Latency, percentile: int) -> float:
    return {50: latency.p50_s, 90: latency.p90_s, 99: latency.p99_s}[percentile]


def _latency(mean_s: float, quantiles: Mapping[int, float], errors: tuple[ErrorModel, FloatArray]) -> Latency:
    model, spread = errors
    low, high = model.interval(mean_s, log_sd=spread)
    return Latency(
        mean_s=mean_s,
        p50_s=quantiles[50],
        p90_s=quantiles[90],
        p99_s=quantiles[99],
        lo_s=float(low),
        hi_s=float(high),
    )


def _waiting_quantiles(point: PointValues) -> dict[int, float]:
    return {q: float(ttft_quantile(point.ttft_s, point.waiting_s, q)) for q in NORMAL}


def _stall_quantiles(point: PointValues) -> dict[int, float]:
    stalls = (point.prefill_share, point.batch)
    return {q: float(itl_quantile(point.itl_s, stalls, q)) for q in NORMAL}
