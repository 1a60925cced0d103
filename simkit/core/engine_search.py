"""Search one engine: both modes, for the asked load and over the whole range of loads."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core import aggregated, disaggregated
from simkit.core.chances import chances
from simkit.core.engine_model import EngineModel
from simkit.core.picking import Preference, best_per_layout, pareto_front, ranking
from simkit.core.points import Points, concatenate
from simkit.core.prepared import PreparedEngine, prepare_engine
from simkit.core.problem import Problem
from simkit.core.space import SpaceRules, plan_space

_PARETO_LIMIT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineResult:
    """One engine's points: those to rank, the best layouts among them, and its Pareto front.

    chance holds the probability of the SLA of every point in best. expected is the one point that is
    best when predictions are taken at their word. evaluated counts points, of which holding keep the
    SLA; nearest_miss is the one that came closest without (empty when none missed).
    """

    engine: PreparedEngine
    best: Points
    chance: FloatArray
    expected: Points
    pareto: Points
    nearest_miss: Points
    evaluated: int
    holding: int


def preference_of(problem: Problem, osl_tokens: float) -> Preference:
    """Fewest GPUs when a load is given, else throughput; latency when asked for."""
    workload = problem.request.workload
    loaded = workload.concurrency is not None or workload.request_rate_per_s is not None
    objective = "fewest_gpus" if loaded else "throughput"
    if problem.request.optimization == "latency":
        objective = "latency"
    return Preference(objective=objective, total_gpus=problem.total_gpus, osl_tokens=osl_tokens)


def search_engine(problem: Problem, model: EngineModel) -> EngineResult | None:
    """All points of one engine; None when no plan fits at all."""
    rules = SpaceRules(
        max_gpus=problem.total_gpus,
        backend=model.engine.backend,
        expert_format=model.precision.moe,
        dense_format=model.precision.gemm,
        dynamo_rules=problem.dynamo_rules,
    )
    plans = plan_space(model.shape, model.device, rules)
    engine = prepare_engine(model, plans, problem.request.workload, problem.path)
    sweep = _gather(problem, engine, loaded=False)
    if sweep is None:
        return _nothing(engine)
    workload = problem.request.workload
    loaded = workload.concurrency is not None or workload.request_rate_per_s is not None
    points = (_gather(problem, engine, loaded=True) or sweep) if loaded else sweep
    preference = preference_of(problem, engine.osl_tokens)
    chance = chances(problem, model, points)
    order = ranking(points, problem.request.slo, preference, chance)
    kept = best_per_layout(points, order, problem.limit)
    best = points.take(kept)
    violation = points.violation(problem.request.slo)
    missed = np.flatnonzero((violation > 1.0) & (points.saturated == 0))
    return EngineResult(
        engine=engine,
        best=best,
        chance=chance[kept],
        expected=points.take(ranking(points, problem.request.slo, preference)[:1]),
        pareto=_front(concatenate([sweep, best]), engine.osl_tokens),
        nearest_miss=points.take(missed[np.argsort(violation[missed], kind="stable")[:1]]),
        evaluated=len(points),
        holding=int(np.count_nonzero(violation <= 1.0)),
    )


def _front(points: Points, osl_tokens: float) -> Points:
    return points.take(pareto_front(points, osl_tokens, _PARETO_LIMIT))


def _gather(problem: Problem, engine: PreparedEngine, *, loaded: bool) -> Points | None:
    tables = []
    for mode, module in (("agg", aggregated), ("disagg", disaggregated)):
        if mode in problem.request.modes:
            search = module.load_points if loaded else module.throughput_points
            tables.append(search(engine, problem.total_gpus))
    found = [table for table in tables if table is not None and len(table)]
    return concatenate(found) if found else None


def _nothing(engine: PreparedEngine) -> EngineResult:
    none = _none()
    return EngineResult(
        engine=engine,
        best=none,
        chance=np.zeros(0),
        expected=none,
        pareto=none,
        nearest_miss=none,
        evaluated=0,
        holding=0,
    )


def _none() -> Points:
    return Points(**{name: np.zeros(0) for name in Points.__slots__})
