"""Operator times on one GPU by one engine, from fitted models; from the nearest relative where none fits.

A relative (another engine's kernel, another number format, another GPU) lends its efficiency: its
time, times the ratio of the speeds of light, launch included. The result names the relative.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.hardware import Device
from perfmodels.model.dtypes import DTYPES
from perfmodels.op_times.family import LAUNCH_S, Dims, OperatorModel, OpFamily, OpKey, light_time_s
from perfmodels.op_times.grid import BoolArray
from perfmodels.op_times.link import LinkModel

Catalogue = Mapping[OpKey, OperatorModel]
Links = Mapping[str, LinkModel]  # by operation
# Kernels that do the same work; what else may follow the colon of a variant (ungated) does not.
KERNEL_KINDS = frozenset({"triton", "cutlass", "deepgemm", "marlin", "trtllm", "low_latency"})
# Libraries that every engine calls.
SHARED = frozenset({"nccl", "oneccl"})
# How far a relative is: another engine on this GPU is nearer than another GPU, which is nearer than
# another number format.
_LIBRARY_STEP, _ENGINE_STEP, _GPU_STEP, _VARIANT_STEP = 0.5, 1.0, 2.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The model that answers for an operator, and why it is not the operator's own ('' where it is).

    twins are other kernels of the same engine for the same work; engines choose among them by size.
    """

    model: OperatorModel
    device: Device
    reason: str
    twins: tuple[OperatorModel, ...] = ()

    def time_s(self, family: OpFamily, dims: Dims, floor_s: FloatArray) -> FloatArray:
        """Time of one call by the quickest kernel [s], never under `floor_s`."""
        time = self.model.time_s(family, dims, floor_s)
        for twin in self.twins:
            time = np.minimum(time, twin.time_s(family, dims, floor_s))
        return time


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedTimes:
    """Where operator times of `engine` on `device` come from.

    borrowed: the engine at hand is another one, without tables of its own. gpus: devices with fitted
    models, nearest relative first (the device itself where it has any); catalogue and links: their models
    and link models by GPU name.
    """

    device: Device
    engine: str
    gpus: tuple[Device, ...]
    catalogue: Callable[[str], Catalogue]
    links: Callable[[str], Links]
    borrowed: bool = False
    _picks: dict[tuple[str, str], Pick | None] = field(default_factory=dict, compare=False, repr=False)

    def time_s(self, family: OpFamily, variant: str, dims: Dims) -> FloatArray | None:
        """Time of one call [s], never under the speed of light; None where no relative is known."""
        found = self.pick(family, variant)
        if found is None:
            return None
        light = light_time_s(family.work(dims, variant), family.compute(variant), self.device)
        theirs = found.model.key.variant
        if found.device.name == self.device.name and theirs == variant:
            return found.time_s(family, dims, light)
        lent = light_time_s(family.work(dims, theirs), family.compute(theirs), found.device)
        time = found.time_s(family, dims, lent)
        result: FloatArray = np.maximum(time * (LAUNCH_S + light) / (LAUNCH_S + lent), light)
        return result

    def inside(self, family: OpFamily, variant: str, dims: Dims) -> BoolArray:
        """Where the operator's own table covers the sizes."""
        found = self.pick(family, variant)
        if found is None or found.reason:
            return np.zeros((), dtype=np.bool_)
        return found.model.inside(family, dims)

    def pick(self, family: OpFamily, variant: str) -> Pick | None:
        """The nearest model of the family."""
        key = (family.name, variant)
        if key not in self._picks:
            self._picks[key] = self._nearest(family.name, variant)
        return self._picks[key]

    def link_model(self, operation: str) -> LinkModel | None:
        """How a collective of any size behaves on the nearest GPU where it was measured."""
        for device in self.gpus:
            if operation in self.links(device.name):
                return self.links(device.name)[operation]
        return None

    def _nearest(self, family: str, variant: str) -> Pick | None:
        """GPUs are looked through nearest first, and only as long as a nearer model could turn up.

        Of models equally near the one that was fitted on more rows knows more sizes.
        """
        best: tuple[float, int, str] = (math.inf, 0, "")
        found: Pick | None = None
        for rank, device in enumerate(self.gpus):
            far = 0.0 if device.name == self.device.name else _GPU_STEP + rank
            if far >= best[0]:
                break
            for away, pick in self._candidates(family, variant, device):
                key = pick.model.key
                place = (far + away, -pick.model.rows, f"{key.engine} {key.variant}")
                if place < best:
                    best, found = place, pick
        return replace(found, twins=self._twins(found)) if found else None

    def _twins(self, found: Pick) -> tuple[OperatorModel, ...]:
        """Models of the other kernels an engine may choose for what `found` does.

        Where the kernel is another engine's, that of any engine will do: they share libraries.
        """
        own = found.model.key.engine
        shared = own != self.engine and own not in SHARED
        base, *rest = found.model.key.variant.split("/")
        twins = []
        for key, model in self.catalogue(found.device.name).items():
            fmt, _, kind = key.variant.split("/")[0].partition(":")
            same_work = key.family == found.model.key.family
            same_work = same_work and [fmt, *key.variant.split("/")[1:]] == [base, *rest]
            chosen = kind in KERNEL_KINDS if key.engine == own else shared and kind in {"", *KERNEL_KINDS}
            if same_work and chosen:
                twins.append(model)
        return tuple(twins)

    def _candidates(self, family: str, variant: str, device: Device) -> Iterator[tuple[float, Pick]]:
        for key, model in self.catalogue(device.name).items():
            away = variant_distance(variant, key.variant, self.device) if key.family == family else math.inf
            if math.isinf(away):
                continue
            distance = _VARIANT_STEP * away
            if key.engine != self.engine:
                distance += _LIBRARY_STEP if key.engine in SHARED else _ENGINE_STEP
            yield (
                distance,
                Pick(model=model, device=device, reason=self._reason(key, variant)),
            )

    def _reason(self, key: OpKey, variant: str) -> str:
        parts = [f"{key.family} as on {key.gpu}"] if key.gpu != self.device.name else []
        parts += [f"as {key.variant}, not {variant}"] if key.variant != variant else []
        own = () if self.borrowed else (self.engine,)
        parts += [f"{key.engine}'s kernel"] if key.engine not in (*own, *SHARED) else []
        return ", ".join(parts)


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sorts engine versions as people count them: 0.5.9 before 0.5.10, 1.3.0rc9 before 1.3.0rc20."""
    parts = re.findall(r"\d+|[a-z]+", version.lower())
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def variant_distance(wanted: str, known: str, device: Device) -> float:
    """How unlike two variants are on `device`: parts between slashes are compared one by one.

    Equal parts count nothing. Numbers with a common prefix (d96, d128) count a tenth of the binary log
    of their ratio, and a little more where the known one is smaller. Number formats count one, more if
    another unit multiplies and the more the further their sizes lie apart. Other differences count one
    each. Infinite where the numbers of parts differ.
    """
    ours, theirs = wanted.split("/"), known.split("/")
    if len(ours) != len(theirs):
        return math.inf
    return sum(_part_distance(a, b, device) for a, b in zip(ours, theirs, strict=True))


def _part_distance(a: str, b: str, device: Device) -> float:
    if a == b:
        return 0.0
    formats = [DTYPES.get(part.split(":")[0]) for part in (a, b)]
    if formats[0] and formats[1]:
        same_unit = device.compute_format(formats[0].compute) == device.compute_format(formats[1].compute)
        sizes = abs(math.log2(formats[0].bytes_per_element / formats[1].bytes_per_element))
        return 1.0 + (0.0 if same_unit else 0.2) + 0.1 * sizes
    first, second = re.fullmatch(r"([a-z]+)(\d+)", a), re.fullmatch(r"([a-z]+)(\d+)", b)
    if first and second and first[1] == second[1]:
        ratio = math.log2(int(second[2]) / int(first[2]))
        return abs(ratio) / 10 + (0.01 if ratio < 0 else 0.0)
    return 1.0
