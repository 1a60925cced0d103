"""From the measured rows of one operator or link on one GPU to its model, with an honest score."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from perfmodels.arrays import FloatArray
from perfmodels.hardware import Device, Link
from perfmodels.op_fit.grid import GridFit, fit_grid
from perfmodels.op_times.family import OperatorModel, OpFamily, OpKey, light_time_s
from perfmodels.op_times.grid import BoolArray, GridAxis, GridModel
from perfmodels.op_times.link import Algorithm, LinkModel, collective_time_s

# --- Fits perfmodels.op_times.link to measured times.


# Natural logs: latency [s], time of a further rank [s], fraction of the link; and crowding as it is.
_LOW = (np.log(5e-7), np.log(1e-9), np.log(0.005), -0.5)
_HIGH = (np.log(1e-3), np.log(1e-4), np.log(2.5), 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Measured collectives inside one link domain; arrays of one length."""

    message_bytes: FloatArray
    group: FloatArray
    time_s: FloatArray


def fit_link_model(operation: str, timings: Timings, link: Link) -> LinkModel:
    """The algorithms whose quickest comes closest to the logs of the measured times.

    Large errors count linearly. Raises ValueError for fewer than eight rows or times that are not
    positive.
    """
    if timings.time_s.size < 8 or not np.all(timings.time_s > 0):
        raise ValueError(f"a link model needs eight positive times, got {timings.time_s.size} rows")
    target = np.log(timings.time_s)

    def errors(theta: FloatArray) -> FloatArray:
        model = _model(operation, theta)
        predicted = collective_time_s(model, timings.message_bytes, timings.group, link)
        rest: FloatArray = np.log(predicted) - target
        return np.concatenate([rest, 0.02 * (theta - _start(timings, 1.0))])

    bounds = (np.tile(_LOW, 3), np.tile(_HIGH, 3))
    fits = [
        least_squares(
            errors, np.clip(_start(timings, spread), *bounds), bounds=bounds, loss="soft_l1", f_scale=0.1
        )
        for spread in (1.0, 2.0)
    ]
    return _model(operation, min(fits, key=lambda fit: float(fit.cost)).x)


def _start(timings: Timings, spread: float) -> FloatArray:
    """Three algorithms from the least time upwards: quick to start and slow, to slow to start and quick."""
    least = float(np.log(timings.time_s.min()))
    rows = []
    for position, fraction in enumerate((0.3, 0.5, 0.75)):
        rows.append((least + position * 0.7 * spread, least - 3.0, np.log(fraction), 0.0))
    return np.asarray(rows).ravel()


def _model(operation: str, theta: FloatArray) -> LinkModel:
    ways = [
        Algorithm(
            latency_s=float(np.exp(row[0])),
            peer_s=float(np.exp(row[1])),
            bandwidth_frac=float(np.exp(row[2])),
            crowding=float(row[3]),
            one_shot=operation == "all_reduce" and position == 0,
        )
        for position, row in enumerate(theta.reshape(3, 4))
    ]
    return LinkModel(operation=operation, algorithms=tuple(ways))


# --- From the measured rows of one operator on one GPU to its model, with an honest score.
# Rows whose time is the host's launching, not the kernel's running, are left out: below a floor that
# stays the same while the work changes, a table says nothing about the GPU.


_TINY_S = 2e-6  # rows whose speed of light is below this show the floor
_ABOVE_FLOOR = 1.6  # rows within this factor of the floor are launch-bound
_FILL_WEIGHT = 0.05
HOLD_OUT_FRAC = 0.2
MIN_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """A model of the same operator that stands in where the own table is launch-bound."""

    model: OperatorModel
    label: str


def launch_bound(rows: pd.DataFrame, light_s: FloatArray, floor_s: float) -> BoolArray:
    """Which rows timed the host's launches, shape [n]; judged kernel by kernel.

    floor_s: kernels whose least time exceeds it were launched one by one from Python.
    """
    time = rows["time_s"].to_numpy()
    found = np.zeros(len(rows), dtype=bool)
    for kernel in rows["kernel"].unique():
        mine = (rows["kernel"] == kernel).to_numpy()
        tiny = mine & (light_s < _TINY_S)
        if tiny.sum() < MIN_ROWS:
            continue
        floor = float(np.quantile(time[tiny], 0.05))
        if floor > floor_s:
            found |= mine & (time < _ABOVE_FLOOR * floor) & (light_s < 0.5 * time)
    return found


def shape_ids(rows: pd.DataFrame, family: OpFamily) -> NDArray[np.intp]:
    """A number per row, equal for rows of the same shape."""
    return np.asarray(rows.groupby(list(family.shape_dims), sort=True).ngroup(), dtype=np.intp)


def held_out(rows: pd.DataFrame, family: OpFamily, seed: int = 0) -> BoolArray:
    """A fifth of the shapes, whole; empty where there are fewer than five."""
    ids = shape_ids(rows, family)
    count = int(ids.max()) + 1
    if count < 5:
        return np.zeros(len(rows), dtype=bool)
    chosen = np.random.default_rng(seed).permutation(count)[: max(1, round(count * HOLD_OUT_FRAC))]
    return np.isin(ids, chosen)


def sizes(rows: pd.DataFrame, family: OpFamily) -> dict[str, FloatArray]:
    """The family's sizes as arrays of floats."""
    return {name: rows[name].to_numpy(dtype=np.float64) for name in family.dims}


def fit_operator(
    rows: pd.DataFrame,
    family: OpFamily,
    key: OpKey,
    device: Device,
    filler: Filler | None = None,
) -> OperatorModel | None:
    """Model of `rows` (columns version, kernel, time_s and the sizes), scored on shapes held out.

    None where hardly a row timed the kernel and `filler` says it better.
    """
    kept, missing, cached = _sorted_rows(rows, family, key, device, filled=filler is not None)
    if len(kept) < MIN_ROWS:
        return None
    out = held_out(kept, family)
    model = OperatorModel(
        key=key,
        version=str(rows["version"].iloc[0]),
        grid=_grid(kept, family, missing, filler),
        rows=len(kept),
        launch_bound_rows=len(missing),
        cached_rows=cached,
        filled_from=filler.label if filler and len(missing) else "",
    )
    if not out.any():
        return model
    scored = replace(model, grid=_grid(kept[~out], family, missing, filler))
    error = relative_errors(scored, family, kept[out], device)
    return replace(
        model,
        held_out_mdape=float(np.median(np.abs(error))),
        held_out_p90=float(np.quantile(np.abs(error), 0.9)),
    )


def measured_rows(
    rows: pd.DataFrame, family: OpFamily, key: OpKey, device: Device, *, filled: bool
) -> pd.DataFrame:
    """The rows that timed the kernel on data from memory; launch-bound ones stay unless `filled`."""
    return _sorted_rows(rows, family, key, device, filled=filled)[0]


def _sorted_rows(
    rows: pd.DataFrame, family: OpFamily, key: OpKey, device: Device, *, filled: bool
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Rows to fit, launch-bound rows, and how many were served from a cache."""
    light = light_time_s(family.work(sizes(rows, family), key.variant), family.compute(key.variant), device)
    bound = launch_bound(rows, light, family.host_floor_s)
    if not filled:
        bound = np.zeros(len(rows), dtype=bool)  # nothing better is known; the report shows the floor
    cached = (rows["time_s"].to_numpy() < light) & ~bound
    if (~bound & ~cached).sum() < MIN_ROWS:
        cached = np.zeros(len(rows), dtype=bool)
    return rows[~bound & ~cached], rows[bound], int(cached.sum())


def relative_errors(model: OperatorModel, family: OpFamily, rows: pd.DataFrame, device: Device) -> FloatArray:
    """Predicted over measured minus one, shape [n]."""
    dims = sizes(rows, family)
    light = light_time_s(family.work(dims, model.key.variant), family.compute(model.key.variant), device)
    error: FloatArray = model.time_s(family, dims, light) / rows["time_s"].to_numpy() - 1.0
    return error


def _grid(kept: pd.DataFrame, family: OpFamily, missing: pd.DataFrame, filler: Filler | None) -> GridModel:
    dims, time = sizes(kept, family), kept["time_s"].to_numpy()
    weight = np.ones(len(kept))
    if filler is not None and len(missing):
        extra = sizes(missing, family)
        standin = filler.model.grid.time_s(family.coordinates(extra))
        # the kernel cannot have been slower than the launch-bound measurement
        time = np.concatenate([time, np.minimum(standin, missing["time_s"].to_numpy())])
        dims = {name: np.concatenate([dims[name], extra[name]]) for name in family.dims}
        weight = np.concatenate([weight, np.full(len(missing), _FILL_WEIGHT)])
    coordinates = [np.asarray(c, dtype=np.float64) for c in family.coordinates(dims)]
    axes = trimmed_axes(family.axes, coordinates)
    return fit_grid(axes, coordinates, time, weight=weight, settings=GridFit())


def trimmed_axes(axes: tuple[GridAxis, ...], coordinates: list[FloatArray]) -> tuple[GridAxis, ...]:
    """The axes without knots beyond what was measured: nothing holds a surface there.

    One knot is kept on either side of the outermost values; an axis of a single value keeps that.
    """
    found = []
    for axis, column in zip(axes, coordinates, strict=True):
        low, high = float(column.min()), float(column.max())
        if high <= low * 1.001:
            found.append(replace(axis, knots=(low,)))
            continue
        inside = [knot for knot in axis.knots if low * 0.999 <= knot <= high * 1.001]
        below = [knot for knot in axis.knots if knot < low * 0.999][-1:]
        above = [knot for knot in axis.knots if knot > high * 1.001][:1]
        edge_low = below if not inside or inside[0] > low * 1.001 else []
        edge_high = above if not inside or inside[-1] < high * 0.999 else []
        knots = (*edge_low, *inside, *edge_high)
        found.append(replace(axis, knots=knots if len(knots) > 1 else (low, high)))
    return tuple(found)
