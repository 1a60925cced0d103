"""One deployment under one load: the estimate of `simkit estimate`, with its time by operator."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.op_times.pricing import source
from perfmodels.operators.forward import Pass, forward_operators
from perfmodels.parallel import PlanArray
from perfmodels.step import Step
from perfmodels.steptime import StepTime, step_time
from simkit.closed_form import aggregated_loop, disaggregated_loop
from simkit.closed_form.aggregated_loop import LoopTimes, Procedure
from simkit.closed_form.bottlenecks import bottleneck, with_costs
from simkit.closed_form.deployment_table import handover_s, host_of
from simkit.closed_form.engine_speed import PhaseTimes, phase_times
from simkit.closed_form.estimates import PointValues, estimate_of
from simkit.closed_form.problem import Problem
from simkit.closed_form.residuals import correction_table, features_of, levels_of, nearest_run
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.errors import InfeasibleError
from simkit.core.estimate import Candidate, holds
from simkit.core.workload import Lengths, workload_lengths
from simkit.engines.engine_model import EngineModel, NearestRun


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
    """One operator's share of a step: all its calls together, on one GPU.

    source says where its time comes from: "measured" (a table of this GPU, engine and format covers its
    sizes), "share of peak", what stands in for a missing table, or "host".
    """

    phase: str
    operator: str
    family: str
    time_s: float
    share: float
    flop: float
    hbm_bytes: float
    wire_bytes: float
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleEstimate:
    """A candidate, where its time goes, and the measured run most like it."""

    candidate: Candidate
    by_operator: tuple[OperatorLine, ...]
    nearest: NearestRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    loop: LoopTimes
    serving: PhaseTimes
    model: EngineModel
    pool: Pool
    totals: tuple[float, float]  # requests in flight, requests per second


def estimate_deployment(problem: Problem, deployment: Deployment) -> SingleEstimate:
    """Latencies, throughput, memory and operators of one deployment.

    The engine settings are the deployment's own. Raises InfeasibleError when it does not fit.
    """
    if isinstance(deployment, Aggregated):
        outcome = _aggregated(problem, deployment)
    else:
        outcome = _disaggregated(problem, deployment)
    values = _values(problem, deployment, outcome)
    estimate = with_costs(problem, outcome.model, estimate_of(values, problem.request.slo, problem.errors))
    return SingleEstimate(
        candidate=Candidate(
            deployment=deployment, estimate=estimate, meets_sla=holds(estimate, problem.request.slo)
        ),
        by_operator=_operators(problem, deployment, outcome),
        nearest=_nearest(problem, deployment, outcome),
    )


def _nearest(problem: Problem, deployment: Deployment, outcome: _Outcome) -> NearestRun | None:
    residuals = outcome.model.residuals
    if residuals is None:
        return None
    mode = "agg" if isinstance(deployment, Aggregated) else "disagg"
    share = outcome.loop.prefill_share[0] if mode == "agg" else np.zeros(1)
    plan = PlanArray.of([outcome.pool.plan])
    load = (np.maximum(outcome.loop.batch[0], 1.0), share)
    features = features_of(plan, workload_lengths(problem.request.workload), load)
    return nearest_run(residuals, levels_of(outcome.model, mode), features[0])


def pool_model(problem: Problem, deployment: Deployment, pool: Pool) -> EngineModel:
    """The model of one pool: the problem's engine with the pool's own settings and formats."""
    base = next(m for m in problem.engines if m.engine.backend == pool.engine.backend)
    return replace(base, engine=pool.engine, precision=deployment.precision)


def _checked(times: PhaseTimes, pool: Pool, model: EngineModel) -> PhaseTimes:
    if times.max_seqs[0] < 1:
        free = float(times.kv_capacity_tokens[0])
        raise InfeasibleError(
            f"{pool.plan.label} on {model.device.name}: weights and working memory leave room for "
            f"{max(free, 0):,.0f} cached tokens, less than one request needs; use more GPUs per engine, "
            "a quantised checkpoint or shorter lengths"
        )
    return times


def _aggregated(problem: Problem, deployment: Aggregated) -> _Outcome:
    pool, workload = deployment.worker, problem.request.workload
    model = pool_model(problem, deployment, pool)
    lengths, plan = workload_lengths(workload), PlanArray.of([pool.plan])
    times = _checked(phase_times(model, plan, lengths, "aggregated"), pool, model)
    lanes = pool.replicas * float(plan.lanes[0])
    if workload.request_rate_per_s is not None:
        rate = np.array([[workload.request_rate_per_s / lanes]])
        loop = aggregated_loop.open_loop(times, rate, lengths, host_of(model, lengths))
        loop = _corrected(model, "agg", times, loop, lengths)
        in_flight = _in_flight(loop, problem, lanes)
    else:
        in_flight = workload.concurrency or 1.0
        load = np.array([[in_flight / lanes]])
        loop = aggregated_loop.closed_loop(times, load, lengths, _procedure(problem), host_of(model, lengths))
        loop = _corrected(model, "agg", times, loop, lengths)
    totals = (in_flight, float(loop.requests_per_s[0, 0]) * lanes)
    return _Outcome(loop=loop, serving=times, model=model, pool=pool, totals=totals)


def _disaggregated(problem: Problem, deployment: Disaggregated) -> _Outcome:
    workload, lengths = problem.request.workload, workload_lengths(problem.request.workload)
    prefill_model = pool_model(problem, deployment, deployment.prefill)
    decode_model = pool_model(problem, deployment, deployment.decode)
    plans = [PlanArray.of([pool.plan]) for pool in (deployment.prefill, deployment.decode)]
    prefill = _checked(
        phase_times(prefill_model, plans[0], lengths, "prefill"), deployment.prefill, prefill_model
    )
    decode = _checked(phase_times(decode_model, plans[1], lengths, "decode"), deployment.decode, decode_model)
    pools = disaggregated_loop.Pools(
        prefill=prefill,
        decode=decode,
        prefill_workers=np.array([float(deployment.prefill.replicas)]),
        decode_workers=np.array([float(deployment.decode.replicas)]),
        transfer_s=handover_s(prefill_model, plans[0], lengths, problem.path),
    )
    if workload.request_rate_per_s is not None:
        rate = np.array([[workload.request_rate_per_s]])
        loop = disaggregated_loop.open_loop(pools, rate, lengths, host_of(decode_model, lengths))
        loop = _corrected(decode_model, "disagg", decode, loop, lengths)
        in_flight = _in_flight(loop, problem, float(pools.decode_lanes[0]))
    else:
        in_flight = workload.concurrency or 1.0
        load = np.array([[in_flight]])
        loop = disaggregated_loop.closed_loop(
            pools, load, lengths, _procedure(problem), host_of(decode_model, lengths)
        )
        loop = _corrected(decode_model, "disagg", decode, loop, lengths)
    totals = (in_flight, float(loop.requests_per_s[0, 0]))
    return _Outcome(loop=loop, serving=decode, model=decode_model, pool=deployment.decode, totals=totals)


def _corrected(
    model: EngineModel, mode: str, times: PhaseTimes, loop: LoopTimes, lengths: Lengths
) -> LoopTimes:
    table = correction_table(model, mode, times, lengths)
    return loop if table is None else table.apply(loop, np.zeros(1, dtype=np.intp), lengths.osl_tokens)


def _procedure(problem: Problem) -> Procedure:
    workload = problem.request.workload
    return Procedure(requests_per_slot=workload.requests_per_slot, length_spread=workload.length_spread)


def _isl(problem: Problem) -> float:
    return float(np.asarray(workload_lengths(problem.request.workload).isl_tokens))


def _osl(problem: Problem) -> float:
    return float(np.asarray(workload_lengths(problem.request.workload).osl_tokens))


def _in_flight(loop: LoopTimes, problem: Problem, lanes: float) -> float:
    """Requests in the engines under an open load; those queueing without end are not counted."""
    if loop.saturated[0, 0]:
        return float(loop.batch[0, 0]) * lanes
    residence = float(loop.ttft_s[0, 0] + loop.itl_s[0, 0] * (_osl(problem) - 1.0))
    return (problem.request.workload.request_rate_per_s or 0.0) * residence


def _values(problem: Problem, deployment: Deployment, outcome: _Outcome) -> PointValues:
    loop, plan = outcome.loop, outcome.pool.plan
    load = (float(loop.batch[0, 0]), float(loop.prefill_share[0, 0]))
    lengths = (_isl(problem), _osl(problem))
    overloaded, doubtful = bool(loop.saturated[0, 0]), bool(np.any(loop.doubtful))
    return PointValues(
        num_gpus=float(deployment.num_gpus),
        concurrency=outcome.totals[0],
        requests_per_s=outcome.totals[1],
        ttft_s=float(loop.ttft_s[0, 0]),
        itl_s=float(loop.itl_s[0, 0]),
        waiting_s=float(loop.waiting_s[0, 0]),
        batch=load[0],
        prefill_share=load[1],
        osl_tokens=_osl(problem),
        kv_capacity_tokens=float(outcome.serving.kv_capacity_tokens[0])
        * outcome.pool.replicas * plan.attn_dp * plan.pp,
        ttft_log_sd=float(np.max(loop.ttft_log_sd)),
        itl_log_sd=float(np.max(loop.itl_log_sd)),
        memory_bytes={name: float(value[0]) for name, value in outcome.serving.memory_bytes.items()},
        bottleneck=bottleneck(outcome.model, plan, lengths, load),
        in_domain=problem.covers(outcome.model),
        notes=_notes(problem, outcome, overloaded=overloaded, doubtful=doubtful),
        overloaded=overloaded,
        doubtful=doubtful,
    )  # fmt: skip


def _notes(problem: Problem, outcome: _Outcome, *, overloaded: bool, doubtful: bool) -> tuple[str, ...]:
    """What the numbers leave out: overload, and settings of the deployment that are not modelled."""
    engine, workload = outcome.pool.engine, problem.request.workload
    longest = workload.isl_tokens + workload.osl_tokens
    limit = engine.max_model_len or longest
    notes = {
        "overloaded: the offered rate cannot be sustained": overloaded,
        "speculative decoding is set and not modelled: real ITL is lower": engine.speculative,
        "the acceptance of drafted tokens is taken as given; the step shown leaves out what drafts them": (
            engine.draft is not None
        ),
        "the order of events decides at this load (prompts crowd out decoding, or requests move in step): "
        "confirm it with simkit simulate": doubtful,
        f"requests of {longest:,.0f} tokens exceed the engine's limit of {limit:,.0f}": longest > limit,
    }
    return tuple(note for note, applies in notes.items() if applies)


def _operators(problem: Problem, deployment: Deployment, outcome: _Outcome) -> tuple[OperatorLine, ...]:
    """A prefill step of the pool that prefills and a decode step of the one that decodes."""
    isl = _isl(problem)
    prefill_pool = deployment.worker if isinstance(deployment, Aggregated) else deployment.prefill
    tokens = min(isl, float(prefill_pool.engine.max_num_batched_tokens))
    prompt = Step(prefill_tokens=tokens, prefill_context_tokens=isl / 2.0, prefill_seqs=1.0)
    batch = max(float(outcome.loop.batch[0, 0]), 1.0)
    decode = Step(
        decode_seqs=batch,
        decode_context_tokens=isl + _osl(problem) / 2.0,
        decode_queries=float(outcome.pool.engine.queries),
    )
    model = pool_model(problem, deployment, prefill_pool)
    return (
        *_lines("prefill", model, prefill_pool, prompt),
        *_lines("decode", outcome.model, outcome.pool, decode),
    )


def _lines(phase: str, model: EngineModel, pool: Pool, step: Step) -> list[OperatorLine]:
    question = Pass(shape=model.shape, precision=model.precision, plan=PlanArray.of([pool.plan]), step=step)
    times = step_time(question, model.pricing)
    work: dict[str, list[float]] = {}
    labels = dict.fromkeys(("engine_host", "launch_gaps"), ("host", "host"))
    for operator in forward_operators(question):
        labels[operator.name] = (operator.family, source(operator, model.pricing) or "measured")
        amounts = (operator.flop, operator.hbm_bytes, operator.wire_bytes)
        sums = work.setdefault(operator.name, [0.0, 0.0, 0.0])
        for index, amount in enumerate(amounts):
            sums[index] += operator.count * float(np.max(np.asarray(amount)))
    lines = [
        _line((phase, name, *labels[name]), times, work.get(name, [0.0, 0.0, 0.0]))
        for name in times.by_operator
    ]
    return sorted((line for line in lines if line.time_s > 0), key=lambda line: -line.time_s)


def _line(label: tuple[str, str, str, str], times: StepTime, work: list[float]) -> OperatorLine:
    phase, name, family, origin = label
    time = float(np.max(times.by_operator[name]))
    return OperatorLine(
        phase=phase,
        operator=name,
        family=family,
        time_s=time,
        share=time / float(times.total_s.max()),
        flop=work[0],
        hbm_bytes=work[1],
        wire_bytes=work[2],
        source=origin,
    )
