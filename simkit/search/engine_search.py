"""Search one engine: both modes, for the asked load and over the whole range of loads."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.problem import Problem
from simkit.closed_form.user_calibration import RowFacts, with_own_runs
from simkit.core.request import is_loaded, objective_of
from simkit.engines.engine_model import EngineModel
from simkit.search import aggregated, disaggregated
from simkit.search.candidate_table import Points, concatenate
from simkit.search.engine_settings import variants
from simkit.search.picking import Order, Preference, best_per_layout, leading, pareto_front, ranking
from simkit.search.prepared import PreparedEngine, prepare_engine, restricted
from simkit.search.probabilities import chances
from simkit.search.space import SpaceRules, plan_space

_MODE_LIMIT = 12  # enough for a line
_PARETO_LIMIT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineResult:
    """One engine's points: those to rank, the best layouts among them, and its Pareto front.

    points are all that were evaluated for the load asked, of which `holding` keep the SLA; chance holds
    the probability of the SLA of every point in best. expected is the one point that is best when
    every prediction is exact, nearest_miss the one that came closest without holding (empty
    when none missed). wider is the engine with the plans that one GPU more would allow.
    """

    engine: PreparedEngine
    wider: PreparedEngine
    points: Points
    best: Points
    chance: FloatArray
    expected: Points
    pareto: Points
    by_mode: Points
    nearest_miss: Points
    holding: int


def preference_of(problem: Problem, osl_tokens: float) -> Preference:
    """Fewest GPUs when a load is given, else throughput; latency or goodput when asked for."""
    return Preference(
        objective=objective_of(problem.request), total_gpus=problem.total_gpus, osl_tokens=osl_tokens
    )


def search_engine(problem: Problem, model: EngineModel) -> EngineResult | None:
    """All points of one engine; None when no plan fits at all."""
    rules = SpaceRules(
        max_gpus=problem.total_gpus + 1,
        backend=model.engine.backend,
        expert_format=model.precision.moe,
        dense_format=model.precision.gemm,
        dynamo_rules=problem.dynamo_rules,
    )
    plans = plan_space(model.shape, model.device, rules)
    wider = prepare_engine(variants(problem, model), plans, problem.request.workload, problem.path)
    engine = restricted(wider, problem.total_gpus)
    sweep = gather(problem, engine, loaded=False)
    if sweep is None:
        none = _none()
        return EngineResult(
            engine=engine, wider=wider, points=none, best=none, chance=np.zeros(0), expected=none,
            pareto=none, by_mode=none, nearest_miss=none, holding=0,
        )  # fmt: skip
    return _result(problem, (engine, wider), sweep, load_points(problem, engine) or sweep)


def load_points(problem: Problem, engine: PreparedEngine) -> Points | None:
    """Points under the load asked for; None where none was asked for or nothing can be tried."""
    return gather(problem, engine, loaded=True) if is_loaded(problem.request) else None


def _result(
    problem: Problem, engines: tuple[PreparedEngine, PreparedEngine], sweep: Points, points: Points
) -> EngineResult:
    engine, wider = engines
    slo, preference = problem.request.slo, preference_of(problem, engine.osl_tokens)
    chance = chances(problem, engine.model, points)
    kept = layouts(problem, engine, points, chance)
    best = points.take(kept)
    violation = points.violation(slo)
    missed = np.flatnonzero((violation > 1.0) & (points.saturated == 0))
    return EngineResult(
        engine=engine,
        wider=wider,
        points=points,
        best=best,
        chance=chance[kept],
        expected=points.take(leading(points, slo, preference)),
        pareto=_front(concatenate([sweep, best]), engine.osl_tokens),
        by_mode=_by_mode(concatenate([sweep, best]), engine.osl_tokens),
        nearest_miss=points.take(missed[np.argsort(violation[missed], kind="stable")[:1]]),
        holding=int(np.count_nonzero(violation <= 1.0)),
    )


def layouts(problem: Problem, engine: PreparedEngine, points: Points, chance: FloatArray) -> Order:
    """Positions of an engine's best layouts, best first."""
    order = ranking(points, problem.request.slo, preference_of(problem, engine.osl_tokens), chance)
    return best_per_layout(points, order, problem.limit, len(engine.plans))


def with_front(problem: Problem, result: EngineResult) -> EngineResult:
    """The result with the front of problem.total_gpus, fewer than were searched; as it is where none run."""
    engine = restricted(result.engine, problem.total_gpus)
    sweep = gather(problem, engine, loaded=False)
    if sweep is None:
        return result
    best = result.best.take(result.best.num_gpus <= problem.total_gpus)
    points = concatenate([sweep, best])
    return replace(
        result, pareto=_front(points, engine.osl_tokens), by_mode=_by_mode(points, engine.osl_tokens)
    )


def _front(points: Points, osl_tokens: float) -> Points:
    return points.take(pareto_front(points, osl_tokens, _PARETO_LIMIT))


def _by_mode(points: Points, osl_tokens: float) -> Points:
    """The front of each mode by itself, aggregated first: what one gives up against the other."""
    split = [points.take(points.decode_plan < 0), points.take(points.decode_plan >= 0)]
    return concatenate([part.take(pareto_front(part, osl_tokens, _MODE_LIMIT)) for part in split])


def gather(problem: Problem, engine: PreparedEngine, *, loaded: bool) -> Points | None:
    """Points of the modes asked for, within problem.total_gpus; None where there are none."""
    tables = []
    for mode, module in (("agg", aggregated), ("disagg", disaggregated)):
        if mode in problem.request.modes:
            search = module.load_points if loaded else module.throughput_points
            tables.append(search(engine, problem.total_gpus))
    found = [table for table in tables if table is not None and len(table)]
    if not found:
        return None
    points = concatenate(found)
    return with_own_runs(problem.request.own, points, _facts(problem, engine, points, loaded=loaded))


def _facts(problem: Problem, engine: PreparedEngine, points: Points, *, loaded: bool) -> RowFacts:
    """What own runs need to know of the rows."""
    workload, apart = problem.request.workload, points.decode_plan >= 0
    serving = np.where(apart, points.decode_plan, points.plan).astype(int) % len(engine.plans)
    return RowFacts(
        isl_tokens=workload.isl_tokens,
        osl_tokens=workload.osl_tokens,
        engine_gpus=np.array([plan.num_gpus for plan in engine.plans], dtype=np.float64)[serving],
        apart=apart,
        offered=loaded and workload.request_rate_per_s is not None,
        rests=problem.footing(engine.model, points.engine_gpus),
        errors=problem.errors,
    )


def _none() -> Points:
    return Points(**{name: np.zeros(0) for name in Points.__slots__})
