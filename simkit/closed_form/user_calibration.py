"""Predictions sharpened by a user's own runs on the same cluster (perfmodels.uncertainty.user_runs)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.user_runs import APART, ITL_PRIOR, TTFT_PRIOR, OwnRuns, band, log_features
from simkit.core.deployment import Aggregated, Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Estimate, Latency, holds, with_latencies
from simkit.core.measured import Run
from simkit.core.slo import Slo
from simkit.core.workload import Workload

_NORMAL_90 = 1.645
PRIORS = {"ttft": TTFT_PRIOR, "itl": ITL_PRIOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One measured point: where it lies, and log(measured / predicted) by metric where it was measured.

    features are user_runs.FEATURES: load, lengths, predicted means [s], GPUs of an engine.
    """

    features: tuple[float, ...]
    log_ratios: Mapping[str, float]
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCalibration:
    """What a user's runs say. Fewer than two observations of a metric leave that metric as it is."""

    observations: tuple[Observation, ...]

    def of(self, metric: str) -> OwnRuns | None:
        """The fitted errors of one metric."""
        known = [item for item in self.observations if metric in item.log_ratios]
        if not known:
            return None
        ratios = np.array([item.log_ratios[metric] for item in known])
        features = log_features(np.array([item.features for item in known]))
        return OwnRuns(prior=PRIORS[metric], features=features, log_ratios=ratios)

    def factors(self, metric: str, features: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Expected log(measured / predicted) and its standard deviation at plain features [n, k]."""
        fitted = self.of(metric)
        return None if fitted is None else fitted.correct(log_features(features))


def features_of(workload: Workload, estimate: Estimate, deployment: Deployment) -> tuple[float, ...]:
    """Where a prediction lies among others."""
    pool = deployment.worker if isinstance(deployment, Aggregated) else deployment.decode
    return (
        max(workload.concurrency or estimate.concurrency, 1e-3),
        workload.isl_tokens,
        workload.osl_tokens,
        estimate.ttft.mean_s,
        max(estimate.itl.mean_s, 1e-6),
        float(pool.plan.num_gpus),
        1.0 if isinstance(deployment, Aggregated) else APART,
    )


def observation(workload: Workload, candidate: Candidate, run: Run) -> Observation:
    """A prediction and the run that was measured for it."""
    estimate = candidate.estimate
    pairs = {"ttft": (estimate.ttft.mean_s, run.ttft.mean_s), "itl": (estimate.itl.mean_s, run.itl.mean_s)}
    ratios = {name: math.log(got / said) for name, (said, got) in pairs.items() if got and said > 0}
    if not ratios:
        raise InputError(f"{run.source.path}: neither TTFT nor ITL measured; benchmark with streaming")
    features = features_of(workload, estimate, candidate.deployment)
    return Observation(features=features, log_ratios=ratios, source=run.source.path)


def calibration_of(observations: Sequence[Observation]) -> OwnCalibration:
    """A calibration. Raises InputError where there is nothing to calibrate with."""
    if not observations:
        raise InputError("no runs to calibrate with; measure at least one, three to ten are best")
    return OwnCalibration(observations=tuple(observations))


def sharpened(candidate: Candidate, workload: Workload, slo: Slo, own: OwnCalibration) -> Candidate:
    """The candidate with corrected means, intervals and probability.

    In a closed loop throughput follows the corrected latency.
    """
    estimate = candidate.estimate
    features = np.array([features_of(workload, estimate, candidate.deployment)])
    found = {name: own.factors(name, features) for name in PRIORS}
    ttft = _corrected(estimate.ttft, found["ttft"])
    itl = _corrected(estimate.itl, found["itl"])
    decodes = max(workload.osl_tokens * (1.0 - workload.length_spread / 2.0) - 1.0, 0.0)
    e2e = _end_to_end(estimate.e2e, ttft, itl, decodes)
    gain = 1.0 if workload.request_rate_per_s is not None else estimate.e2e.mean_s / e2e.mean_s
    changed = replace(
        with_latencies(estimate, (ttft, itl, e2e), gain),
        sla_probability=_probability({"ttft_s": ttft, "itl_s": itl, "e2e_s": e2e}, slo),
    )
    return replace(candidate, estimate=changed, meets_sla=holds(changed, slo))


def _corrected(latency: Latency, found: tuple[FloatArray, FloatArray] | None) -> Latency:
    if found is None:
        return latency
    mean, spread = found
    # Far from every run the process knows less than the shipped error model does.
    shipped = math.log(latency.hi_s / latency.lo_s) / (2 * _NORMAL_90) if latency.lo_s > 0 else math.inf
    spread = np.minimum(spread, shipped)
    factor = float(np.exp(mean[0]))
    low, high = (float(side[0]) for side in band(mean, spread))
    return Latency(
        mean_s=latency.mean_s * factor,
        p50_s=latency.p50_s * factor,
        p90_s=latency.p90_s * factor,
        p99_s=latency.p99_s * factor,
        lo_s=latency.mean_s * low,
        hi_s=latency.mean_s * high,
    )


def _end_to_end(before: Latency, ttft: Latency, itl: Latency, decodes: float) -> Latency:
    """Sums of the parts; bounds add as if both erred the same way, which errs wide."""
    if before.mean_s <= 0:
        return before
    values = {name: getattr(ttft, name) + decodes * getattr(itl, name) for name in Latency.__slots__}
    return Latency(**values)


def _probability(latencies: Mapping[str, Latency], slo: Slo) -> float | None:
    """Probability that every bound holds, each with a normal error in its logarithm."""
    if not slo.bounds:
        return None
    product = 1.0
    for name, bound in slo.bounds.items():
        latency = latencies[name]
        if latency.lo_s <= 0 or latency.hi_s <= latency.lo_s:
            continue
        spread = math.log(latency.hi_s / latency.lo_s) / (2 * _NORMAL_90)
        product *= 0.5 * (1.0 + math.erf(math.log(bound / latency.mean_s) / spread / math.sqrt(2.0)))
    return product
