"""A family of operators whose time is learned, and one fitted model of it: GPU, engine, variant, record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.efficiency import SCALED
from perfmodels.hardware import Device, roofline_time_s
from perfmodels.op_times.grid import BoolArray, GridAxis, GridModel
from perfmodels.operators.record import Operator
from perfmodels.step import Pass

# --- A family of operators whose time is learned: which sizes decide it, and how much work it is.


Dims = Mapping[str, FloatLike]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one call does at least on one GPU: FLOP, bytes to and from HBM, bytes over the link."""

    flop: FloatLike = 0.0
    hbm_bytes: FloatLike = 0.0
    wire_bytes: FloatLike = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """A file of measured times whose columns alone give each row's variant and sizes.

    rows maps the file's columns to `variant`, one array per size, and `time_s` where a call's time is not
    simply the file's latency [ms]. Columns named *_dtype hold our names of number formats. Files whose
    rows must be grouped or dropped have a reader in simkit's catalog.
    """

    file: str
    rows: Callable[[Columns], Columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpFamily:
    """coordinates maps named sizes to one value per axis; work maps sizes and variant to Work.

    variant is what cannot be interpolated: number formats, head size, kind of kernel.
    compute is the format (perfmodels.model.dtypes) whose unit multiplies, by variant. shape_dims make a
    "shape": all its rows are held out together. host_floor_s: a least time above this is the host's.
    sizes_at gives sizes whose coordinates are those asked for, so that models of different GPUs are compared
    knot by knot (perfmodels.op_fit.siblings); families without it are not compared.
    kind says which scale and share of peak of the engine apply (perfmodels.efficiency.SCALED), and
    cache_bound that HBM traffic is that of the KV cache. files: where measured times come from. calls
    lists the family's operators in one forward pass, unless forward_operators does so itself.
    """

    name: str
    kind: str
    dims: tuple[str, ...]
    axes: tuple[GridAxis, ...]
    coordinates: Callable[[Dims], tuple[FloatLike, ...]]
    work: Callable[[Dims, str], Work]
    compute: Callable[[str], str]
    shape_dims: tuple[str, ...]
    host_floor_s: float = 20e-6
    cache_bound: bool = False
    files: tuple[MeasuredFile, ...] = ()
    calls: Callable[[Pass], list[Operator]] | None = None
    sizes_at: Callable[[Sequence[FloatArray]], Dims] | None = None

    def __post_init__(self) -> None:
        if self.kind not in SCALED:
            raise ValueError(f"{self.name}: kind must be one of {', '.join(SCALED)}, got {self.kind!r}")


def columns(dims: Dims, *names: str) -> tuple[FloatArray, ...]:
    """The named sizes as float arrays."""
    return tuple(np.asarray(dims[name], dtype=np.float64) for name in names)


# --- One fitted operator model: a family on one GPU by one engine in one variant, with its record.


# Launch and tail of the shortest kernels: what is left of an operator whose work goes to zero. Only
# used to scale times from one GPU to another, so that launch-bound operators do not scale with peaks.
LAUNCH_S = 2.0e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class OpKey:
    """What a model is for."""

    family: str
    gpu: str
    engine: str
    variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorModel:
    """A grid of times with its provenance.

    rows: measured rows it was fitted on; launch_bound_rows: left out because they timed the host's
    launches, not the kernel; cached_rows: left out because they were faster than the memory allows, so
    that their data came from a cache that serving does not find warm. held_out_mdape, held_out_p90
    [fractions]: errors on whole shapes left out of the fit. filled_from: where the sizes of
    launch-bound rows were taken from. held_knots: share of the grid that was held to the times of its
    siblings, because it lay too far from them (perfmodels.op_fit.siblings).
    """

    key: OpKey
    version: str
    grid: GridModel
    rows: int
    launch_bound_rows: int = 0
    cached_rows: int = 0
    held_out_mdape: float = float("nan")
    held_out_p90: float = float("nan")
    filled_from: str = ""
    held_knots: float = 0.0

    def time_s(self, family: OpFamily, dims: Dims, floor_s: FloatArray) -> FloatArray:
        """Time of one call [s], never under `floor_s` (the speed of light of the device)."""
        return np.maximum(self.grid.time_s(family.coordinates(dims)), floor_s)

    def inside(self, family: OpFamily, dims: Dims) -> BoolArray:
        """Where the sizes lie within what was measured."""
        return self.grid.inside(family.coordinates(dims))


def light_time_s(work: Work, compute: str, device: Device) -> FloatArray:
    """Speed of light of one call on `device` [s]; compute is the format that multiplies."""
    local = roofline_time_s(
        work.flop,
        work.hbm_bytes,
        peak_flop_per_s=device.peak(compute),
        peak_bytes_per_s=device.memory_bytes_per_s,
    )
    wire = np.asarray(work.wire_bytes, dtype=np.float64) / device.intra_node.bandwidth_bytes_per_s
    result: FloatArray = np.maximum(local, wire)
    return result
