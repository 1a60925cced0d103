"""Choices between engines that predictions alone do not decide."""

import numpy as np
from numpy.typing import NDArray

from simkit.closed_form.estimates import log_spreads
from simkit.search.candidate_table import Points
from simkit.search.picking import TIE, Order, Preference

# Of measured pairs whose predictions differ by less than this many standard deviations of the difference,
# 62 % come in the order predicted, little better than a coin: reports/accuracy/sla_choice.md.
NOISE_SDS = 1.0


def promoted_on_tie(
    order: Order,
    favoured: NDArray[np.bool_],
    points: Points,
    holds: NDArray[np.bool_],
    preference: Preference,
) -> Order:
    """The order with the best favoured position first, if it is as good as the best of all.

    As good: the same GPUs, both hold (surely enough), and within TIE of its throughput (or latency).
    """
    if not len(order) or favoured[order[0]] or not favoured.any():
        return order
    best, rival = order[0], order[np.flatnonzero(favoured[order])[0]]
    if points.num_gpus[best] != points.num_gpus[rival] or not (holds[best] and holds[rival]):
        return order
    if preference.objective == "latency":
        tied = points.e2e_s[rival] <= points.e2e_s[best] * (1.0 + TIE)
    else:
        tied = points.requests_per_s[rival] >= points.requests_per_s[best] * (1.0 - TIE)
    if not tied:
        return order
    promoted: Order = np.concatenate([[rival], order[order != rival]])
    return promoted


def with_every_group(order: Order, group: NDArray[np.intp], limit: int) -> Order:
    """The first `limit` positions, in which each group's best is kept if there is room for all groups."""
    _, first = np.unique(group[order], return_index=True)
    if len(first) > limit:
        return order[:limit]
    others = np.setdiff1d(np.arange(len(order)), first)[: limit - len(first)]
    kept: Order = order[np.sort(np.concatenate([first, others]))]
    return kept


def tied_with_first(points: Points, preference: Preference) -> NDArray[np.bool_]:
    """Which rows predictions cannot tell from the first by latency or throughput; the first itself is not.

    With fewest GPUs asked for, only rows of as many GPUs: those are not predicted.
    """
    means = (points.ttft_s, points.itl_s, points.e2e_s)
    spread = log_spreads(means, (points.ttft_log_sd, points.itl_log_sd))[2]
    value = points.e2e_s if preference.objective == "latency" else points.requests_per_s / points.num_gpus
    if preference.objective in ("throughput", "goodput"):
        value = points.requests_per_s
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.log(value / value[0])) / np.hypot(spread, spread[0])
    tied: NDArray[np.bool_] = (apart <= NOISE_SDS) & (points.saturated == points.saturated[0])
    if preference.objective == "fewest_gpus":
        tied &= points.num_gpus == points.num_gpus[0]
    tied[0] = False
    return tied
