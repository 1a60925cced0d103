"""A deployment under a load, request by request."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated, Deployment, Pool
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate
from simkit.core.request import Request
from simkit.core.slo import Slo, known_statistic
from simkit.core.workload import Workload
from simkit.sim.deployed import cluster_of
from simkit.sim.load.arrivals import ClosedLoop, OpenLoop
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.requests import RequestTimes
from simkit.sim.results.summary import STATISTICS, statistics_of
from simkit.verbs.estimate import Layouts, question
from simkit.verbs.loads import LoadOptions, OfferedLoad, in_means, offered_load
from simkit.verbs.recommend import as_request
from simkit.verbs.simulated_runs import Course, SimulatedRun, streamed_run, whole_run
from simkit.verbs.turns import with_turns


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What is sent and how the simulation runs.

    replicas: how many engines of an aggregated deployment, None for as many as it has. statistic: which
    figure of a latency its SLA bound holds for where the bound names none of its own ("mean", "p50" to "p99"
    or "max"), None for that of the SLA.
    Runs of more than keep_requests are summed up while they run: constant memory, percentiles within 0.2 %,
    no table of requests.
    """

    load: LoadOptions = field(default_factory=LoadOptions)
    router: str = "round_robin"
    replicas: int | None = None
    statistic: str | None = None
    seed: int = 0
    keep_requests: int = 1_000_000

    def __post_init__(self) -> None:
        if self.statistic is not None:
            known_statistic(self.statistic, STATISTICS)
        if self.replicas is not None and not 1 <= self.replicas <= 4096:
            raise InputError(f"--replicas must be from 1 to 4096, got {self.replicas}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """What a simulated run shows.

    run: its figures and, if kept, its requests. closed_form: the estimate of the whole run ("benchmark", of
    a closed loop only) and of the steady state ("steady"). statistics: what each bound of the SLA is on.
    missed: those that do not hold, with the value found [s]. defaults: Dynamo's, where none was asked for.
    """

    deployment: Deployment
    load: OfferedLoad
    options: SimulateOptions
    statistics: Mapping[str, str]
    request: Request
    run: SimulatedRun
    closed_form: Mapping[str, Candidate]
    missed: Mapping[str, float]
    defaults: Slo = field(default_factory=Slo)

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
    defaults = asked.slo if asked.slo.assumed else Slo()
    if asked.slo.assumed:  # defaults do not judge a run
        asked = replace(asked, slo=Slo(statistic=asked.slo.statistic))
    problem, chosen = question(asked, deployment)
    chosen = _with_replicas(chosen, options.replicas, asked.hardware.total_gpus)
    workload = problem.request.workload
    load = offered_load(workload, _on_pages(options.load, chosen, workload), options.seed)
    own_times = workload.concurrency is None and not workload.request_rate_per_s
    problem = _under(problem, load.workload)
    if own_times:
        load = with_turns(load, lambda sent: request_times(problem, chosen, sent, options))
    course = _course(problem, chosen, load, options)
    slo = problem.request.slo
    run = (whole_run if load.total <= options.keep_requests else streamed_run)(course)
    return SimulationResult(
        deployment=chosen,
        load=load,
        options=options,
        request=problem.request,
        run=run,
        closed_form=closed_forms(_under(problem, served_workload(load, run)), chosen),
        statistics=statistics_of(slo, options.statistic),
        missed=run.summary.missed(slo, options.statistic),
        defaults=defaults,
    )


def request_times(
    problem: Problem, chosen: Deployment, load: OfferedLoad, options: SimulateOptions
) -> RequestTimes:
    """When every request of a load ran, the warm-up first."""
    run = whole_run(_course(problem, chosen, load, options))
    if run.times is None:
        raise InputError("the run kept no requests; send fewer")
    return run.times


def _course(problem: Problem, chosen: Deployment, load: OfferedLoad, options: SimulateOptions) -> Course:
    return Course(
        cluster=cluster_of(problem, chosen, router=options.router),
        load=load,
        seed=options.seed,
        slo=problem.request.slo,
        longest_tokens=_longest_tokens(chosen),
    )


def _pools(chosen: Deployment) -> tuple[Pool, ...]:
    return (chosen.worker,) if isinstance(chosen, Aggregated) else (chosen.prefill, chosen.decode)


def _longest_tokens(chosen: Deployment) -> int | None:
    limits = [pool.engine.max_model_len for pool in _pools(chosen)]
    return min((limit for limit in limits if limit is not None), default=None)


def _on_pages(load: LoadOptions, chosen: Deployment, workload: Workload) -> LoadOptions:
    """Shared prefixes, cut to whole pages of every engine's cache."""
    if workload.prefix_hit and (load.prefixes is not None or load.trace is not None):
        raise InputError(
            "--prefix-hit: prefixes are given, or the trace has its own, and the simulation finds what hits; "
            "drop it"
        )
    prefixes = load.prefixes or SharedPrefixes.of_workload(workload)
    if prefixes is None:
        return load
    page_tokens = math.lcm(*(pool.engine.kv_block_tokens for pool in _pools(chosen)))
    return replace(load, prefixes=replace(prefixes, page_tokens=page_tokens))


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


def served_workload(load: OfferedLoad, run: SimulatedRun) -> Workload:
    """The load in means: as it was offered, without what engines refuse, and what they found cached."""
    hit = min(run.summary.cached_tokens / max(run.summary.isl_tokens, 1), 0.999)
    if not run.refused:
        return replace(load.workload, prefix_hit=hit)
    isl, osl = (run.summary.distributions[name] for name in ("isl_tokens", "osl_tokens"))
    served = run.summary.requests + load.warmup
    rate = load.workload.request_rate_per_s
    arrivals = (
        OpenLoop(rate_per_s=rate * served / load.total)
        if rate is not None
        else ClosedLoop(concurrency=load.concurrency or 1)
    )
    served_load = in_means((isl.mean, osl.mean, osl.std / osl.mean), arrivals, run.summary.requests)
    return replace(served_load, prefix_hit=hit)


def closed_forms(problem: Problem, chosen: Deployment) -> Mapping[str, Candidate]:
    """The estimates that the simulation stands beside."""
    workload = problem.request.workload
    loads = {"steady": replace(workload, requests_per_slot=None)}
    if workload.concurrency is not None:
        loads = {"benchmark": workload, **loads}
    return EstimatesBeside(problem=problem, chosen=chosen, loads=loads)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EstimatesBeside(Mapping[str, Candidate]):
    """Estimates by name, each made when it is first looked at: a sweep looks at one of them."""

    problem: Problem
    chosen: Deployment
    loads: Mapping[str, Workload]
    made: dict[str, Candidate] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Candidate:
        """The estimate under the load of that name."""
        if name not in self.made:
            self.made[name] = deployment_candidate(_under(self.problem, self.loads[name]), self.chosen)
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        """Names, the closest to the simulation first."""
        return iter(self.loads)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.loads)
