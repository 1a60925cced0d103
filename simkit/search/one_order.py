"""The best layouts of all engines in one order: for the answer, and for what a little more would buy."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.problem import Problem
from simkit.engines.registry import engine_spec
from simkit.engines.support import moe_support
from simkit.search.candidate_table import Points, concatenate
from simkit.search.candidates import Row
from simkit.search.engine_search import preference_of
from simkit.search.picking import SURE_SHARE, Order, ranking
from simkit.search.prepared import PreparedEngine
from simkit.search.ties import promoted_on_tie

Ranked = tuple[PreparedEngine, Points, FloatArray]  # of every point the probability that the SLA holds


def in_one_order(problem: Problem, tables: list[Ranked]) -> tuple[list[Ranked], Order]:
    """The tables in the engines' tie order, and the rows of all of them, one after another, best first.

    On a tie a mixture of experts goes to an engine that Dynamo supports in full.
    """
    tables = sorted(tables, key=lambda item: engine_spec(_backend(item)).rank)
    points = concatenate([points for _, points, _ in tables])
    chance = np.concatenate([chance for _, _, chance in tables])
    preference, slo = preference_of(problem, tables[0][0].osl_tokens), problem.request.slo
    order = ranking(points, slo, preference, chance)
    if not problem.shape.is_moe:
        return tables, order
    full = np.repeat([moe_support(_backend(item)) == "full" for item in tables], [len(t[1]) for t in tables])
    as_sure = (points.violation(slo) <= 1.0) & (chance >= SURE_SHARE * chance[order[0]])
    return tables, promoted_on_tie(order, full, points, as_sure, preference)


def owners(tables: list[Ranked]) -> Order:
    """Which table each row belongs to, where they stand one after another."""
    return np.repeat(np.arange(len(tables)), [len(points) for _, points, _ in tables])


def rows_of(tables: list[Ranked], order: Order) -> list[Row]:
    """The rows of an order with their engines and tables."""
    owner = owners(tables)
    row = np.concatenate([np.arange(len(points)) for _, points, _ in tables])
    return [(tables[owner[i]][0], tables[owner[i]][1], int(row[i])) for i in order]


def _backend(item: Ranked) -> str:
    return item[0].model.engine.backend
