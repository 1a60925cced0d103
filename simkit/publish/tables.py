"""The report of a table of measured runs beside their predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.catalog.runs import MEASURED, numbers, read_table, refuse_seconds, with_measured_numbers
from simkit.core.errors import InputError
from simkit.reports.pages import Page
from simkit.reports.views.accuracy import accuracy_page
from simkit.verbs.evaluate import evaluation, with_predictions

if TYPE_CHECKING:
    import pandas as pd

PARTITIONS = {"GPU": ["gpu"], "engine": ["backend"], "model": ["model"], "mode": ["mode"]}
_KEPT = (
    "run_id",
    "model",
    "gpu",
    "backend",
    "num_gpus",
    "isl_tokens",
    "osl_tokens",
    "concurrency",
    "in_domain",
)
_SIZES = ("num_gpus", "isl_tokens", "osl_tokens", "concurrency")
_OF_A_RUN = ("run_id", "measured_at", "origin", "flags", "error", "in_domain", "sla_probability")
_RESULTS = ("predicted_", "ttft_ms", "itl_ms", "e2e_ms", "ttft_log_sd", "itl_log_sd")


def table_report(path: Path) -> Page:
    """The page of `evaluate` on a table. Raises InputError where nothing in it was measured."""
    frame = read_table(path)
    missing = [name for name in MEASURED if name not in frame.columns]
    if missing:
        raise InputError(
            f"{path}: no column {missing[0]}, so nothing to compare with; `simkit predict` needs none"
        )
    frame = with_measured_numbers(frame)
    refuse_seconds(frame)
    return joined_page(path.name, with_predictions(frame), f"simkit report {path} -o out/report")


def joined_page(
    name: str, joined: "pd.DataFrame", command: str, by: Mapping[str, Sequence[str]] = PARTITIONS
) -> Page:
    """The page of a table that holds both sides."""
    known = {title: [c for c in columns if c in joined] for title, columns in by.items()}
    evaluations = {"all": evaluation(joined)}
    for title, columns in known.items():
        if columns and joined[columns].drop_duplicates().shape[0] > 1:
            evaluations[title] = evaluation(joined, columns)
    return accuracy_page(name, measured_rows(joined), evaluations, command)


def measured_rows(joined: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows that were measured and predicted, with the spread of repeats of the same run."""
    from pandas.api.types import is_numeric_dtype

    usable = joined[(joined["error"] == "") & (joined[list(MEASURED)] > 0).all(axis=1)].reset_index(drop=True)
    for name in (name for name in _SIZES if name in usable and not is_numeric_dtype(usable[name].dtype)):
        usable[name] = numbers(usable, name)  # texts since another row has one that is no number
    found = {name: usable[name].tolist() for name in _KEPT if name in usable}
    if "run_id" not in found:
        found["run_id"] = [f"row {i + 1}" for i in range(len(usable))]
    for metric in ("ttft", "itl"):
        found[metric] = _numbers(usable[f"{metric}_ms_mean"])
        found[f"predicted_{metric}"] = _numbers(usable[f"predicted_{metric}_ms_mean"])
        for end in ("lo", "hi"):
            found[f"{metric}_{end}"] = _numbers(usable[f"predicted_{metric}_ms_{end}"])
        found |= _repeats(usable, metric)
    rows = [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    return [row for row in rows if all(row[f"predicted_{metric}"] for metric in ("ttft", "itl"))]


def _repeats(usable: "pd.DataFrame", metric: str) -> dict[str, list[float | None]]:
    """The least and the most that repeats of a run gave; nothing where no run was repeated."""
    keys = [n for n in usable if n not in _OF_A_RUN and not str(n).startswith(_RESULTS)]
    groups = usable.groupby(keys, dropna=False)[f"{metric}_ms_mean"]
    often = groups.transform("size").to_numpy() > 1
    ends = {"lo": groups.transform("min").to_numpy(), "hi": groups.transform("max").to_numpy()}
    return {
        f"{metric}_repeat_{end}": [float(v) if many else None for v, many in zip(values, often, strict=True)]
        for end, values in ends.items()
    }


def _numbers(column: "pd.Series[Any]") -> list[float | None]:
    values = column.to_numpy(dtype=np.float64)
    return [float(value) if np.isfinite(value) else None for value in values]
