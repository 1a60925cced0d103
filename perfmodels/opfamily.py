"""A family of operators whose time is learned: which sizes decide it, and how much work it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.gridmodel import GridAxis

Dims = Mapping[str, FloatLike]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one call does at least on one GPU: FLOP, bytes to and from HBM, bytes over the link."""

    flop: FloatLike = 0.0
    hbm_bytes: FloatLike = 0.0
    wire_bytes: FloatLike = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpFamily:
    """coordinates maps named sizes to one value per axis; work maps sizes and variant to Work.

    variant is what cannot be interpolated: number formats, head size, kind of kernel.
    compute is the format (perfmodels.dtypes) whose unit multiplies, by variant. shape_dims make a
    "shape": all its rows are held out together. host_floor_s: a least time above this is the host's.
    """

    name: str
    dims: tuple[str, ...]
    axes: tuple[GridAxis, ...]
    coordinates: Callable[[Dims], tuple[FloatLike, ...]]
    work: Callable[[Dims, str], Work]
    compute: Callable[[str], str]
    shape_dims: tuple[str, ...]
    host_floor_s: float = 20e-6


def columns(dims: Dims, *names: str) -> tuple[FloatArray, ...]:
    """The named sizes as float arrays."""
    return tuple(np.asarray(dims[name], dtype=np.float64) for name in names)
