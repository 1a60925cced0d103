"""From a row of numbers back to a Candidate: deployment, estimate, bottleneck."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.bottlenecks import PREFILL_DECIDES, decode_bottleneck, decode_bottlenecks
from simkit.closed_form.estimates import Behind, estimate_of
from simkit.closed_form.outcomes import Outcomes
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Aggregated, Deployment, Disaggregated, Pool
from simkit.core.engine import EngineOptions
from simkit.core.estimate import Candidate, holds
from simkit.engines.engine_memory import memory_fraction, own_fraction
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import default_engine
from simkit.search.candidate_table import Points
from simkit.search.prepared import PreparedEngine

Row = tuple[PreparedEngine, Points, int]
_GRAPH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def candidate(problem: Problem, engine: PreparedEngine, points: Points, row: int) -> Candidate:
    """The Candidate at `row` of an engine's table."""
    return candidates(problem, engine, points, [row])[0]


def candidates(
    problem: Problem, engine: PreparedEngine, points: Points, rows: Sequence[int]
) -> list[Candidate]:
    """The Candidates at `rows` of an engine's table; what their steps spend most on is found at once."""
    found = _bottlenecks(engine, points, rows)
    return [_candidate(problem, engine, (points, row), text) for row, text in zip(rows, found, strict=True)]


def candidates_of(problem: Problem, rows: Sequence[Row]) -> list[Candidate]:
    """The Candidates of rows of several tables, in their order."""
    found: dict[int, Candidate] = {}
    for engine, points in {(id(e), id(p)): (e, p) for e, p, _ in rows}.values():
        places = [i for i, (e, p, _) in enumerate(rows) if e is engine and p is points]
        made = candidates(problem, engine, points, [rows[i][2] for i in places])
        found.update(zip(places, made, strict=True))
    return [found[i] for i in range(len(rows))]


def _bottlenecks(engine: PreparedEngine, points: Points, rows: Sequence[int]) -> list[str]:
    """`phase: operator (share)` of the phase that takes most of the time, of each row."""
    isl, osl = float(np.asarray(engine.lengths.isl_tokens)), engine.osl_tokens
    found: dict[int, str] = {}
    prefilling = [i for i, row in enumerate(rows) if points.prefill_share[row] > PREFILL_DECIDES]
    names = engine.prefill_operators(points.plan[rows[i]] for i in prefilling)
    found.update((i, f"prefill: {name}") for i, name in zip(prefilling, names, strict=True))
    serving = {i: _serving(points, row) for i, row in enumerate(rows) if i not in found}
    for model in {id(model): model for model in map(engine.model_of, serving.values())}.values():
        places = [i for i, choice in serving.items() if engine.model_of(choice) is model]
        plans = [engine.plan_of(serving[i]) for i in places]
        batches = [float(points.batch[rows[i]]) for i in places]
        names = decode_bottlenecks(model, plans, (isl, osl), batches)
        found.update((i, f"decode: {name}") for i, name in zip(places, names, strict=True))
    return [found[i] for i in range(len(rows))]


def _candidate(
    problem: Problem, engine: PreparedEngine, place: tuple[Points, int], bottleneck: str
) -> Candidate:
    points, row = place
    deployment, serving = _deployment(engine, points, row), _serving(points, row)
    pool = deployment.pools[-1]
    behind = Behind(
        model=replace(engine.model_of(serving), engine=pool.engine),
        plan=pool.plan,
        engine_gpus=float(points.engine_gpus[row]),
        workers=float(pool.replicas),
        lane_tokens=float(points.kv_capacity_tokens[row]),
        memory_bytes=_memory(engine, points, row),
        bottleneck=bottleneck,
    )
    numbers = {name: float(getattr(points, name)[row]) for name in Outcomes.__slots__}
    estimate = estimate_of(problem, behind, deployment.num_gpus, numbers)
    return Candidate(deployment=deployment, estimate=estimate, meets_sla=holds(estimate, problem.request.slo))


def _is_disaggregated(points: Points, row: int) -> bool:
    return bool(points.decode_plan[row] >= 0)


def _serving(points: Points, row: int) -> float:
    """The choice that decodes."""
    return float((points.decode_plan if _is_disaggregated(points, row) else points.plan)[row])


def _memory(engine: PreparedEngine, points: Points, row: int) -> dict[str, float]:
    position = engine.row_of(_serving(points, row))
    return {name: float(values[position]) for name, values in engine.serving.memory_bytes.items()}


def _deployment(engine: PreparedEngine, points: Points, row: int) -> Deployment:
    precision = engine.model_of(points.plan[row]).precision
    workers, first = int(points.workers[row]), float(points.plan[row])
    batch = (float(points.batch[row]), float(points.peak_batch[row]))
    if points.saturated[row]:  # requests queue without end: whatever fits is admitted
        batch = (math.inf, math.inf)
    if not _is_disaggregated(points, row):
        return Aggregated(worker=_pool(engine, first, workers, batch), precision=precision)
    second, others = float(points.decode_plan[row]), int(points.decode_workers[row])
    return Disaggregated(
        prefill=_pool(engine, first, workers),
        decode=_pool(engine, second, others, batch),
        precision=precision,
    )


def _pool(
    engine: PreparedEngine, choice: float, workers: int, batch: tuple[float, float] | None = None
) -> Pool:
    """Engines of one choice; batch: mean and most sequences per lane, None where they only prefill."""
    plan, options = engine.plan_of(choice), engine.model_of(choice).engine
    sized = options if batch is None else sized_engine(options, batch[0] * plan.pp, batch[1] * plan.pp)
    return Pool(plan=plan, engine=_fitted(engine, choice, sized), replicas=workers)


def sized_engine(options: EngineOptions, batch: float, peak: float = 0.0) -> EngineOptions:
    """The engine with room for half as many sequences again as a rank's mean batch, at a graph size.

    peak: the batch if prefill engines are faster than predicted. Never more than it admits anyway.
    """
    wanted = min(max(1.5 * batch, peak), options.max_num_seqs)
    size = next((size for size in _GRAPH_SIZES if size >= wanted), _GRAPH_SIZES[-1])
    return replace(options, max_num_seqs=min(int(max(size, 8)), options.max_num_seqs))


def _fitted(engine: PreparedEngine, choice: float, options: EngineOptions) -> EngineOptions:
    """The engine with its context cut to what the cache holds; else engines refuse to start.

    The limit is a whole number of blocks of 1,024 tokens, and never below the workload's lengths.
    """
    capacity = float(engine.serving.kv_capacity_tokens[engine.row_of(choice)])
    if options.memory_frac is None:
        options = _with_fraction(engine.model_of(choice), engine.plan_of(choice), options)
    if capacity >= engine.model.shape.max_context_tokens:
        return options
    needed = math.ceil(engine.workload.isl_tokens + engine.workload.osl_tokens)
    return replace(options, max_model_len=max(int(capacity // 1024) * 1024, needed))


def _with_fraction(model: EngineModel, plan: ParallelPlan, options: EngineOptions) -> EngineOptions:
    """The memory fraction written out where the engine would not take it by itself.

    An engine's own default depends on the token budget too, so that another budget wants it written.
    """
    array = PlanArray.of([plan])
    used = float(memory_fraction(model, array)[0])
    default = float(own_fraction(model, array)[0])
    own = options.max_num_batched_tokens == default_engine(options.backend).max_num_batched_tokens
    return options if own and used == default else replace(options, memory_frac=used)


def phase_bottlenecks(engine: PreparedEngine, points: Points, row: int) -> dict[str, str]:
    """The costliest operator of each phase of the deployment at `row`."""
    lengths: Any = engine.lengths
    isl, osl = float(np.asarray(lengths.isl_tokens)), engine.osl_tokens
    found = {"prefill": engine.prefill_operators([float(points.plan[row])])[0]}
    if osl > 1:
        serving = _serving(points, row)
        batch = float(points.batch[row])
        found["decode"] = decode_bottleneck(
            engine.model_of(serving), engine.plan_of(serving), (isl, osl), batch
        )
    return found
