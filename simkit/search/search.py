"""The main question: over all engines and modes, which deployment is best, and why not the others."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.memory import weight_bytes_per_gpu
from perfmodels.parallel import PlanArray
from perfmodels.units import GIB
from simkit.closed_form.one_deployment import most_rate
from simkit.closed_form.problem import Problem
from simkit.core.errors import InfeasibleError, InputError
from simkit.core.estimate import Candidate, Recommendation, Rejection
from simkit.core.words import gpus
from simkit.search.candidate_table import Points, concatenate
from simkit.search.candidates import Row, candidate, candidates, candidates_of, phase_bottlenecks
from simkit.search.engine_search import EngineResult, preference_of, search_engine, with_front
from simkit.search.one_order import in_one_order, owners, rows_of
from simkit.search.picking import knee, leading, pareto_front
from simkit.search.space import Need, largest_context, smallest_engine
from simkit.search.ties import tied_with_first, with_every_group
from simkit.search.trade_offs import relaxations, trade_offs


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedLayouts:
    """Every engine's result, those with anything to rank, and their best layouts in one order."""

    results: list[EngineResult]
    filled: list[EngineResult]
    rows: list[Row]

    @property
    def first(self) -> tuple[Points, float]:
        """The row of the pick, and the probability that it holds the SLA."""
        engine, table, row = self.rows[0]
        result = next(item for item in self.filled if item.engine is engine)
        return table.take(np.array([row])), float(result.chance[row])


def search(problem: Problem, skip: Callable[[str], bool] = lambda backend: False) -> Recommendation:
    """Rank every deployment of every engine; skip and errors as for `ranked_layouts`."""
    return recommendation(problem, ranked_layouts(problem, skip))


def ranked_layouts(problem: Problem, skip: Callable[[str], bool] = lambda backend: False) -> RankedLayouts:
    """The best layouts of all engines, best first.

    skip: once there is something to recommend, whether to leave the next engine out. Raises
    InfeasibleError when the model does not fit the GPUs in any split.
    """
    results: list[EngineResult] = []
    for model in problem.engines:
        if any(len(item.best) for item in results) and skip(model.engine.backend):
            continue
        results += [result for result in (search_engine(problem, model),) if result]
    filled = [result for result in results if len(result.best)]
    if not filled:
        raise InfeasibleError(_too_small(problem, results))
    return RankedLayouts(results=results, filled=filled, rows=_ranked(problem, filled))


def recommendation(problem: Problem, found: RankedLayouts) -> Recommendation:
    """The answer that the ranked layouts give. Raises InputError where the row to export is missing."""
    filled, chosen = found.filled, problem.select - 1
    if chosen >= len(found.rows):
        raise InputError(
            f"--select {problem.select}: the table has {len(found.rows)} rows; give one of these, or list "
            "more with --limit"
        )
    listed = _candidates(problem, found.rows)
    meets = listed[0].meets_sla
    sized = _as_large(problem, filled, listed[0])
    front = _pareto(problem, sized)
    engine, table, row = found.rows[chosen]
    return Recommendation(
        request=problem.request,
        candidates=listed,
        expected_best=_expected(problem, filled),
        pareto=front,
        knee=_knee(front),
        fronts=_fronts(problem, sized),
        rejected=_rejections(problem, found.results),
        meets_sla=listed[chosen].meets_sla,
        trade_offs=trade_offs(problem, filled, listed[0]),
        relaxations=() if meets else relaxations(problem, filled),
        bottlenecks=phase_bottlenecks(engine, table, row),
        chosen=chosen,
        most_rate_per_s=most_rate(problem, listed[chosen].deployment) if listed[chosen].meets_sla else None,
    )


def _ranked(problem: Problem, results: list[EngineResult]) -> list[Row]:
    """The best layouts of all engines in one order."""
    ordered, order = in_one_order(problem, [(r.engine, r.best, r.chance) for r in results])
    return rows_of(ordered, with_every_group(order, owners(ordered), problem.limit))


def _candidates(problem: Problem, ranked: list[Row]) -> tuple[Candidate, ...]:
    """The rows as candidates, those that cannot be told from the first marked."""
    table = concatenate([points.take(np.array([row])) for _, points, row in ranked])
    tied = tied_with_first(table, preference_of(problem, ranked[0][0].osl_tokens))
    found = candidates_of(problem, ranked)
    alike = [
        bool(tie) and item.meets_sla == found[0].meets_sla for tie, item in zip(tied, found, strict=True)
    ]
    return tuple(replace(item, tied=tie) for item, tie in zip(found, alike, strict=True))


def _knee(front: tuple[Candidate, ...]) -> int | None:
    speeds = np.array([item.estimate.tokens_per_s_per_user for item in front])
    return knee(speeds, np.array([item.estimate.output_tokens_per_s_per_gpu for item in front]))


def _expected(problem: Problem, results: list[EngineResult]) -> Candidate:
    """The best candidate if every prediction is exact."""
    table = concatenate([result.expected for result in results])
    preference = preference_of(problem, results[0].engine.osl_tokens)
    best = results[int(leading(table, problem.request.slo, preference)[0])]
    return candidate(problem, best.engine, best.expected, 0)


def _backend(result: EngineResult) -> str:
    return result.engine.model.engine.backend


def _pareto(problem: Problem, results: list[EngineResult]) -> tuple[Candidate, ...]:
    table = concatenate([result.pareto for result in results])
    owner = np.concatenate([np.full(len(r.pareto), i) for i, r in enumerate(results)])
    row = np.concatenate([np.arange(len(r.pareto)) for r in results])
    front = pareto_front(table, results[0].engine.osl_tokens)
    rows = [(results[owner[i]].engine, results[owner[i]].pareto, int(row[i])) for i in front]
    return tuple(candidates_of(problem, rows))


def _fronts(problem: Problem, results: list[EngineResult]) -> tuple[tuple[Candidate, ...], ...]:
    """The front of every engine and mode by itself."""
    found = []
    for result in results:
        points = result.by_mode
        for rows in (np.flatnonzero(points.decode_plan < 0), np.flatnonzero(points.decode_plan >= 0)):
            if len(rows):
                found.append(tuple(candidates(problem, result.engine, points, rows.tolist())))
    return tuple(found)


def _as_large(problem: Problem, results: list[EngineResult], selected: Candidate) -> list[EngineResult]:
    """With fronts of as many GPUs as the selected takes, where as many as needed are asked for."""
    if not problem.request.hardware.as_needed:
        return results
    smaller = replace(problem, total_gpus=selected.deployment.num_gpus)
    return [with_front(smaller, result) for result in results]


def _rejections(problem: Problem, results: list[EngineResult]) -> tuple[Rejection, ...]:
    """Reasons by count, most common first."""
    rejections = []
    for result in results:
        backend = _backend(result)
        small = result.engine.too_small
        if small:
            nearest = max(small, key=lambda plan: plan.num_gpus)
            rejections.append(
                Rejection(
                    reason=f"{backend}: weights and one request's cache do not fit",
                    count=len(small),
                    nearest=f"{nearest.label} on {gpus(nearest.num_gpus)}",
                )
            )
        missed = len(result.points) - result.holding
        if missed and problem.request.slo.bounds and len(result.best):
            rejections.append(_sla_rejection(result, missed))
    return tuple(sorted(rejections, key=lambda r: -r.count))


def _sla_rejection(result: EngineResult, count: int) -> Rejection:
    miss, engine = result.nearest_miss, result.engine
    nearest = "none sustains the load"
    if len(miss):
        label = f"{miss.workers[0]:.0f} x {engine.plan_of(miss.plan[0]).label}"
        if miss.decode_plan[0] >= 0:
            decode = f"{miss.decode_workers[0]:.0f} x {engine.plan_of(miss.decode_plan[0]).label}"
            label = f"prefill {label} + decode {decode}"
        nearest = (
            f"{label} at {miss.in_flight[0]:,.0f} in flight: TTFT {miss.ttft_s[0] * 1e3:,.0f} ms, "
            f"ITL {miss.itl_s[0] * 1e3:,.1f} ms"
        )
    backend = _backend(result)
    return Rejection(reason=f"{backend}: SLA missed or load not sustained", count=count, nearest=nearest)


def _smallest(problem: Problem, results: list[EngineResult]) -> Need | None:
    """The smallest engine that any of the backends runs."""
    needs = [smallest_engine(item.engine.model, problem.request.workload) for item in results]
    return min((one for one in needs if one), key=lambda one: one.plan.num_gpus, default=None)


def _no_pair(problem: Problem, results: list[EngineResult]) -> str:
    """Why no two pools come of engines that fit by themselves, and how many GPUs two take."""
    refused = f"no deployment in mode {' or '.join(problem.request.modes)} fits {gpus(problem.total_gpus)}: "
    if problem.request.workload.osl_tokens <= 1:
        return (
            f"{refused}there is nothing to decode after the first token; raise workload.osl or use --mode agg"
        )
    need = _smallest(problem, results)
    least = f", at least {gpus(2 * need.plan.num_gpus)} (two engines of {need.plan.label})" if need else ""
    return (
        f"{refused}disaggregation takes a prefill and a decode engine{least}; "
        "raise hardware.totalGpus or use --mode agg"
    )


def _too_small(problem: Problem, results: list[EngineResult]) -> str:
    """Why nothing fits, and what would: fewer tokens, more GPUs, smaller weights."""
    result = results[0]
    if any(len(item.engine.kept) for item in results):
        return _no_pair(problem, results)
    model = result.engine.model
    plans = [plan for plan in result.engine.plans if plan.num_gpus <= problem.total_gpus]
    widest = max(plans, key=lambda plan: plan.num_gpus)
    weights = float(weight_bytes_per_gpu(model.shape, model.precision, PlanArray.of([widest]))[0])
    workload = problem.request.workload
    need = _smallest(problem, results)
    remedy = "no engine of up to 512 GPUs holds it"
    if need:
        nodes = f" on {need.nodes} nodes" if need.nodes > 1 else ""
        remedy = f"it takes at least {gpus(need.plan.num_gpus)} ({need.plan.label}{nodes})"
    context = largest_context(model, plans)
    shorter = f"shorten prompt plus output to {context:,} tokens, " if context else ""
    return (
        f"model {model.shape.name!r} does not fit {problem.total_gpus} x {model.device.name}: with "
        f"{widest.label} each GPU needs {weights / GIB:,.1f} GiB for weights plus cache for one request of "
        f"{workload.isl_tokens:,.0f}+{workload.osl_tokens:,.0f} tokens, and has "
        f"{model.device.memory_bytes / GIB:,.1f} GiB; {remedy}: raise hardware.totalGpus, {shorter}"
        "or take a quantised checkpoint"
    )
