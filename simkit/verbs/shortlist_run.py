"""One candidate simulated under its steady load, beside its closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from simkit.closed_form.estimates import means_of, sla_probability
from simkit.closed_form.one_deployment import SingleEstimate, estimate_deployment
from simkit.closed_form.problem import Problem
from simkit.core.estimate import LATENCIES, Candidate, Estimate, Simulated, Spread
from simkit.core.request import Request
from simkit.core.slo import PERCENTILES, Slo
from simkit.sim.cluster import Cluster, simulate_stream
from simkit.sim.deployed import cluster_of
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
    expected = (closed.candidate.estimate.concurrency, closed.candidate.estimate.e2e.mean_s)
    load = steady_load(asked.workload, expected, np.random.default_rng(seed))
    cluster = cluster_of(loaded, candidate.deployment)
    counted = times_part(_times(cluster, load, seed), load.first, load.last)
    found = _simulated(problem, closed.candidate, load, counted)
    meets = found.meets_sla or not problem.request.slo.judged
    return Finalist(candidate=replace(candidate, simulated=found, meets_sla=meets), closed_form=closed)


def _times(cluster: Cluster, load: SteadyLoad, seed: int) -> RequestTimes:
    """When every request ran, in order of sending. In pieces, between which an interrupt is heard."""
    spans = range(0, len(load.requests), _PIECE)
    pieces = (part(load.requests, start, min(start + _PIECE, len(load.requests))) for start in spans)
    found = list(simulate_stream(cluster, pieces, concurrency=load.concurrency, seed=seed))
    whole = times_joined(found)
    return times_where(whole, np.argsort(whole.sent_s, kind="stable"))


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
        sla_probability=_probability(candidate.estimate, spreads, slo),
        preemptions=summary.preemptions,
        doubtful=candidate.estimate.doubtful,
        **_costs(candidate.estimate, tokens_per_s / candidate.deployment.num_gpus),
    )


def _spread(summary: RunSummary, name: str) -> Spread:
    values = summary.distributions.get(f"{name}_s")
    if values is None:  # no ITL where every request has one token
        return Spread(mean_s=0.0, **{f"p{q}_s": 0.0 for q in PERCENTILES})
    return Spread(mean_s=values.mean, **{f"p{q}_s": values.percentiles[q] for q in PERCENTILES})


def _rate(load: SteadyLoad, times: RequestTimes, e2e: Spread) -> float:
    """Requests per second: slots over latency (Little's law), or as they were answered."""
    if load.concurrency is not None:
        return load.concurrency / e2e.mean_s
    span_s = float(np.ptp(times.finished_s))
    return (len(times) - 1) / span_s


def _bounded(spreads: Mapping[str, Spread], name: str, slo: Slo) -> float:
    value: float = getattr(spreads[name.removesuffix("_s")], f"{slo.statistic_of(name)}_s")
    return value


def _probability(estimate: Estimate, spreads: Mapping[str, Spread], slo: Slo) -> float | None:
    """P(SLA) about the simulated values, as unsure as the closed form."""
    means = means_of(estimate)
    ttft, itl, e2e = (_bounded(spreads, f"{name}_s", slo) for name in LATENCIES)
    unsure = (means.log_sds["ttft"], means.log_sds["itl"], means.log_sds["e2e"])
    found = sla_probability((ttft, itl, e2e), slo, means.errors, unsure)
    return None if found is None or not slo.judged else float(found)


def _costs(estimate: Estimate, per_gpu: float) -> dict[str, float | None]:
    """Cost and energy of a token at the simulated throughput, from those of the closed form."""
    gain = per_gpu / estimate.output_tokens_per_s_per_gpu if estimate.output_tokens_per_s_per_gpu > 0 else 1.0
    names = ("cost_per_million_output_tokens", "max_energy_j_per_output_token")
    said = {name: getattr(estimate, name) for name in names}
    return {name: None if value is None or gain <= 0 else value / gain for name, value in said.items()}
