"""One candidate simulated under its steady load, beside its closed form."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.estimates import sla_probability
from simkit.closed_form.one_deployment import SingleEstimate, estimate_deployment
from simkit.closed_form.problem import Problem
from simkit.core.estimate import Candidate, Estimate, Latency, Simulated, Spread
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.sim.cluster import Cluster, cluster_of, simulate_stream
from simkit.sim.load.steady_load import SteadyLoad, steady_load
from simkit.sim.requests import RequestTimes, part, times_joined, times_part, times_where
from simkit.sim.results.summary import RunSummary, summarize

# --- The load a candidate was estimated under, as a question of its own.


def under_own_load(request: Request, concurrency: float | None) -> Request:
    """The request under the load it names, else under the concurrency that the search found.

    A search for throughput names no load: each candidate is at its best under another one.
    """
    workload = request.workload
    if concurrency is None or workload.concurrency is not None or workload.request_rate_per_s is not None:
        return request
    return replace(request, workload=replace(workload, concurrency=concurrency))


LATENCIES = ("ttft", "itl", "e2e")
_PIECE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A simulated candidate, and its closed form once more with its operators."""

    candidate: Candidate
    closed_form: SingleEstimate


def simulated_candidate(problem: Problem, candidate: Candidate, seed: int) -> Finalist:
    """The candidate with what a simulation of its steady load finds; the same seed gives the same figures.

    Without a load asked for it is the concurrency that the search found for it. Raises SimkitError where
    its engines cannot be simulated.
    """
    asked = under_own_load(problem.request, max(round(candidate.estimate.concurrency), 1))
    loaded = replace(problem, request=asked)
    closed = estimate_deployment(loaded, candidate.deployment)
    factors = _factors(loaded, candidate, closed.candidate.estimate)
    expected = (closed.candidate.estimate.concurrency, closed.candidate.estimate.e2e.mean_s)
    load = steady_load(asked.workload, expected, np.random.default_rng(seed))
    cluster = cluster_of(loaded, candidate.deployment)
    counted = _scaled(times_part(_times(cluster, load, seed), load.first, load.last), factors)
    found = _simulated(problem, candidate, load, counted)
    doubtful = closed.candidate.estimate.doubtful
    found = replace(found, ttft_factor=factors[0], itl_factor=factors[1], doubtful=doubtful)
    return Finalist(
        candidate=replace(candidate, simulated=found, meets_sla=found.meets_sla), closed_form=closed
    )


def _times(cluster: Cluster, load: SteadyLoad, seed: int) -> RequestTimes:
    """When every request ran, in order of sending. In pieces, between which an interrupt is heard."""
    spans = range(0, len(load.requests), _PIECE)
    pieces = (part(load.requests, start, min(start + _PIECE, len(load.requests))) for start in spans)
    found = list(simulate_stream(cluster, pieces, concurrency=load.concurrency, seed=seed))
    whole = times_joined(found)
    return times_where(whole, np.argsort(whole.sent_s, kind="stable"))


def _factors(problem: Problem, candidate: Candidate, closed: Estimate) -> tuple[float, float]:
    """What measured runs say of TTFT and ITL of such deployments: the closed form with them over without."""
    bare = replace(problem, engines=tuple(replace(item, residuals=None) for item in problem.engines))
    raw = estimate_deployment(bare, candidate.deployment).candidate.estimate
    return _ratio(closed.ttft, raw.ttft), _ratio(closed.itl, raw.itl)


def _ratio(one: Latency, other: Latency) -> float:
    found = one.mean_s / other.mean_s if other.mean_s > 0 else 1.0
    return found if math.isfinite(found) and found > 0 else 1.0


def _scaled(times: RequestTimes, factors: tuple[float, float]) -> RequestTimes:
    first_s: FloatArray = times.sent_s + factors[0] * times.ttft_s
    finished_s: FloatArray = first_s + factors[1] * (times.finished_s - times.first_token_s)
    return replace(times, first_token_s=first_s, finished_s=finished_s)


def _simulated(problem: Problem, candidate: Candidate, load: SteadyLoad, times: RequestTimes) -> Simulated:
    slo = problem.request.slo
    summary = summarize(times, slo)
    spreads = {name: _spread(summary, name) for name in LATENCIES}
    rate = _rate(load, times, spreads["e2e"])
    tokens_per_s = rate * summary.osl_tokens / summary.requests
    good = None if summary.good_requests is None else summary.good_requests / summary.requests
    return Simulated(
        requests=summary.requests,
        concurrency=load.concurrency or rate * spreads["e2e"].mean_s,
        ttft=spreads["ttft"],
        itl=spreads["itl"],
        e2e=spreads["e2e"],
        request_rate_per_s=rate,
        output_tokens_per_s=tokens_per_s,
        output_tokens_per_s_per_gpu=tokens_per_s / candidate.deployment.num_gpus,
        violation=max(
            (_bounded(spreads, name, slo) / bound for name, bound in slo.bounds.items()), default=0.0
        ),
        goodput_per_s=None if good is None else rate * good,
        good_frac=good,
        sla_probability=_probability(problem, candidate.estimate, spreads),
        preemptions=summary.preemptions,
    )


def _spread(summary: RunSummary, name: str) -> Spread:
    values = summary.distributions.get(f"{name}_s")
    if values is None:  # no ITL where every request has one token
        return Spread(mean_s=0.0, p50_s=0.0, p90_s=0.0, p99_s=0.0)
    p50, p90, p99 = (values.percentiles[q] for q in (50, 90, 99))
    return Spread(mean_s=values.mean, p50_s=p50, p90_s=p90, p99_s=p99)


def _rate(load: SteadyLoad, times: RequestTimes, e2e: Spread) -> float:
    """Requests per second: slots over latency (Little's law), or as they were answered."""
    if load.concurrency is not None:
        return load.concurrency / e2e.mean_s
    span_s = float(np.ptp(times.finished_s))
    return (len(times) - 1) / span_s


def _bounded(spreads: Mapping[str, Spread], name: str, slo: Slo) -> float:
    value: float = getattr(spreads[name.removesuffix("_s")], f"{slo.statistic}_s")
    return value


def _probability(problem: Problem, estimate: Estimate, spreads: Mapping[str, Spread]) -> float | None:
    """P(SLA) about the simulated values, as unsure as the closed form."""
    slo = problem.request.slo
    values = tuple(_bounded(spreads, f"{name}_s", slo) for name in LATENCIES)
    errors = problem.errors
    if not estimate.in_domain:
        errors = {name: model.beyond() for name, model in errors.items()}
    log_sds = [log_sd(problem, estimate, name) for name in LATENCIES]
    means = (values[0], values[1], values[2])
    found = sla_probability(means, slo, errors, (log_sds[0], log_sds[1], log_sds[2]))
    return None if found is None else float(found)


def log_sd(problem: Problem, estimate: Estimate, name: str) -> float:
    """How unsure an estimate's latency is (ttft, itl, e2e), read back from its interval."""
    latency: Latency = getattr(estimate, name)
    model = problem.errors[name] if estimate.in_domain else problem.errors[name].beyond()
    low, high = model.interval(1.0)
    width = math.log(float(high) / float(low))
    if not (0 < latency.lo_s < latency.hi_s < math.inf) or width <= 0:
        return 1.0
    return math.log(latency.hi_s / latency.lo_s) / width
