"""Predictions sharpened by a user's own runs on the same cluster (perfmodels.uncertainty.user_runs)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.uncertainty.intervals import ErrorModel
from perfmodels.uncertainty.user_runs import APART
from simkit.closed_form.estimates import corrected, doubt_of, doubts_of, errors_of
from simkit.closed_form.problem import Footing
from simkit.core.deployment import Aggregated, Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Estimate, holds
from simkit.core.measured import Run
from simkit.core.slo import Slo
from simkit.core.user_calibration import PRIORS, Observation, OwnCalibration
from simkit.core.workload import Workload

_LEAST_ITL_S = 1e-6  # of a request with one token, for the logarithm
_LEAST_LOAD = 1e-3


def features_of(workload: Workload, estimate: Estimate, deployment: Deployment) -> tuple[float, ...]:
    """Where a prediction lies among others."""
    pool = deployment.worker if isinstance(deployment, Aggregated) else deployment.decode
    return (
        max(workload.concurrency or estimate.concurrency, _LEAST_LOAD),
        workload.isl_tokens,
        workload.osl_tokens,
        estimate.ttft.mean_s,
        max(estimate.itl.mean_s, _LEAST_ITL_S),
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


# --- The same for rows of outcomes: a search asks about many, an estimate about one.

Rows = TypeVar("Rows")  # Outcomes, or the Points of a search: a dataclass with their columns


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """What own runs need to know of rows of outcomes beyond their columns; arrays broadcast to them.

    Lengths are as they are asked for, not their means; engine_gpus those of an engine that decodes; apart:
    prefill runs elsewhere. errors are those of predictions on what each row rests on.
    """

    isl_tokens: FloatLike
    osl_tokens: FloatLike
    engine_gpus: FloatLike
    apart: FloatLike | NDArray[np.bool_]
    offered: bool
    rests: Footing
    errors: Mapping[str, ErrorModel]


def with_own_runs(own: OwnCalibration | None, rows: Rows, facts: RowFacts) -> Rows:
    """Rows of outcomes as own runs suggest: latencies, how unsure they are, and what follows from both.

    No latency falls under what the hardware can do at best. The standard deviations of the result are of
    normal errors (`told_errors`).
    """
    if own is None:
        return rows
    old: Any = rows
    shape = old.ttft_s.shape
    flat = {name: np.ravel(np.broadcast_to(getattr(old, name), shape)) for name in _READ}
    moved = _moved(own, flat, facts, shape)
    changed = {name: np.reshape(value, shape) for name, value in moved.items()}
    return replace(old, **changed)  # type: ignore[no-any-return]


_READ = (
    "in_flight", "requests_per_s", "ttft_s", "itl_s", "e2e_s", "waiting_s", "saturated",
    "ttft_log_sd", "itl_log_sd", "least_ttft_s", "least_itl_s",
)  # fmt: skip


def _moved(
    own: OwnCalibration, flat: Mapping[str, FloatArray], facts: RowFacts, shape: tuple[int, ...]
) -> dict[str, FloatArray]:
    """The columns that change."""

    def spread(value: Any) -> FloatArray:
        return np.ravel(np.broadcast_to(np.asarray(value, dtype=np.float64), shape))

    features = np.column_stack([
        np.maximum(flat["in_flight"], _LEAST_LOAD), spread(facts.isl_tokens), spread(facts.osl_tokens),
        flat["ttft_s"], np.maximum(flat["itl_s"], _LEAST_ITL_S), spread(facts.engine_gpus),
        np.where(spread(facts.apart) > 0, APART, 1.0),
    ])  # fmt: skip
    usable = np.all(np.isfinite(features) & (features > 0), axis=1)
    factors, found = {}, {}
    for metric in PRIORS:
        doubts = _doubts(metric, flat, facts, shape)
        factors[metric], found[f"{metric}_log_sd"] = _belief(own, metric, (features, usable), doubts)
    found["ttft_s"] = np.maximum(flat["ttft_s"] * factors["ttft"], flat["least_ttft_s"])
    found["itl_s"] = np.where(
        flat["itl_s"] > 0, np.maximum(flat["itl_s"] * factors["itl"], flat["least_itl_s"]), 0.0
    )
    found["waiting_s"] = flat["waiting_s"] * factors["ttft"]
    with np.errstate(invalid="ignore", divide="ignore"):
        decodes = np.where(flat["itl_s"] > 0, (flat["e2e_s"] - flat["ttft_s"]) / flat["itl_s"], 0.0)
        found["e2e_s"] = np.where(usable, found["ttft_s"] + decodes * found["itl_s"], flat["e2e_s"])
        slower = np.where(usable, found["e2e_s"] / flat["e2e_s"], 1.0)
    if facts.offered:
        queued = flat["saturated"] > 0  # requests that queue without end are not in flight
        return {**found, "in_flight": np.where(queued, flat["in_flight"], flat["in_flight"] * slower)}
    return {**found, "requests_per_s": flat["requests_per_s"] / slower}


def _doubts(
    metric: str, flat: Mapping[str, FloatArray], facts: RowFacts, shape: tuple[int, ...]
) -> FloatArray:
    """How unsure each row is without own runs [n]."""
    value, spread = flat[f"{metric}_s"], flat[f"{metric}_log_sd"]
    found = np.ones_like(value)
    for rows, kind in facts.rests.parts():
        here: NDArray[np.bool_] = np.ravel(np.broadcast_to(rows, shape))
        model = errors_of(facts.errors, **kind)[metric]
        with np.errstate(invalid="ignore"):
            low, high = model.interval(value[here], log_sd=spread[here])
        found[here] = doubts_of(low, high)
    return found


def _belief(
    own: OwnCalibration, metric: str, known: tuple[FloatArray, NDArray[np.bool_]], doubts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """By what a metric changes, and how unsure it then is; known is (features, which rows have all)."""
    features, usable = known
    factor, unsure = np.ones_like(doubts), doubts.copy()
    said = own.belief(metric, features[usable], doubts[usable]) if usable.any() else None
    if said is not None:
        factor[usable], unsure[usable] = np.exp(said[0]), said[1]
    return factor, unsure
