"""Predictions sharpened by a user's own runs on the same cluster (perfmodels.uncertainty.user_runs)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.user_runs import APART, ITL_PRIOR, TTFT_PRIOR, Locations, OwnRuns, log_features
from simkit.closed_form.estimates import corrected, doubt_of
from simkit.core.deployment import Aggregated, Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Estimate, holds
from simkit.core.measured import Run
from simkit.core.slo import Slo
from simkit.core.workload import Workload

_MOST_RUNS = 4_000  # what is solved grows with the square of them
PRIORS = {"ttft": TTFT_PRIOR, "itl": ITL_PRIOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One measured point: where it lies, and log(measured / predicted) by metric where it was measured.

    features are user_runs.FEATURES: load, lengths, predicted means [s], GPUs of an engine. doubts: how unsure
    each prediction was, as the standard deviation of its log, by metric.
    """

    features: tuple[float, ...]
    log_ratios: Mapping[str, float]
    doubts: Mapping[str, float]
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
        points = Locations(
            features=log_features(np.array([item.features for item in known])),
            doubts=np.array([item.doubts[metric] for item in known]),
        )
        return OwnRuns(prior=PRIORS[metric], points=points, log_ratios=ratios)

    def belief(
        self, metric: str, features: FloatArray, shipped: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Expected log(measured / predicted) and its standard deviation at plain features [n, k].

        shipped [n]: how unsure the prediction is without own runs; far from all of them these know less.
        """
        fitted = self.of(metric)
        if fitted is None:
            return None
        mean, spread = fitted.correct(Locations(features=log_features(features), doubts=shipped))
        return mean, np.minimum(spread, shipped)


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
    doubts = {name: doubt_of(getattr(estimate, name)) for name in ratios}
    return Observation(features=features, log_ratios=ratios, doubts=doubts, source=run.source.path)


def calibration_of(observations: Sequence[Observation]) -> OwnCalibration:
    """A calibration. Raises InputError where there is nothing to calibrate with."""
    if not observations:
        raise InputError("no runs to calibrate with; measure at least one, three to ten are best")
    if len(observations) > _MOST_RUNS:
        raise InputError(
            f"{len(observations):,} runs to calibrate with are more than {_MOST_RUNS:,}; keep those of your "
            "own cluster"
        )
    return OwnCalibration(observations=tuple(observations))


def sharpened(candidate: Candidate, workload: Workload, slo: Slo, own: OwnCalibration) -> Candidate:
    """The candidate corrected by own runs: everything it says follows from the latencies they suggest."""
    estimate = candidate.estimate
    features = np.array([features_of(workload, estimate, candidate.deployment)])
    factors, certain = {}, {}
    for metric in PRIORS:
        shipped = np.array([doubt_of(getattr(estimate, metric))])
        found = own.belief(metric, features, shipped)
        if found is not None:
            factors[metric], certain[metric] = float(np.exp(found[0][0])), float(found[1][0])
    changed = corrected(estimate, slo, factors, certain)
    return replace(candidate, estimate=changed, meets_sla=holds(changed, slo))
