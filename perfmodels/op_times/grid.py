"""Time of an operator as a smooth table: log time interpolated over the logs of its sizes.

Between knots the log of the time is multilinear in the logs of the coordinates, so that power laws
are exact, the surface is continuous and monotone wherever its knots are. Past the last knot of an
axis time grows by the axis' exponent; before the first it stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike

BoolArray = NDArray[np.bool_]
_CHUNK = 1 << 14  # elements evaluated together: the temporaries stay in cache


@dataclass(frozen=True, slots=True, kw_only=True)
class GridAxis:
    """One size an operator's time depends on; knots in its own unit, ascending and positive.

    monotone: time never falls along it. beyond: exponent with which time grows past the last knot.
    Two knots closer than 3 % mark a tile edge, where time may jump.
    """

    name: str
    knots: tuple[float, ...]
    monotone: bool = True
    beyond: float = 1.0

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        if len(self.knots) < 1 or self.knots[0] <= 0 or not ascending:
            raise ValueError(f"axis {self.name}: knots must be positive and ascending, got {self.knots}")

    @property
    def log2_knots(self) -> FloatArray:
        """Binary logs of the knots."""
        return np.log2(np.asarray(self.knots, dtype=np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class GridModel:
    """Natural log of seconds at every combination of knots, shape [len(axis.knots) for axis in axes]."""

    axes: tuple[GridAxis, ...]
    log_time: NDArray[np.float32]
    _knots: tuple[FloatArray, ...] = field(init=False, repr=False, compare=False)
    _gaps: tuple[FloatArray, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        knots = tuple(axis.log2_knots for axis in self.axes)
        object.__setattr__(self, "_knots", knots)
        object.__setattr__(self, "_gaps", tuple(np.diff(column) for column in knots))
        expected = tuple(len(axis.knots) for axis in self.axes)
        if self.log_time.shape != expected:
            raise ValueError(f"a grid of {expected} knots needs as many values, got {self.log_time.shape}")

    def time_s(self, coordinates: Sequence[FloatLike]) -> FloatArray:
        """Time [s] at coordinates, one array per axis, which broadcast together."""
        columns = np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in coordinates))
        shape = columns[0].shape
        flat = [column.ravel() for column in columns]
        out = np.empty(flat[0].size)
        for start in range(0, out.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = self._evaluate([column[part] for column in flat])
        return out.reshape(shape)

    def inside(self, coordinates: Sequence[FloatLike]) -> BoolArray:
        """Where every coordinate lies between the first and last knot of its axis (or at one knot)."""
        found: BoolArray = np.asarray(True)
        for axis, value in zip(self.axes, coordinates, strict=True):
            x = np.asarray(value)
            found = found & (x >= axis.knots[0] * 0.999) & (x <= axis.knots[-1] * 1.001)
        return found

    def _evaluate(self, columns: list[FloatArray]) -> FloatArray:
        """Time [s] of one chunk: 2^d gathers, then d rounds of linear interpolation."""
        base = np.zeros(columns[0].size, dtype=np.intp)
        steps, shares = [], []
        growth: FloatArray | float = 0.0
        stride = self.log_time.size
        for position, column in enumerate(columns):
            stride //= len(self._knots[position])
            if len(self._knots[position]) == 1:
                continue
            cell, share, past = self._locate(position, column)
            base += cell * stride
            steps.append(stride)
            shares.append(share)
            growth = growth + past
        values = _corners(self.log_time.ravel(), base, steps)
        for share in shares:
            half = len(values) // 2
            values = [
                low + share * (high - low) for low, high in zip(values[:half], values[half:], strict=True)
            ]
        result: FloatArray = np.exp(values[0] + growth)
        return result

    def _locate(
        self, position: int, column: FloatArray
    ) -> tuple[NDArray[np.intp], NDArray[np.float32], FloatArray]:
        """Cell along one axis, place inside it, and log growth past the last knot."""
        knots, gaps = self._knots[position], self._gaps[position]
        at = np.log2(np.maximum(column, self.axes[position].knots[0]))
        cell = np.searchsorted(knots[1:-1], at, side="right")
        share = np.minimum((at - knots[cell]) / gaps[cell], 1.0).astype(np.float32)
        past = np.maximum(at - knots[-1], 0.0) * (self.axes[position].beyond * np.log(2.0))
        return cell, share, past


def _corners(
    values: NDArray[np.float32], base: NDArray[np.intp], steps: list[int]
) -> list[NDArray[np.float32]]:
    """Values at the 2^d corners of each cell, first axis slowest."""
    corners = product(*((0, step) for step in steps))
    return [values[sum(corner) :].take(base) for corner in corners]  # a shifted view saves an addition
