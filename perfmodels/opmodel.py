"""One fitted operator model: a family on one GPU by one engine in one variant, with its record."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.device import Device
from perfmodels.gridmodel import BoolArray, GridModel
from perfmodels.opfamily import Dims, OpFamily, Work
from perfmodels.roofline import roofline_time_s

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
    launch-bound rows were taken from.
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
