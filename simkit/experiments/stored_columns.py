"""Datasets that come back from disk: every column holds what its name says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.core.errors import InputError
from simkit.experiments.columns import METRICS, POINT, PREFIX, Kind, dataset_columns
from simkit.io.frames import read_frame

if TYPE_CHECKING:
    import pandas as pd

_WORDS: dict[Kind, str] = {"whole": "a whole number", "number": "a number", "flag": "true or false"}


def _kinds() -> dict[str, Kind]:
    """What every column of every kind of dataset holds."""
    numbers: dict[str, Kind] = {f"{prefix}{name}": "number" for prefix in PREFIX.values() for name in METRICS}
    return {**POINT, **numbers, **dataset_columns("predict")}


def read_stored(path: Path, remedy: str, columns: list[str] | None = None) -> "pd.DataFrame":
    """The points of a file. Raises InputError where columns are missing or hold something else."""
    frame = read_frame(path, remedy, columns)
    kinds = _kinds()
    for name in columns or ("point", "error"):
        if name not in frame:
            raise InputError(f"{path}: column {name} missing; {remedy}")
    for name in frame.columns:
        kind = kinds.get(str(name), "text")
        if kind != "text":
            _check(frame[name], kind, f"{path}: column {name}", remedy)
    if "error" in frame:
        frame["error"] = frame["error"].astype(object).where(frame["error"].notna(), "").map(str)
    return frame


def _check(values: "pd.Series[Any]", kind: Kind, where: str, remedy: str) -> None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_bool_dtype(values.dtype) if kind == "flag" else is_numeric_dtype(values.dtype):
        return
    known = values[values.notna()]
    fits = known.map(lambda value: isinstance(value, bool)) if kind == "flag" else known.map(lambda _: False)
    if not fits.all():
        row, value = known.index[~fits][0], known[~fits].iloc[0]
        raise InputError(f"{where}, row {int(row) + 1}: expected {_WORDS[kind]}, got {value!r:.60}; {remedy}")
