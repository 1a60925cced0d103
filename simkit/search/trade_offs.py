"""The choice with one GPU more or fewer or a wider bound, and which bound an unreachable SLA must relax."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from simkit.closed_form.problem import Problem
from simkit.core.estimate import Candidate, Relaxation, TradeOff
from simkit.core.slo import Slo
from simkit.search.candidate_table import Points
from simkit.search.candidates import candidate
from simkit.search.engine_search import EngineResult, gather, layouts, load_points, preference_of
from simkit.search.one_order import in_one_order, rows_of
from simkit.search.prepared import PreparedEngine, restricted
from simkit.search.probabilities import chances

SLACK = 0.1

Tables = Iterable[tuple[PreparedEngine, Points]]


def trade_offs(problem: Problem, results: list[EngineResult], selected: Candidate) -> tuple[TradeOff, ...]:
    """The choice again with each bound 10 % looser, with one GPU fewer, and with one more."""
    tables = [(result.engine, result.points) for result in results]
    found = [
        TradeOff(
            change=f"{name} +{SLACK:.0%}", candidate=_best(_slackened(problem, name), tables), loosened=name
        )
        for name in problem.request.slo.bounds
    ]
    loaded = preference_of(problem, 1.0).objective == "fewest_gpus"
    gpus = selected.deployment.num_gpus if loaded else problem.total_gpus
    for change, count in (("one GPU fewer", gpus - 1), ("one GPU more", gpus + 1)):
        asked = replace(problem, total_gpus=count)
        found.append(TradeOff(change=change, candidate=_with_gpus(asked, results)))
    return tuple(found)


def _slackened(problem: Problem, name: str) -> Problem:
    slo = problem.request.slo
    looser = slo.with_bound(name, slo.bounds[name] * (1.0 + SLACK))
    return replace(problem, request=replace(problem.request, slo=looser))


def _with_gpus(problem: Problem, results: list[EngineResult]) -> Candidate | None:
    """What a search among problem.total_gpus GPUs chooses."""
    tables = []
    for result in results if problem.total_gpus >= 1 else ():
        engine = restricted(result.wider, problem.total_gpus)
        points = _sweep(problem, engine)
        if points is not None:
            tables.append((engine, points))
    return _best(problem, tables)


def _sweep(problem: Problem, engine: PreparedEngine) -> Points | None:
    return load_points(problem, engine) or gather(problem, engine, loaded=False)


def _best(problem: Problem, tables: Tables) -> Candidate | None:
    """The first of all engines' layouts as the search orders them; None where there are none."""
    found = []
    for engine, points in tables:
        chance = chances(problem, engine.model, points)
        kept = layouts(problem, engine, points, chance)
        if len(kept):
            found.append((engine, points.take(kept), chance[kept]))
    if not found:
        return None
    ordered, order = in_one_order(problem, found)
    ((engine, points, row),) = rows_of(ordered, order[:1])
    return candidate(problem, engine, points, row)


def relaxations(problem: Problem, results: list[EngineResult]) -> tuple[Relaxation, ...]:
    """For each bound, how far it alone must be relaxed for the SLA to be expected to hold.

    A bound that cannot save the SLA by itself, because the others are missed too, is left out.
    """
    slo = problem.request.slo
    found = []
    for name, bound_s in slo.bounds.items():
        others = slo.with_bound(name, None)
        needed_s = min((_least(result.points, name, others) for result in results), default=np.inf)
        if np.isfinite(needed_s):
            found.append(Relaxation(bound=name, asked_s=bound_s, needed_s=needed_s))
    return tuple(sorted(found, key=lambda item: item.needed_s / item.asked_s))


def _least(points: Points, name: str, others: Slo) -> float:
    """The lowest value of one latency among rows that hold the other bounds; inf where none does."""
    value = points.metric(name, others.statistic_of(name))
    holds = (points.violation(others) <= 1.0) & np.isfinite(value)
    return float(value[holds].min(initial=np.inf))
