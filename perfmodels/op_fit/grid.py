"""Fits a GridModel to measured times: robust, smooth, monotone.

Minimises the weighted squared error of log time (large errors count linearly) plus a penalty on the
curvature along each axis, then projects the knots onto the nearest surface that never falls along
the monotone axes (Dykstra's alternating projections over isotonic regressions).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.sparse.linalg import spsolve

from perfmodels.arrays import FloatArray
from perfmodels.op_times.grid import GridAxis, GridModel


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFit:
    """How to fit: penalties on curvature and on slope, residual scale beyond which errors count
    linearly, sweeps. The slope's is weak: it only holds knots that no data stand behind.
    """

    smoothness: float = 0.02
    flatness: float = 0.001
    scale: float = 0.05
    reweightings: int = 4
    projections: int = 12


def fit_grid(
    axes: Sequence[GridAxis],
    coordinates: Sequence[FloatArray],
    time_s: FloatArray,
    *,
    weight: FloatArray | None = None,
    settings: GridFit | None = None,
) -> GridModel:
    """The grid over `axes` closest to `time_s` [n] measured at `coordinates` (one [n] per axis).

    Raises ValueError where there is nothing to fit or a time is not positive.
    """
    if time_s.size == 0 or not np.all(time_s > 0):
        least = time_s.min(initial=np.inf)
        raise ValueError(f"a grid needs positive times, got {time_s.size} rows, the least {least}")
    settings = settings or GridFit()
    weight = np.ones(time_s.size) if weight is None else weight
    basis = _basis(axes, coordinates)
    past = sum(_growth_past(axis, column) for axis, column in zip(axes, coordinates, strict=True))
    target = np.log(time_s) - past
    knots, support = _robust_solve(basis, target, weight, (axes, settings))
    shape = [len(axis.knots) for axis in axes]
    grid = _monotone(knots.reshape(shape), support.reshape(shape), axes, settings.projections)
    return GridModel(axes=tuple(axes), log_time=grid.astype(np.float32))


def _growth_past(axis: GridAxis, column: FloatArray) -> FloatArray:
    over: FloatArray = np.maximum(np.log(column / axis.knots[-1]), 0.0) * axis.beyond
    return over if len(axis.knots) > 1 else np.zeros_like(over)


def _basis(axes: Sequence[GridAxis], coordinates: Sequence[FloatArray]) -> sp.csr_matrix:
    """Multilinear weights of the knots at each row, shape [n, knots]."""
    cells, shares = zip(*(_place(a, c) for a, c in zip(axes, coordinates, strict=True)), strict=True)
    n = cells[0].size
    rows, columns, values = [], [], []
    for corner in product((0, 1), repeat=len(axes)):
        share, flat = np.ones(n), np.zeros(n, dtype=np.intp)
        for axis, high, cell, part in zip(axes, corner, cells, shares, strict=True):
            share = share * (part if high else 1.0 - part)
            flat = flat * len(axis.knots) + np.minimum(cell + high, len(axis.knots) - 1)
        rows.append(np.arange(n))
        columns.append(flat)
        values.append(share)
    size = int(np.prod([len(axis.knots) for axis in axes]))
    where = (np.concatenate(rows), np.concatenate(columns))
    return sp.csr_matrix((np.concatenate(values), where), shape=(n, size))


def _place(axis: GridAxis, column: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    knots = axis.log2_knots
    if len(knots) == 1:
        return np.zeros(column.size, dtype=np.intp), np.zeros(column.size)
    at = np.clip(np.log2(np.maximum(column, 1e-300)), knots[0], knots[-1])
    cell = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return cell, (at - knots[cell]) / np.diff(knots)[cell]


def _robust_solve(
    basis: sp.csr_matrix,
    target: FloatArray,
    weight: FloatArray,
    how: tuple[Sequence[GridAxis], GridFit],
) -> tuple[FloatArray, FloatArray]:
    """Knot values, and how much data stands behind each."""
    axes, settings = how
    bends, slopes = _differences(axes, _second_differences), _differences(axes, _first_differences)
    ridge = settings.smoothness * (bends.T @ bends) + settings.flatness * (slopes.T @ slopes)
    ridge = ridge + 1e-8 * sp.identity(basis.shape[1])
    current = weight
    for _ in range(settings.reweightings):
        weighted = basis.T @ sp.diags(current)
        knots = spsolve((weighted @ basis + ridge).tocsc(), weighted @ target)
        current = weight / np.sqrt(1.0 + ((target - basis @ knots) / settings.scale) ** 2)
    return knots, np.asarray(basis.T @ current).ravel() + 1e-3


def _differences(axes: Sequence[GridAxis], along: Callable[[FloatArray], sp.csr_matrix]) -> sp.csr_matrix:
    """Differences along every axis, as rows over all knots."""
    sizes = [len(axis.knots) for axis in axes]
    blocks = []
    for position, axis in enumerate(axes):
        if sizes[position] < (2 if along is _first_differences else 3):
            continue
        parts = [sp.identity(size) for size in sizes]
        parts[position] = along(axis.log2_knots)
        blocks.append(reduce(sp.kron, parts))
    size = int(np.prod(sizes))
    return sp.vstack(blocks).tocsr() if blocks else sp.csr_matrix((1, size))


def _first_differences(knots: FloatArray) -> sp.csr_matrix:
    size = len(knots)
    return sp.diags([-np.ones(size - 1), np.ones(size - 1)], [0, 1], shape=(size - 1, size)).tocsr()


def _second_differences(knots: FloatArray) -> sp.csr_matrix:
    """Curvature at inner knots, scaled so that it does not count narrow cells (tile edges) against."""
    gap = np.diff(knots)
    matrix = sp.lil_matrix((len(knots) - 2, len(knots)))
    for i in range(len(knots) - 2):
        left, right = gap[i], gap[i + 1]
        scale = 2.0 / (left + right) * min(left, right) ** 1.5
        matrix[i, i : i + 3] = scale * np.array([1 / left, -1 / left - 1 / right, 1 / right])
    return matrix.tocsr()


def _monotone(grid: FloatArray, support: FloatArray, axes: Sequence[GridAxis], sweeps: int) -> FloatArray:
    """The nearest grid, by support, that never falls along the monotone axes."""
    directions = [i for i, axis in enumerate(axes) if axis.monotone and len(axis.knots) > 1]
    corrections = {i: np.zeros_like(grid) for i in directions}
    for _ in range(sweeps if len(directions) > 1 else 1):
        for i in directions:
            before = grid + corrections[i]
            grid = _isotonic_along(before, support, i)
            corrections[i] = before - grid
    for i in directions:  # what the last sweep left over
        grid = np.maximum.accumulate(grid, axis=i)
    return grid


def _isotonic_along(grid: FloatArray, support: FloatArray, axis: int) -> FloatArray:
    lines = np.moveaxis(grid, axis, -1)
    weights = np.moveaxis(support, axis, -1)
    out = lines.reshape(-1, lines.shape[-1]).copy()
    weights = weights.reshape(-1, lines.shape[-1])
    for i in np.flatnonzero(np.any(np.diff(out, axis=1) < 0, axis=1)):
        out[i] = isotonic_regression(out[i], weights=weights[i]).x
    return np.moveaxis(out.reshape(lines.shape), -1, axis)
