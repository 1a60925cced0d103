"""One deployment under one load: the estimate of `simkit estimate`, with its time by operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.step import Step
from simkit.closed_form.aggregated_loop import Host
from simkit.closed_form.bottlenecks import prefill_bottleneck
from simkit.closed_form.deployment_table import handover_s, host_of
from simkit.closed_form.disaggregated_loop import PREFILL_LOG_SD, Pools
from simkit.closed_form.engine_speed import PhaseTimes, phase_times
from simkit.closed_form.estimates import Behind, estimate_of
from simkit.closed_form.latency_lines import LatencyParts, latency_lines
from simkit.closed_form.operator_lines import OperatorLine, operator_lines
from simkit.closed_form.outcomes import ClientLoad, Engines, Outcomes, Replicas, load_of, outcomes
from simkit.closed_form.problem import Problem
from simkit.closed_form.residuals import corrections_of, features_of, levels_of, nearest_run
from simkit.closed_form.user_calibration import RowFacts, with_own_runs
from simkit.core.deployment import ROLES, Aggregated, Deployment, Pool
from simkit.core.errors import InfeasibleError
from simkit.core.estimate import Candidate, holds
from simkit.core.workload import workload_lengths
from simkit.engines.engine_model import EngineModel, NearestRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleEstimate:
    """A candidate, where its time goes, and the measured run most like it.

    memory_by_pool: bytes per GPU by part, of each pool where there are two. most_rate_per_s: of `most_rate`.
    """

    candidate: Candidate
    by_operator: tuple[OperatorLine, ...]
    nearest: NearestRun | None = None
    memory_by_pool: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    most_rate_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluated:
    """What comes of a deployment [one row, loads], and the pool that decodes with its model.

    asked: the engines and their host, by which the same is computed without corrections.
    """

    found: Outcomes
    serving: PhaseTimes
    model: EngineModel
    pool: Pool
    asked: tuple[Engines, Host]


def estimate_deployment(problem: Problem, deployment: Deployment) -> SingleEstimate:
    """Latencies, throughput, memory and operators of one deployment.

    The engine settings are the deployment's own. Raises InfeasibleError when it does not fit.
    """
    evaluated = _evaluated(problem, deployment, load_of(problem.request.workload))
    return SingleEstimate(
        candidate=_candidate(problem, deployment, evaluated),
        by_operator=(*_operators(problem, deployment, evaluated), *_latencies(problem, evaluated)),
        nearest=_nearest(problem, deployment, evaluated),
        memory_by_pool=_memory_by_pool(evaluated),
        most_rate_per_s=most_rate(problem, deployment),
    )


def _memory_by_pool(evaluated: _Evaluated) -> dict[str, dict[str, float]]:
    engines = evaluated.asked[0]
    pools = {"prefill": engines.prefill, "decode": engines.decode} if isinstance(engines, Pools) else {}
    return {
        name: {part: float(size[0]) for part, size in times.memory_bytes.items()}
        for name, times in pools.items()
    }


def deployment_candidate(problem: Problem, deployment: Deployment) -> Candidate:
    """The same without its operators and the run most like it, which take a third of the time."""
    return _candidate(problem, deployment, _evaluated(problem, deployment, load_of(problem.request.workload)))


def deployment_curve(
    problem: Problem, deployment: Deployment, concurrencies: Sequence[float]
) -> tuple[Candidate, ...]:
    """The same with so many requests in flight, evaluated over all of them at once."""
    load = replace(load_of(problem.request.workload), amount=np.array([concurrencies], dtype=np.float64))
    evaluated = _evaluated(problem, deployment, load)
    behind = _behind(problem, deployment, evaluated)
    return tuple(
        _at(problem, deployment, (evaluated, behind), column) for column in range(len(concurrencies))
    )


def most_rate(problem: Problem, deployment: Deployment) -> float | None:
    """The most requests/s at which every bound is expected to hold, within a percent, from below.

    None without a rate or a bound, or where a sixteenth of the rate is too much already.
    """
    rate, slo = problem.request.workload.request_rate_per_s, problem.request.slo
    if rate is None or not (slo.bounds and slo.judged):
        return None
    held = _held(problem, deployment, rate * 2.0 ** (np.arange(-16, 21) / 4.0))
    return None if held is None else _held(problem, deployment, held * 2.0 ** (np.arange(18) / 64.0))


def _held(problem: Problem, deployment: Deployment, rates: FloatArray) -> float | None:
    """The last of rising rates before the first that breaks a bound; None where the first one does."""
    load = replace(load_of(problem.request.workload), amount=rates[None, :])
    evaluated = _evaluated(problem, deployment, load)
    behind, last = _behind(problem, deployment, evaluated), None
    for column, rate in enumerate(rates):
        if not _at(problem, deployment, (evaluated, behind), column).meets_sla:
            break
        last = float(rate)
    return last


def _candidate(problem: Problem, deployment: Deployment, evaluated: _Evaluated) -> Candidate:
    return _at(problem, deployment, (evaluated, _behind(problem, deployment, evaluated)), 0)


def _behind(problem: Problem, deployment: Deployment, evaluated: _Evaluated) -> Behind:
    """What is the same under every load."""
    first = deployment.pools[0]
    isl = float(np.asarray(workload_lengths(problem.request.workload).isl_tokens))
    return Behind(
        model=evaluated.model,
        plan=evaluated.pool.plan,
        engine_gpus=float(max(pool.plan.num_gpus for pool in deployment.pools)),
        workers=float(evaluated.pool.replicas),
        lane_tokens=float(evaluated.serving.kv_capacity_tokens[0]),
        memory_bytes={name: float(value[0]) for name, value in evaluated.serving.memory_bytes.items()},
        prefill_operator=prefill_bottleneck(replace(evaluated.model, engine=first.engine), first.plan, isl)
        if first is not evaluated.pool
        else None,
    )


def _at(problem: Problem, deployment: Deployment, known: tuple[_Evaluated, Behind], column: int) -> Candidate:
    """The candidate under one of the loads that were evaluated."""
    evaluated, behind = known
    found, shape = evaluated.found, evaluated.found.ttft_s.shape
    numbers = {
        name: float(np.broadcast_to(getattr(found, name), shape)[0, column]) for name in Outcomes.__slots__
    }
    estimate = estimate_of(problem, behind, deployment.num_gpus, numbers)
    return Candidate(deployment=deployment, estimate=estimate, meets_sla=holds(estimate, problem.request.slo))


def _nearest(problem: Problem, deployment: Deployment, evaluated: _Evaluated) -> NearestRun | None:
    residuals, found = evaluated.model.residuals, evaluated.found
    if residuals is None:
        return None
    share = found.prefill_share[0] if deployment.mode == "agg" else np.zeros(1)
    load = (np.maximum(found.batch[0], 1.0), share)
    plan = PlanArray.of([evaluated.pool.plan])
    features = features_of(plan, workload_lengths(problem.request.workload), load)
    return nearest_run(residuals, levels_of(evaluated.model, deployment.mode), features[0])


def pool_model(problem: Problem, deployment: Deployment, pool: Pool) -> EngineModel:
    """The model of one pool: the problem's engine with the pool's own settings and formats."""
    base = next(m for m in problem.engines if m.engine.backend == pool.engine.backend)
    return replace(base, engine=pool.engine, precision=deployment.precision)


def _evaluated(problem: Problem, deployment: Deployment, load: ClientLoad) -> _Evaluated:
    roles = ROLES[deployment.mode]
    models = [pool_model(problem, deployment, pool) for pool in deployment.pools]
    times = [
        _checked(model, pool, phase_times(model, PlanArray.of([pool.plan]), load.lengths, role))
        for model, pool, role in zip(models, deployment.pools, roles, strict=True)
    ]
    workers = [np.array([float(pool.replicas)]) for pool in deployment.pools]
    engines: Engines
    if isinstance(deployment, Aggregated):
        engines = Replicas(serving=times[0], workers=workers[0])
    else:
        sender = PlanArray.of([deployment.prefill.plan])
        engines = Pools(
            prefill=times[0],
            decode=times[1],
            prefill_workers=workers[0],
            decode_workers=workers[1],
            transfer_s=handover_s(models[0], sender, load.lengths, problem.path),
            prefill_log_sd=PREFILL_LOG_SD,
        )
    corrections = corrections_of(models[-1], deployment.mode, times[-1], load.lengths)
    host = host_of(models[-1], load.lengths)
    found = outcomes(engines, load, host, corrections)
    return _Evaluated(
        found=with_own_runs(problem.request.own, found, _facts(problem, deployment, models[-1])),
        serving=times[-1],
        model=models[-1],
        pool=deployment.pools[-1],
        asked=(engines, host),
    )


def _facts(problem: Problem, deployment: Deployment, model: EngineModel) -> RowFacts:
    """What own runs need to know of the deployment."""
    workload, sizes = problem.request.workload, [pool.plan.num_gpus for pool in deployment.pools]
    return RowFacts(
        isl_tokens=workload.isl_tokens,
        osl_tokens=workload.osl_tokens,
        engine_gpus=sizes[-1],
        apart=len(sizes) > 1,
        offered=workload.request_rate_per_s is not None,
        rests=problem.footing(model, max(sizes)),
        errors=problem.errors,
    )


def _latencies(problem: Problem, evaluated: _Evaluated) -> tuple[OperatorLine, ...]:
    engines, host = evaluated.asked
    return latency_lines(
        LatencyParts(
            found=evaluated.found,
            computed=outcomes(engines, load_of(problem.request.workload), host, None),
            prefill=engines.prefill if isinstance(engines, Pools) else engines.serving,
            decode=evaluated.serving,
            host=host,
            handover_s=float(np.ravel(engines.transfer_s)[0]) if isinstance(engines, Pools) else 0.0,
        )
    )


def _checked(model: EngineModel, pool: Pool, times: PhaseTimes) -> PhaseTimes:
    if times.max_seqs[0] < 1:
        raise InfeasibleError(no_room(model, pool.plan, float(times.kv_capacity_tokens[0])))
    return times


def no_room(model: EngineModel, plan: ParallelPlan, free_tokens: float) -> str:
    """Why an engine cannot hold one request, and the remedy."""
    return (
        f"{plan.label} on {model.device.name}: weights and working memory leave room for "
        f"{max(free_tokens, 0):,.0f} cached tokens, less than one request needs; use more GPUs per engine, "
        "a quantised checkpoint or shorter lengths"
    )


def _isl(problem: Problem) -> float:
    return float(np.asarray(workload_lengths(problem.request.workload).isl_tokens))


def _osl(problem: Problem) -> float:
    return float(np.asarray(workload_lengths(problem.request.workload).osl_tokens))


def _operators(problem: Problem, deployment: Deployment, evaluated: _Evaluated) -> tuple[OperatorLine, ...]:
    """A prefill step of the pool that prefills and a decode step of the one that decodes."""
    isl = _isl(problem)
    prefill_pool = deployment.worker if isinstance(deployment, Aggregated) else deployment.prefill
    tokens = min(isl, float(prefill_pool.engine.max_num_batched_tokens))
    prompt = Step(prefill_tokens=tokens, prefill_context_tokens=isl / 2.0, prefill_seqs=1.0)
    batch = max(float(evaluated.found.batch[0, 0]), 1.0)
    decode = Step(
        decode_seqs=batch,
        decode_context_tokens=isl + _osl(problem) / 2.0,
        decode_queries=float(evaluated.pool.engine.queries),
    )
    model = pool_model(problem, deployment, prefill_pool)
    return (
        *operator_lines("prefill", model, prefill_pool, prompt),
        *operator_lines("decode", evaluated.model, evaluated.pool, decode),
    )
