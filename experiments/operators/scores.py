"""How far fitted operator models are off: on shapes left out, on GPUs left out, beside interpolation."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

from perfmodels.arrays import FloatArray
from perfmodels.op_fit.operator import held_out, measured_rows, relative_errors, sizes
from perfmodels.op_times.family import OperatorModel, OpFamily
from perfmodels.op_times.grid import BoolArray
from perfmodels.op_times.learned import LearnedTimes
from simkit.calibrate.fit_operators import Cell
from simkit.catalog.gpus import gpu as load_gpu
from simkit.catalog.operators import link_models, operator_models, relatives

_MOST_POINTS = {1: 10**9, 2: 20_000, 3: 8_000, 4: 3_000}  # triangulating more takes minutes
_TRANSFER_ROWS = 4_000


def shipped_model(cell: Cell, folder: Path | None = None) -> OperatorModel | None:
    """The shipped model of a cell, if there is one."""
    return operator_models(cell.key.gpu, folder).get(cell.key)


def score_line(model: OperatorModel) -> dict[str, object]:
    """One line of the report: the model's record, with its errors on shapes left out of the fit."""
    return {
        "family": model.key.family, "gpu": model.key.gpu, "engine": model.key.engine,
        "version": model.version, "variant": model.key.variant, "rows": model.rows,
        "launch_bound_rows": model.launch_bound_rows, "cached_rows": model.cached_rows,
        "knots": model.grid.log_time.size, "filled_from": model.filled_from,
        "held_out_median": model.held_out_mdape, "held_out_p90": model.held_out_p90,
        "interpolated_median": float("nan"), "interpolated_p90": float("nan"),
    }  # fmt: skip


def interpolated(cell: Cell, model: OperatorModel) -> dict[str, float]:
    """Errors of interpolating the table on the same shapes."""
    device = load_gpu(cell.key.gpu)
    kept = measured_rows(cell.rows, cell.family, cell.key, device, filled=bool(model.filled_from))
    out = held_out(kept, cell.family)
    if not out.any():
        return {}
    error = np.abs(interpolation_errors(kept, cell.family, out))
    return {
        "interpolated_median": float(np.median(error)),
        "interpolated_p90": float(np.quantile(error, 0.9)),
    }


def interpolation_errors(rows: pd.DataFrame, family: OpFamily, out: BoolArray) -> FloatArray:
    """Log-log linear interpolation (nearest outside the hull) over the family's coordinates, shape [out]."""
    coordinates = family.coordinates(sizes(rows, family))
    points = np.log2(np.column_stack([np.asarray(c, dtype=np.float64) for c in coordinates]))
    points = points[:, np.ptp(points, axis=0) > 0]
    time = np.log(rows["time_s"].to_numpy())
    known = pd.DataFrame(points[~out]).assign(time=time[~out]).groupby(list(range(points.shape[1])))["time"]
    table = known.median().reset_index()
    limit = _MOST_POINTS[points.shape[1]]
    if len(table) > limit:
        table = table.sample(limit, random_state=0)
    at, value = table.iloc[:, :-1].to_numpy(), table["time"].to_numpy()
    found = NearestNDInterpolator(at, value)(points[out])
    if points.shape[1] == 1:
        order = np.argsort(at[:, 0])
        found = np.interp(points[out][:, 0], at[order, 0], value[order])
    else:
        linear = LinearNDInterpolator(at, value)(points[out])
        found = np.where(np.isfinite(linear), linear, found)
    error: FloatArray = np.expm1(found - time[out])
    return error


def transfer_errors(cell: Cell) -> FloatArray:
    """Errors where the cell's GPU has no tables of its own: its nearest relatives answer, shape [rows]."""
    device = load_gpu(cell.key.gpu)
    others = tuple(item for item in relatives(device) if item.name != device.name)
    times = LearnedTimes(
        device=device, engine=cell.key.engine, gpus=others, catalogue=operator_models, links=link_models
    )
    kept = measured_rows(cell.rows, cell.family, cell.key, device, filled=True)
    rows = kept.sample(min(len(kept), _TRANSFER_ROWS), random_state=0)
    predicted = times.time_s(cell.family, cell.key.variant, sizes(rows, cell.family))
    if predicted is None:
        return np.array([])
    error: FloatArray = predicted / rows["time_s"].to_numpy() - 1.0
    return error


def worst_points(cell: Cell, model: OperatorModel, count: int = 3) -> Iterator[dict[str, object]]:
    """The rows with the largest errors, with their sizes."""
    device = load_gpu(cell.key.gpu)
    kept = measured_rows(cell.rows, cell.family, cell.key, device, filled=bool(model.filled_from))
    error = relative_errors(model, cell.family, kept, device)
    for i in np.argsort(-np.abs(np.log1p(error)))[:count]:
        row = kept.iloc[int(i)]
        yield {
            "cell": "/".join((cell.key.family, cell.key.gpu, cell.key.engine, cell.key.variant)),
            "sizes": ", ".join(f"{name} {row[name]:g}" for name in cell.family.dims),
            "measured_us": float(row["time_s"]) * 1e6,
            "predicted_us": float(row["time_s"]) * 1e6 * (1.0 + float(error[i])),
        }
