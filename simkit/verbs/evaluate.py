"""Predictions for tables of deployments, and their errors against measurements."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.scoring import error_summary, interval_coverage
from simkit.catalog.runs import MEASURED, numbers, refuse_seconds, with_measured_numbers
from simkit.core.errors import InputError, unknown_name
from simkit.core.user_calibration import OwnCalibration
from simkit.verbs.predict import Adjust, predict_table

if TYPE_CHECKING:
    import pandas as pd

_THROUGHPUT = "output_tokens_per_s_per_gpu"


def with_predictions(
    frame: "pd.DataFrame", *, own: OwnCalibration | None = None, adjust: Adjust | None = None
) -> "pd.DataFrame":
    """The table's own columns followed by the predicted ones (`own`, `adjust` as in predict_table)."""
    import pandas as pd

    predicted = predict_table(frame, own=own, adjust=adjust)
    return pd.concat([frame.reset_index(drop=True), predicted.drop(columns="run_id")], axis=1)


def evaluate_table(
    frame: "pd.DataFrame", by: Sequence[str] = (), own: OwnCalibration | None = None
) -> dict[str, Any]:
    """Errors of predictions for a measured table, per partition of the columns `by`."""
    missing = [name for name in MEASURED if name not in frame.columns]
    if missing:
        raise InputError(f"the table lacks the measured column {', '.join(missing)}; `predict` needs none")
    frame = with_measured_numbers(frame)
    refuse_seconds(frame)
    return evaluation(with_predictions(frame, own=own), by)


def evaluation(joined: "pd.DataFrame", by: Sequence[str] = ()) -> dict[str, Any]:
    """The document of `evaluate --format json` from a table that holds both sides."""
    for name in by:
        if name not in joined.columns:
            raise unknown_name("column", name, [str(column) for column in joined.columns])
    covered = joined[_usable(joined)]
    groups = [({}, covered)] if not by else _partitions(covered, by)
    return {
        "rows": len(joined),
        "covered": len(covered),
        "by": [{"partition": key, "rows": len(part), **_errors(part)} for key, part in groups],
    }


def _usable(joined: "pd.DataFrame") -> "pd.Series[bool]":
    measured = (joined[list(MEASURED)] > 0).all(axis=1)
    return (joined["error"] == "") & measured


def _partitions(covered: "pd.DataFrame", by: Sequence[str]) -> list[tuple[dict[str, Any], "pd.DataFrame"]]:
    grouped = covered.groupby(list(by), dropna=False, sort=True, observed=True)
    return [
        ({name: _plain(value) for name, value in zip(by, key, strict=True)}, part) for key, part in grouped
    ]


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def measured_throughput(frame: "pd.DataFrame") -> FloatArray:
    """Output tokens per second and GPU that the measured means imply for a closed loop.

    Every slot delivers OSL tokens in TTFT + (OSL - 1) ITL.
    """
    column = {name: numbers(frame, name) for name in (*MEASURED, "osl_tokens", "concurrency")}
    seconds = 1e-3 * (column[MEASURED[0]] + (column["osl_tokens"] - 1.0) * column[MEASURED[1]])
    gpus = numbers(frame, "num_gpus")
    implied: FloatArray = column["concurrency"] * column["osl_tokens"] / seconds / gpus
    return implied


def _errors(part: "pd.DataFrame") -> dict[str, Any]:
    found: dict[str, Any] = {}
    coverage = {}
    for metric in ("ttft", "itl"):
        measured = part[f"{metric}_ms_mean"].to_numpy(dtype=np.float64)
        predicted, low, high = (
            part[f"predicted_{metric}_ms_{side}"].to_numpy(dtype=np.float64) for side in ("mean", "lo", "hi")
        )
        found[metric] = _summary(predicted, measured)
        coverage[metric] = interval_coverage(measured, low, high) if len(part) else None
    if "num_gpus" in part.columns:
        predicted = part[f"predicted_{_THROUGHPUT}"].to_numpy(dtype=np.float64)
        found[_THROUGHPUT] = _summary(predicted, measured_throughput(part))
    return {**found, "coverage90": coverage}


def _summary(predicted: FloatArray, measured: FloatArray) -> dict[str, float | None]:
    names = ("mdape", "mape", "bias", "p90", "rank")
    known = np.isfinite(measured) & (measured > 0)
    if not known.any():
        return dict.fromkeys(names)
    summary = error_summary(predicted[known], measured[known])
    values = {name: getattr(summary, name) for name in names}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
