"""From mean latencies to the Estimate people read: percentiles, intervals, probability, bottleneck."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.parallel import ParallelPlan
from perfmodels.uncertainty.intervals import ErrorModel, Errors, NormalErrors
from simkit.closed_form.bottlenecks import PREFILL_DECIDES, decode_bottleneck, prefill_bottleneck, with_costs
from simkit.closed_form.percentiles import NORMAL, all_quantiles, goodput_share
from simkit.closed_form.problem import Problem
from simkit.core.engine import EngineOptions
from simkit.core.estimate import LATENCIES, Estimate, Latency, Means
from simkit.core.slo import Slo
from simkit.core.words import counted
from simkit.core.workload import workload_lengths
from simkit.engines.engine_model import EngineModel
from simkit.engines.support import borrowed_note

NORMAL_90 = NormalDist().inv_cdf(0.95)
_DOUBTS = (0.01, 2.0)  # what a standard deviation of logs may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The pool that decodes behind a point: an engine's model, plan and memory per GPU, and how many engines.

    lane_tokens: cached tokens of one lane. prefill_operator: the costliest operator of a prefill step and its
    share, in the pool that prefills. None: this pool prefills, and it is worked out where it is asked for.
    bottleneck: what takes most of the time, where it was worked out for many points at once.
    """

    model: EngineModel
    plan: ParallelPlan
    engine_gpus: float
    workers: float
    lane_tokens: float
    memory_bytes: Mapping[str, float]
    prefill_operator: str | None = None
    bottleneck: str | None = None


def estimate_of(problem: Problem, behind: Behind, num_gpus: float, numbers: Mapping[str, float]) -> Estimate:
    """The full record of one point; numbers are the fields of simkit.closed_form.outcomes by name.

    Intervals are wider outside the measured domain.
    """
    lengths, slo = workload_lengths(problem.request.workload), problem.request.slo
    isl, osl = (float(np.asarray(value)) for value in (lengths.isl_tokens, lengths.osl_tokens))
    rests, doubtful = problem.footing(behind.model, behind.engine_gpus), bool(numbers["doubtful"])
    latencies = (numbers["ttft_s"], numbers["itl_s"], numbers["e2e_s"])
    spreads = log_spreads(latencies, (numbers["ttft_log_sd"], numbers["itl_log_sd"]))
    names = ("ttft_s", "itl_s", "waiting_s", "batch", "prefill_share", "in_flight", "requests_per_s")
    means = Means(
        **{name: numbers[name] for name in names},
        osl_tokens=osl,
        num_gpus=num_gpus,
        saturated=bool(numbers["saturated"]),
        offered=problem.request.workload.request_rate_per_s is not None,
        errors=errors_of(
            problem.errors,
            measured=bool(rests.measured),
            unaware=bool(rests.unaware),
            told=problem.request.own is not None,
        ),
        log_sds={name: float(spread) for name, spread in zip(LATENCIES, spreads, strict=True)},
    )
    estimate = Estimate(
        **figures_of(means, slo),
        memory_bytes=behind.memory_bytes,
        kv_capacity_tokens=behind.lane_tokens * behind.workers * behind.plan.attn_dp * behind.plan.pp,
        in_domain=bool(rests.measured),
        bottleneck=_bottleneck(behind, (isl, osl), means),
        notes=_notes(problem, behind.model.engine, saturated=means.saturated, doubtful=doubtful),
        overloaded=means.saturated,
        doubtful=doubtful,
    )
    return with_costs(problem, behind.model, estimate)


def _bottleneck(behind: Behind, lengths: tuple[float, float], means: Means) -> str:
    """`phase: operator (share)` of the phase that takes most of the time."""
    if behind.bottleneck is not None:
        return behind.bottleneck
    if means.prefill_share > PREFILL_DECIDES:
        found = behind.prefill_operator or prefill_bottleneck(behind.model, behind.plan, lengths[0])
        return f"prefill: {found}"
    return f"decode: {decode_bottleneck(behind.model, behind.plan, lengths, means.batch)}"


def corrected(
    estimate: Estimate, slo: Slo, factors: Mapping[str, float], certain: Mapping[str, float] | None = None
) -> Estimate:
    """The estimate with TTFT and ITL times their factors (by "ttft" and "itl"), all else following.

    certain: standard deviations of the logs of latencies that runs on the same cluster tell; errors of
    those are normal. Raises ValueError where the estimate does not hold what it was made of.
    """
    means = means_of(estimate)
    changed = replace(
        means,
        ttft_s=means.ttft_s * factors.get("ttft", 1.0),
        waiting_s=means.waiting_s * factors.get("ttft", 1.0),
        itl_s=means.itl_s * factors.get("itl", 1.0),
    )
    if means.offered and not means.saturated:  # requests that queue without end are not in flight
        changed = replace(changed, in_flight=means.requests_per_s * changed.e2e_s)
    if not means.offered:
        changed = replace(changed, requests_per_s=means.requests_per_s * means.e2e_s / changed.e2e_s)
    if certain:
        changed = _certain(changed, estimate, certain)
    gain = changed.requests_per_s / means.requests_per_s if means.requests_per_s > 0 else 1.0
    cost, energy = estimate.cost_per_million_output_tokens, estimate.max_energy_j_per_output_token
    return replace(
        estimate,
        **figures_of(changed, slo),
        cost_per_million_output_tokens=None if cost is None else cost / gain,
        max_energy_j_per_output_token=None if energy is None else energy / gain,
    )


def means_of(estimate: Estimate) -> Means:
    """What an estimate was made of. Raises ValueError where it does not hold that."""
    if estimate.means is None:
        raise ValueError("an estimate without its means cannot be corrected or simulated beside")
    return estimate.means


def _certain(means: Means, estimate: Estimate, certain: Mapping[str, float]) -> Means:
    """The same with normal errors of the metrics that are told, and of the latency that follows from both."""
    spread = {name: certain.get(name, doubt_of(getattr(estimate, name))) for name in ("ttft", "itl")}
    latencies = (means.ttft_s, means.itl_s, means.e2e_s)
    whole = float(log_spreads(latencies, (spread["ttft"], spread["itl"]))[2])
    told = {**certain, "e2e": whole}
    return replace(
        means,
        errors={**means.errors, **dict.fromkeys(told, NormalErrors())},
        log_sds={**means.log_sds, **told},
    )


def doubt_of(latency: Latency) -> float:
    """How unsure a prediction is: the standard deviation of its log."""
    return float(doubts_of(np.array([latency.lo_s]), np.array([latency.hi_s]))[0])


def doubts_of(low: FloatArray, high: FloatArray) -> FloatArray:
    """How unsure predictions are [n] by their 90 % intervals; without one, as unsure as can be."""
    told = (low > 0) & (high > low) & np.isfinite(high)
    spread = np.log(np.where(told, high, 1.0) / np.where(told, low, 1.0)) / (2.0 * NORMAL_90)
    found: FloatArray = np.where(told, np.clip(spread, *_DOUBTS), _DOUBTS[1])
    return found


def figures_of(means: Means, slo: Slo) -> dict[str, Any]:
    """Every field of an Estimate that follows from its means."""
    errors, spread = means.errors, means.log_sds
    waited, stalled = all_quantiles(means)
    ttft = _latency(means.ttft_s, waited, (errors["ttft"], spread["ttft"]))
    itl = _latency(means.itl_s, stalled, (errors["itl"], spread["itl"]))
    e2e_quantiles = {q: waited[q] + means.decodes * stalled[q] for q in NORMAL}
    e2e = _latency(means.e2e_s, e2e_quantiles, (errors["e2e"], spread["e2e"]))
    latencies = zip(LATENCIES, (ttft, itl, e2e), strict=True)
    asked = [getattr(latency, f"{slo.statistic_of(name)}_s") for name, latency in latencies]
    spreads = (spread["ttft"], spread["itl"], spread["e2e"])
    probability = sla_probability((asked[0], asked[1], asked[2]), slo, errors, spreads)
    tokens_per_s = means.requests_per_s * means.osl_tokens
    return {
        "means": means,
        "ttft": ttft,
        "itl": itl,
        "e2e": e2e,
        "concurrency": means.in_flight,
        "request_rate_per_s": means.requests_per_s,
        "output_tokens_per_s": tokens_per_s,
        "output_tokens_per_s_per_gpu": tokens_per_s / means.num_gpus,
        "tokens_per_s_per_user": 1.0 / means.itl_s if means.itl_s > 0 else math.inf,
        "sla_probability": None if probability is None or not slo.judged else float(probability),
        "goodput_per_s": _goodput(means, slo),
    }


def errors_of(
    errors: Mapping[str, ErrorModel], *, measured: bool, unaware: bool, told: bool = False
) -> Mapping[str, Errors]:
    """Past errors by metric, for what a prediction rests on (simkit.closed_form.problem.Footing).

    told: own runs say how unsure it is (simkit.closed_form.user_calibration).
    """
    if told:
        return dict.fromkeys(LATENCIES, NormalErrors())
    if measured:
        return errors
    return {name: known.doubtful() if unaware else known.beyond() for name, known in errors.items()}


def _notes(problem: Problem, engine: EngineOptions, *, saturated: bool, doubtful: bool) -> tuple[str, ...]:
    """What the numbers leave out: overload, and settings of the deployment that are not modelled."""
    workload = problem.request.workload
    longest = workload.isl_tokens + workload.osl_tokens
    limit = engine.max_model_len or longest
    notes = {
        "overloaded: the offered rate cannot be sustained": saturated,
        "speculative decoding is set and not modelled: real ITL is lower": engine.speculative,
        "the acceptance of drafted tokens is taken as given; the step shown leaves out what drafts them": (
            engine.draft is not None
        ),
        "the order of events decides at this load (prompts crowd out decoding, or requests move in step): "
        "confirm it with simkit simulate": doubtful,
        f"requests of {longest:,.0f} tokens exceed the engine's limit of {limit:,.0f}": longest > limit,
        borrowed_note(engine.backend): bool(borrowed_note(engine.backend)),
        _own_words(problem): problem.request.own is not None,
    }
    return tuple(note for note, applies in notes.items() if applies)


def _own_words(problem: Problem) -> str:
    own = problem.request.own
    if own is None:
        return ""
    runs = counted(len(own.observations), "run of your own")
    return f"corrected by {runs}{f' ({own.path})' if own.path else ''}"


def _goodput(means: Means, slo: Slo) -> float | None:
    if not slo.bounds:
        return None
    return 0.0 if means.saturated else means.requests_per_s * float(goodput_share(means, slo))


def sla_probability(
    means: tuple[FloatLike, FloatLike, FloatLike],
    slo: Slo,
    errors: Mapping[str, Errors],
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
    for name, value, spread in zip(LATENCIES, means, log_sds, strict=True):
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


def _latency(mean_s: float, quantiles: Mapping[int, float], errors: tuple[Errors, float]) -> Latency:
    model, spread = errors
    low, high = model.interval(mean_s, log_sd=spread)
    return Latency(
        mean_s=mean_s,
        lo_s=float(low),
        hi_s=float(high),
        **{f"p{q}_s": value for q, value in quantiles.items()},
    )
