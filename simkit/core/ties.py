"""Choices between engines that predictions alone do not decide."""

import numpy as np
from numpy.typing import NDArray

from simkit.core.picking import Order, Preference
from simkit.core.points import Points

# Far inside the error of any prediction: nobody could tell two such deployments apart.
TIE = 0.02


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
