"""A deployment under a load, request by request."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simkit.core.deployment import Aggregated, Deployment
from simkit.core.errors import InputError
from simkit.core.metrics import Candidate
from simkit.core.problem import Problem
from simkit.core.request import Request
from simkit.core.single import estimate_deployment
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.io.dgdr_model import NO_SLA
from simkit.sim.batches import times_part
from simkit.sim.protocol import after_warmup, settled
from simkit.sim.requests import Requests, RequestTimes
from simkit.sim.summary import RunSummary, check_statistic, summarize
from simkit.sim.timeline import Timeline, TimelineBuilder
from simkit.verbs.estimate import Layouts, question
from simkit.verbs.loads import LoadOptions, OfferedLoad, offered_load
from simkit.verbs.recommend import as_request


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What is sent and how the simulation runs.

    replicas: how many engines of an aggregated deployment, None for as many as it has. statistic: which
    figure of a latency its SLA bound holds for, "mean" or "p50" to "p99".
    """

    load: LoadOptions = field(default_factory=LoadOptions)
    router: str = "round_robin"
    replicas: int | None = None
    statistic: str = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        check_statistic(self.statistic)
        if self.replicas is not None and not 1 <= self.replicas <= 4096:
            raise InputError(f"--replicas must be from 1 to 4096, got {self.replicas}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """What a simulated run shows.

    summary: the requests that count; settled the same without the opening burst and the running out, None
    where the run is too short; warmup what came before. closed_form: the estimate of the whole run
    ("benchmark", of a closed loop only) and of the steady state ("steady"). missed: bounds of the
    SLA that do not hold, with the value found [s]. times: all requests, the warm-up first.
    """

    deployment: Deployment
    load: OfferedLoad
    options: SimulateOptions
    request: Request
    summary: RunSummary
    settled: RunSummary | None
    warmup: RunSummary | None
    timeline: Timeline
    closed_form: Mapping[str, Candidate]
    missed: Mapping[str, float]
    times: RequestTimes

    @property
    def meets_sla(self) -> bool:
        """Whether every bound holds; true without bounds."""
        return not self.missed


def simulate(
    request: Request | Mapping[str, Any] | str | Path,
    deployment: Deployment | Layouts | None = None,
    options: SimulateOptions | None = None,
) -> SimulationResult:
    """One deployment under one load, request by request: the same seed gives the same times.

    request gives model, hardware, lengths, concurrency or rate, and SLA; deployment a Deployment, or short
    layout names; options what else is sent. Raises InputError, and InfeasibleError where it does not fit.
    """
    options = options or SimulateOptions()
    asked = as_request(request)
    if NO_SLA in asked.warnings:  # bounds that nobody asked for judge no run
        asked = replace(asked, slo=Slo())
    problem, chosen = question(asked, deployment)
    chosen = _with_replicas(chosen, options.replicas, asked.hardware.total_gpus)
    load = offered_load(problem.request.workload, options.load, options.seed)
    problem = _under(problem, load.workload)
    times = request_times(problem, chosen, load, options)
    slo = problem.request.slo
    counted = times_part(times, load.warmup)
    summary = summarize(counted, slo)
    timeline = TimelineBuilder()
    timeline.add(times)
    return SimulationResult(
        deployment=chosen,
        load=load,
        options=options,
        request=problem.request,
        summary=summary,
        settled=_settled(counted, load),
        warmup=summarize(times_part(times, 0, load.warmup)) if load.warmup else None,
        timeline=timeline.timeline(),
        closed_form=closed_forms(problem, chosen),
        missed=summary.missed(slo, options.statistic),
        times=times,
    )


def request_times(
    problem: Problem, chosen: Deployment, load: OfferedLoad, options: SimulateOptions
) -> RequestTimes:
    """When every request of a load ran, the warm-up first."""
    from simkit.sim.cluster import cluster_of
    from simkit.sim.cluster import simulate as run

    cluster = cluster_of(problem, chosen, router=options.router)

    def simulator(requests: Requests) -> RequestTimes:
        return run(cluster, requests, concurrency=load.concurrency, seed=options.seed).times

    requests = load.requests(options.seed)
    if load.drained:
        requests = after_warmup(simulator, requests, load.warmup)
    return simulator(requests)


def _with_replicas(chosen: Deployment, replicas: int | None, total_gpus: int | None) -> Deployment:
    if replicas is None:
        return chosen
    if not isinstance(chosen, Aggregated):
        raise InputError("--replicas: prefill and decode engines are counted apart; use --prefill 2xtp4 ...")
    scaled = replace(chosen, worker=replace(chosen.worker, replicas=replicas))
    if total_gpus is not None and scaled.num_gpus > total_gpus:
        raise InputError(
            f"--replicas {replicas} takes {scaled.num_gpus} GPUs and --total-gpus is {total_gpus}; raise it"
        )
    return scaled


def _under(problem: Problem, workload: Workload) -> Problem:
    return replace(problem, request=replace(problem.request, workload=workload))


def _settled(counted: RequestTimes, load: OfferedLoad) -> RunSummary | None:
    first, last = settled(counted, load.concurrency)
    return summarize(times_part(counted, first, last)) if last > first else None


def closed_forms(problem: Problem, chosen: Deployment) -> dict[str, Candidate]:
    """The estimates that the simulation stands beside."""
    workload = problem.request.workload
    loads = {"steady": replace(workload, requests_per_slot=None)}
    if workload.concurrency is not None:
        loads = {"benchmark": workload, **loads}
    return {
        name: estimate_deployment(_under(problem, load), chosen).candidate for name, load in loads.items()
    }
