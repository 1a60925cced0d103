"""Compares every operator model with its siblings: the same work by other engines and on other GPUs.

A table can be faulty as a whole (a kernel that fell back, a loop that timed the host) or in places. What
siblings take says what to expect. Two other engines on the same GPU that agree within AGREE show what it
can do: knots off by more than HOLD are drawn towards it, and the further off they are the less they are
believed. Where there are fewer, or they do not agree, other GPUs are asked too, their times multiplied by
the ratio of the speeds of light, and REJECT stands in for HOLD. A model that is off by more than REJECT
over REJECT_SHARE of its grid is left out, so that a sibling answers and is named. Both sides count: what is
too quick to be true is as wrong as what is too slow. Where measured runs contradict a table (`doubted`), it
is left out whatever its siblings say, and they do not listen to it.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.hardware import Device
from perfmodels.op_times.families import FAMILIES
from perfmodels.op_times.family import LAUNCH_S, Dims, OperatorModel, OpFamily, OpKey, light_time_s
from perfmodels.op_times.grid import GridAxis

# Engines that do the same work on the same GPU differ by 1.2 in the middle and by 1.6 in nine of ten sizes.
HOLD, AGREE, REJECT, REJECT_SHARE = 1.5, 2.0, 3.0, 0.25
# With fewer votes than a second engine on the same GPU has, nothing is judged.
_ENOUGH_VOTES = 1.0
_ENGINE_VOTES, _GPU_VOTES, _FAR = 1.0, 0.5, 0.5
_NAMED = 4  # siblings that a record names
DeviceOf = Callable[[str], Device]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a model: "rejected", or "held" where knots were moved, and how far off it was.

    ratio: its time over its siblings', the median over the grid; widest: where it is furthest off;
    knots: share of the grid that was held.
    """

    family: str
    gpu: str
    engine: str
    variant: str
    version: str
    verdict: str
    ratio: float
    widest: float
    knots: float
    siblings: tuple[str, ...]

    @property
    def record(self) -> dict[str, Any]:
        """As a document holds it."""
        return {**asdict(self), "siblings": list(self.siblings)}


def judged(
    models: Iterable[OperatorModel], device_of: DeviceOf, doubted: Collection[OpKey] = ()
) -> tuple[list[OperatorModel], list[Verdict]]:
    """The models to keep, some of them held to their siblings, and what was found of the others.

    All are judged against the models as they came, so that the order does not matter.
    """
    everything = list(models)
    alike: dict[tuple[str, str], list[OperatorModel]] = {}
    for model in everything:
        if model.key not in doubted:
            alike.setdefault((model.key.family, model.key.variant), []).append(model)
    kept, verdicts = [], []
    for model in everything:
        beside = alike.get((model.key.family, model.key.variant), [])
        found = _judged(model, beside, device_of, doubted=model.key in doubted)
        if found is None:
            kept.append(model)
            continue
        changed, verdict = found
        verdicts.append(verdict)
        if verdict.verdict != "rejected":
            kept.append(changed)
    return kept, verdicts


def _judged(
    model: OperatorModel, alike: Sequence[OperatorModel], device_of: DeviceOf, *, doubted: bool
) -> tuple[OperatorModel, Verdict] | None:
    """The model held to its siblings and the verdict; None where nothing is wrong or nothing is known."""
    votes = [(_votes(model, other, device_of), other) for other in alike if other is not model]
    votes = [(count, other) for count, other in votes if count > 0]
    if FAMILIES[model.key.family].sizes_at is None or sum(count for count, _ in votes) < _ENOUGH_VOTES:
        return None
    expected, reach, least = _expected(model, votes, device_of)
    own = np.maximum(model.grid.log_time.astype(np.float64), least)
    off = own - expected
    far = np.abs(off) > reach
    if not far.any() and not doubted:
        return None
    ratio = float(np.exp(np.median(off)))
    beyond = max(float((side * off > math.log(REJECT)).mean()) for side in (1.0, -1.0))
    rejected = doubted or beyond > REJECT_SHARE
    verdict = Verdict(
        family=model.key.family, gpu=model.key.gpu, engine=model.key.engine, variant=model.key.variant,
        version=model.version, verdict="rejected" if rejected else "held", ratio=_round(ratio),
        widest=_round(float(np.exp(off.ravel()[np.argmax(np.abs(off))]))), knots=_round(float(far.mean())),
        siblings=tuple(f"{m.key.engine} on {m.key.gpu}" for _, m in _nearest(votes)),
    )  # fmt: skip
    held = expected + _believed(off, reach)
    grid = replace(model.grid, log_time=_rising(held, model.grid.axes).astype(np.float32))
    return replace(model, grid=grid, held_knots=_round(float(far.mean()))), verdict


def _believed(off: FloatArray, reach: FloatArray) -> FloatArray:
    """How much of the log difference `off` from its siblings a knot keeps: all of it within reach; beyond,
    the further off the less (Hampel's redescending function), until at twice the reach it says nothing.
    """
    size = np.abs(off)
    kept: FloatArray = np.sign(off) * np.where(size <= reach, size, np.maximum(2.0 * reach - size, 0.0))
    return kept


def _nearest(votes: Sequence[tuple[float, OperatorModel]]) -> Sequence[tuple[float, OperatorModel]]:
    return sorted(votes, key=lambda vote: (-vote[0], vote[1].key.engine, vote[1].key.gpu))[:_NAMED]


def _votes(model: OperatorModel, other: OperatorModel, device_of: DeviceOf) -> float:
    """How much a sibling counts: another engine here most, then this one on a GPU of its generation."""
    count = 1.0
    if other.key.engine != model.key.engine:
        count *= _ENGINE_VOTES if other.key.gpu == model.key.gpu else _FAR
    if other.key.gpu != model.key.gpu:
        here, there = device_of(model.key.gpu), device_of(other.key.gpu)
        count *= _GPU_VOTES if here.generation.split("_")[0] == there.generation.split("_")[0] else _FAR**2
        wired = FAMILIES[model.key.family].kind == "comm"  # what joins GPUs differs from one kind to the next
        count *= 0.0 if wired or here.vendor != there.vendor else 1.0
    return count


def _expected(
    model: OperatorModel, votes: Sequence[tuple[float, OperatorModel]], device_of: DeviceOf
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What its siblings make one expect at every knot of the model's grid: log of the time, how far from it
    the model may lie, and log of the speed of light.

    Where two others beside it contradict each other, the model itself has a vote, too.
    """
    said, least = _said(model, [other for _, other in votes], device_of)
    weights = np.array([count for count, _ in votes])
    beside = said[[other.key.gpu == model.key.gpu for _, other in votes]]
    if len(beside) < 2:
        return _weighted_median(said, weights), np.full(least.shape, math.log(REJECT)), least
    own = np.maximum(model.grid.log_time.astype(np.float64), least)
    middle = _weighted_median(np.concatenate([said, own[None]]), np.append(weights, _ENGINE_VOTES))
    spread = np.ptp(beside, axis=0)
    agree = spread < math.log(AGREE)
    reach = np.where(agree, math.log(HOLD) + 0.5 * spread, math.log(REJECT))
    return np.where(agree, np.median(beside, axis=0), middle), reach, least


def _said(
    model: OperatorModel, others: Sequence[OperatorModel], device_of: DeviceOf
) -> tuple[FloatArray, FloatArray]:
    """Logs of what others make one expect [others, knots of the model], and of the speed of light."""
    family = FAMILIES[model.key.family]
    knots = [np.asarray(axis.knots, dtype=np.float64) for axis in model.grid.axes]
    at = np.meshgrid(*knots, indexing="ij")
    dims = _sizes_at(family, at)
    here = _light(model, dims, device_of)
    said = []
    for other in others:
        time = other.grid.time_s(at)
        if other.key.gpu != model.key.gpu:
            time = time * (LAUNCH_S + here) / (LAUNCH_S + _light(other, dims, device_of))
        said.append(np.log(np.maximum(time, here)))
    return np.stack(said), np.log(here)


def _sizes_at(family: OpFamily, at: Sequence[FloatArray]) -> Dims:
    if family.sizes_at is None:
        raise ValueError(f"{family.name}: a family without sizes_at cannot be compared")
    return family.sizes_at(at)


def _light(model: OperatorModel, dims: Dims, device_of: DeviceOf) -> FloatArray:
    family = FAMILIES[model.key.family]
    work = family.work(dims, model.key.variant)
    return light_time_s(work, family.compute(model.key.variant), device_of(model.key.gpu))


def _weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Median over the first axis; between the two middle ones where the weights divide evenly."""
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    below = np.cumsum(weights[order], axis=0) / weights.sum()
    low = np.argmax(below >= 0.5 - 1e-12, axis=0)
    high = np.argmax(below > 0.5 + 1e-12, axis=0)
    middle: FloatArray = 0.5 * sum(
        np.take_along_axis(ranked, place[None], axis=0)[0] for place in (low, high)
    )
    return middle


def _rising(log_time: FloatArray, axes: Sequence[GridAxis]) -> FloatArray:
    """No knot below an earlier one along the axes on which time never falls."""
    for position, axis in enumerate(axes):
        if axis.monotone:
            log_time = np.maximum.accumulate(log_time, axis=position)
    return log_time


def _round(value: float) -> float:
    return float(f"{value:.3g}")
