"""A user's calibration on disk: the observations themselves, so that more can be added later."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.user_runs import APART, FEATURES
from simkit.catalog.calibrations import ERRORS, artifact
from simkit.catalog.runs import numbers
from simkit.closed_form.estimates import doubts_of
from simkit.core.errors import InputError
from simkit.core.user_calibration import Observation, OwnCalibration, calibration_of
from simkit.formats.faults import first_fault, shown
from simkit.io.reading import Bounds, read_json_object, read_text
from simkit.io.yamlio import write_text_atomic

if TYPE_CHECKING:
    import pandas as pd

KIND = "simkit.own_calibration"
NO_CALIBRATION = "none"
_MARK, _HASH = "@", 16
_MOST_GPUS = 1e6  # of an engine; a row with more has no prediction
_FILE = Bounds(remedy="make one by simkit fit --own")
VERSION = 2  # 2: with how unsure the prediction was


def write_own(path: Path, own: OwnCalibration) -> None:
    """Write the calibration; it names the shipped model it corrects."""
    document = {
        "kind": KIND,
        "version": VERSION,
        "corrects": str(artifact(ERRORS).get("sha256", "none"))[:12],
        "observations": [asdict(item) for item in own.observations],
    }
    write_text_atomic(path, json.dumps(document, indent=1) + "\n", private=True)


def named_calibration(own: OwnCalibration, folder: Path) -> str | None:
    """The file of a calibration as a document in the folder names it, with a hash of what it holds."""
    if not own.path:
        return None
    return pinned(os.path.relpath(own.path, folder), own.sha256)


def pinned(path: str, content: str) -> str:
    """A file as it is named where it must not change."""
    return f"{path}{_MARK}{content}"


def named_from(folder: Path, text: str) -> str:
    """What a document in the folder names, from here. Raises InputError where the name says no content."""
    if not _named(text)[1]:
        raise InputError(
            f"calibration {text[:80]!r}: names no content, expected own.json{_MARK}HASH; correct "
            "simkit.io/asked, or give --calibration FILE"
        )
    return os.path.normpath(folder / text)


def _named(text: str) -> tuple[str, str]:
    """The path, and the hash behind it where there is one."""
    path, mark, content = text.rpartition(_MARK)
    known = mark and len(content) == _HASH and set(content) <= set("0123456789abcdef")
    return (path, content) if known else (text, "")


def read_own(path: str | Path) -> OwnCalibration:
    """The calibration in a file; FILE@HASH is one that a deployment remembers.

    Raises InputError where it is none, holds other than the hash says, corrects another version of the
    shipped model than is installed, or was made from mocked engines.
    """
    name, content = _named(str(path))
    place = Path(name)
    if content:
        _check_content(place, content)
    document = read_json_object(place, _FILE)
    if document.get("kind") != KIND or document.get("version") != VERSION:
        raise InputError(f"{place}: no calibration of one's own runs; make one by simkit fit --own")
    shipped = str(artifact(ERRORS).get("sha256", "none"))[:12]
    corrected = document.get("corrects")
    if corrected != shipped:
        raise InputError(
            f"{place}: corrects model {shown(corrected)}, and {shipped!r} is installed; fit it again"
        )
    if document.get("mocked"):
        raise InputError(f"{place}: made from mocked engines, says nothing of GPUs; measure real ones")
    try:
        found = _Stored.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise InputError(f"{place}: damaged calibration ({first_fault(error)}); fit it again") from error
    known = calibration_of([Observation(**item.model_dump()) for item in found.observations])
    return replace(known, path=str(place), sha256=content_hash(place))


def content_hash(path: Path) -> str:
    """What tells one content of a file from another. Raises InputError where it cannot be read."""
    return hashlib.sha256(read_text(path).encode()).hexdigest()[:_HASH]


def _check_content(place: Path, content: str) -> None:
    remedy = f"put it back, or name one: --calibration FILE, or {NO_CALIBRATION} to ask without"
    if not place.is_file():
        raise InputError(f"{place}: the calibration this was made with is not there; {remedy}")
    if content_hash(place) != content:
        raise InputError(f"{place}: holds other runs than when this was made with it; {remedy}")


_MOST_FEATURE = 1e12
_Metric = Literal["ttft", "itl"]


class _StoredObservation(BaseModel):
    """One observation of the file; the bounds are far beyond any measurement, and no sum overflows."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    features: tuple[Annotated[float, Field(gt=0, lt=_MOST_FEATURE)], ...] = Field(
        min_length=len(FEATURES), max_length=len(FEATURES)
    )
    log_ratios: dict[_Metric, Annotated[float, Field(gt=-30, lt=30)]] = Field(min_length=1)
    doubts: dict[_Metric, Annotated[float, Field(gt=0, lt=30)]]
    source: str = ""

    @model_validator(mode="after")
    def _doubts_of_all(self) -> "_StoredObservation":
        if not set(self.log_ratios) <= set(self.doubts):
            raise ValueError("a log ratio without its doubt")
        return self


class _Stored(BaseModel):
    """The file."""

    observations: list[_StoredObservation]


def table_features(joined: "pd.DataFrame") -> Any:
    """Features [n, k] of a table with predictions; rows without one have not-a-number."""
    import numpy as np

    apart = (joined["mode"] == "disagg").to_numpy() if "mode" in joined else np.zeros(len(joined), dtype=bool)
    gpus = np.where(apart, _engine_gpus(joined, "decode_"), _engine_gpus(joined, ""))
    columns = [
        numbers(joined, "concurrency"),
        numbers(joined, "isl_tokens"),
        numbers(joined, "osl_tokens"),
        joined["predicted_ttft_ms_mean"] * 1e-3,
        joined["predicted_itl_ms_mean"] * 1e-3,
        gpus,
        np.where(apart, APART, 1.0),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def table_doubts(joined: "pd.DataFrame", metric: str) -> FloatArray:
    """How unsure each row's prediction of a metric is, as the standard deviation of its log [n]."""
    import numpy as np

    low, high = (joined[f"predicted_{metric}_ms_{side}"].to_numpy(dtype=np.float64) for side in ("lo", "hi"))
    return doubts_of(low, high)


def _engine_gpus(joined: "pd.DataFrame", prefix: str) -> FloatArray:
    """GPUs of one engine; columns that are absent or empty count as one."""
    import numpy as np

    product = np.ones(len(joined))
    for name in ("tp", "pp", "attn_dp"):
        if f"{prefix}{name}" in joined:
            sizes = numbers(joined, f"{prefix}{name}")
            product *= np.where(np.isfinite(sizes) & (sizes < _MOST_GPUS), sizes, 1.0)
    return product


def observations_of_table(joined: "pd.DataFrame") -> list[Observation]:
    """One observation per row that was both predicted and measured."""
    import numpy as np

    features = table_features(joined)
    unsure = {name: table_doubts(joined, name) for name in ("ttft", "itl")}
    found = []
    for position, row in enumerate(joined.to_dict("records")):
        ratios = {
            name: float(np.log(row[f"{name}_ms_mean"] / row[f"predicted_{name}_ms_mean"]))
            for name in ("ttft", "itl")
            if row.get(f"{name}_ms_mean", 0) > 0 and row[f"predicted_{name}_ms_mean"] > 0
        }
        if ratios and np.all((features[position] > 0) & (features[position] < _MOST_FEATURE)):
            doubts = {name: float(unsure[name][position]) for name in ratios}
            source = str(row.get("run_id", position))
            found.append(
                Observation(
                    features=tuple(features[position]), log_ratios=ratios, doubts=doubts, source=source
                )
            )
    return found
