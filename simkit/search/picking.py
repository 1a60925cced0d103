"""Which of the evaluated points to recommend, and in what order to show the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from simkit.core.slo import Slo
from simkit.search.candidate_table import Points

Order = NDArray[np.intp]
# Far inside the error of any prediction: such deployments cannot be told apart.
TIE = 0.02
# Less certainty breaks more bounds, more gives away throughput: reports/accuracy/sla_choice.md.
SURE_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What counts after the SLA: `fewest_gpus` for a given load, `throughput`, `goodput`, `latency`, `cost`.

    Cost is that of a token: GPUs over tokens/s, where num_gpus of the points counts what GPUs cost.
    """

    objective: str
    total_gpus: int
    osl_tokens: float


def robust_worth(probability: FloatArray, value: FloatArray, share: float = SURE_SHARE) -> FloatArray:
    """What each choice is worth when it may break the SLA, higher first; arrays of one shape.

    probability is the chance that the SLA holds, value (positive) what the choice gives if it does.
    Choices at least `share` times as likely to hold as the likeliest come first, by value; the others
    follow by what they give on average, value times probability.
    """
    sure = probability >= share * probability.max(initial=0.0)
    above = float(value.max(initial=0.0))  # more than any average
    worth: FloatArray = np.where(sure, value + above, value * probability)
    return worth


def ranking(points: Points, slo: Slo, preference: Preference, chance: FloatArray | None = None) -> Order:
    """Positions best first: those that hold the SLA by the objective, then the others by how near they come.

    chance [rows] is the probability that the SLA holds: with it the order is robust, without it that
    of expected values. Ties go to fewer GPUs, then to the lower end-to-end latency.
    """
    worth, violation = _keys(points, slo, preference, chance)
    return np.lexsort((points.e2e_s, points.num_gpus, -worth, violation))


def leading(points: Points, slo: Slo, preference: Preference, chance: FloatArray | None = None) -> Order:
    """The first position of `ranking` alone, without sorting the rest; empty for an empty table."""
    worth, violation = _keys(points, slo, preference, chance)
    left = np.arange(len(points))
    for key in (violation, -worth, points.num_gpus, points.e2e_s):
        if len(left) > 1 and not np.isnan(key[left]).all():
            left = left[key[left] == np.nanmin(key[left])]
    return left[:1]


def _keys(
    points: Points, slo: Slo, preference: Preference, chance: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Worth of those that hold, and how far off the others are: 0 for the kind it does not speak of."""
    violation = points.violation(slo)
    holds = violation <= 1.0
    value = objective_value(points, slo, preference)
    worth = value if chance is None else robust_worth(np.where(holds, chance, 0.0), value)
    return np.where(holds, worth, 0.0), np.where(holds, 0.0, violation)


def objective_value(points: Points, slo: Slo, preference: Preference) -> FloatArray:
    """Positive, higher is better: tokens/s (per GPU for cost), good requests/s, one over GPUs or latency.

    Settings other than the usual ones count TIE less: to be chosen they must promise more than that.
    """
    usual = 1.0 - TIE * (1.0 - points.usual)
    per_s: FloatArray = points.requests_per_s * preference.osl_tokens * usual
    if preference.objective == "latency":
        return usual / np.maximum(points.e2e_s, 1e-12)
    if preference.objective == "fewest_gpus":
        # GPUs decide; throughput per GPU only among equals, hence the small weight.
        tie_break: FloatArray = per_s / points.num_gpus / max(float(per_s.max(initial=0.0)), 1.0)
        return 1.0 / (points.num_gpus - 1e-6 * tie_break)
    if preference.objective == "goodput":
        return points.goodput_per_s(slo) * usual
    if preference.objective == "cost":
        return per_s / points.num_gpus
    return per_s / preference.total_gpus


def pareto_front(points: Points, osl_tokens: float, limit: int = 40) -> Order:
    """Positions on the front of tokens per second per GPU against tokens per second per user.

    Ordered by tokens per second per user, thinned evenly to `limit`.
    """
    usable = np.flatnonzero((points.saturated == 0) & np.isfinite(points.itl_s) & (points.itl_s > 0))
    per_gpu = points.requests_per_s[usable] * osl_tokens / points.num_gpus[usable]
    per_user = 1.0 / points.itl_s[usable]
    order = np.lexsort((-per_gpu, -per_user))
    order = order[_worth_changing(per_gpu[order], points.usual[usable][order])]
    best = np.maximum.accumulate(per_gpu[order])
    first = np.concatenate([[True], best[1:] > best[:-1]]) if len(order) else np.array([], dtype=bool)
    front: Order = usable[order[first]][::-1]
    if len(front) > limit:
        front = front[np.unique(np.linspace(0, len(front) - 1, limit).round().astype(np.intp))]
    return front


def _worth_changing(per_gpu: FloatArray, usual: FloatArray) -> NDArray[np.bool_]:
    """Rows with the usual settings, and those that gain TIE over what these reach at their speed or above.

    Rows come in order of falling speed.
    """
    reached = np.maximum.accumulate(np.where(usual > 0, per_gpu, 0.0))
    worth: NDArray[np.bool_] = (usual > 0) | (per_gpu > reached * (1.0 + TIE))
    return worth


def knee(per_user: FloatArray, per_gpu: FloatArray) -> int | None:
    """The position of a front that lies farthest above the line between its ends, in logs scaled to 1.

    There little more on one axis begins to cost much on the other. None where no point lies above.
    """
    if len(per_user) < 3:
        return None
    logs = (np.log(per_user), np.log(per_gpu))
    x, y = ((axis - axis.min()) / max(float(np.ptp(axis)), 1e-12) for axis in logs)
    best = int(np.argmax(x + y))
    return best if 0 < best < len(x) - 1 else None


def best_per_layout(points: Points, order: Order, limit: int, plans: int | None = None) -> Order:
    """The best position of each layout (plans and role), best first, at most `limit`.

    plans: how many plans the choices of a table count through; choices that many apart differ in settings.
    """
    seen: set[tuple[float, ...]] = set()
    kept: list[int] = []
    for position in order:
        key = (float(points.plan[position]), float(points.decode_plan[position]))
        if plans is not None:
            key = (key[0] % plans, key[1] % plans if key[1] >= 0 else key[1])
        if key in seen:
            continue
        seen.add(key)
        kept.append(int(position))
        if len(kept) == limit:
            break
    return np.array(kept, dtype=np.intp)
