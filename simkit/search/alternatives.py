"""Which of several answers is best: one pick for each GPU and engine asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simkit.closed_form.problem import Problem
from simkit.core.estimate import Recommendation
from simkit.engines.support import moe_support
from simkit.search.candidate_table import Points, concatenate
from simkit.search.engine_search import preference_of
from simkit.search.picking import SURE_SHARE, Order, Preference, ranking
from simkit.search.ties import promoted_on_tie, tied_with_first


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePick:
    """The answer to one problem, the row of its pick and the probability that it holds the SLA."""

    problem: Problem
    answer: Recommendation
    row: Points
    chance: float


def best_first(picks: Sequence[SinglePick]) -> tuple[list[int], list[bool]]:
    """Positions of the picks, best first by the rules of one search, and which tie with the first.

    The second list is by position in the first.
    """
    table = concatenate([pick.row for pick in picks])
    chance = np.array([pick.chance for pick in picks])
    problem = picks[0].problem
    preference = preference_of(problem, problem.request.workload.osl_tokens)
    if preference.objective == "cost":  # a GPU counts as what it costs
        prices = np.array([pick.problem.request.gpu_hour_price or 1.0 for pick in picks])
        table = replace(table, num_gpus=table.num_gpus * prices)
    order = _known_first(picks, ranking(table, problem.request.slo, preference, chance), table, preference)
    if problem.shape.is_moe:
        order = _full_support_first(picks, order, table, preference)
    tied = tied_with_first(table.take(order), preference)
    holds = [picks[i].answer.meets_sla for i in order]
    alike = [bool(tie) and held == holds[0] for tie, held in zip(tied, holds, strict=True)]
    return [int(i) for i in order], alike


def _known_first(picks: Sequence[SinglePick], order: Order, table: Points, preference: Preference) -> Order:
    """On a tie with an extrapolation, what measured runs stand behind."""
    known = np.array([pick.answer.selected.estimate.in_domain for pick in picks])
    return promoted_on_tie(order, known, table, _as_sure(picks, order, table), preference)


def _as_sure(picks: Sequence[SinglePick], order: Order, table: Points) -> NDArray[np.bool_]:
    """Which hold the SLA about as surely as the first."""
    chance = np.array([pick.chance for pick in picks])
    holds = table.violation(picks[0].problem.request.slo) <= 1.0
    sure: NDArray[np.bool_] = holds & (chance >= SURE_SHARE * chance[order[0]])
    return sure


def _full_support_first(
    picks: Sequence[SinglePick], order: Order, table: Points, preference: Preference
) -> Order:
    """On a tie on the best GPU, the engine that Dynamo supports in full, as in one search."""
    gpu = picks[order[0]].answer.request.hardware.gpu
    full = [
        pick.answer.request.hardware.gpu == gpu
        and moe_support(pick.answer.selected.deployment.backend) == "full"
        for pick in picks
    ]
    return promoted_on_tie(order, np.array(full), table, _as_sure(picks, order, table), preference)
