"""The shipped artifacts: engine factors, past errors and residuals of measured runs, on disk."""

import io
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from perfmodels.efficiency import Efficiency
from perfmodels.uncertainty.intervals import ErrorModel
from perfmodels.uncertainty.residual_gp import Kriging
from simkit.closed_form.problem import Domain
from simkit.core.errors import InputError
from simkit.engines.engine_model import KIN, LEVELS, METRICS, MeasuredRuns, Residuals
from simkit.engines.registry import engine_spec
from simkit.io.frames import read_arrays
from simkit.io.paths import data_dir
from simkit.io.reading import DAMAGE, Bounds, parse_json, read_json_object
from simkit.io.yamlio import write_bytes_atomic

# --- The shipped artifacts: factors of each engine, how far predictions have been off, on which runs.


_ARTIFACT = Bounds(most=50_000_000, remedy="run `make calibrate`")
ERRORS = "calibration/errors.json"
FACTORS = "calibration/factors.json"


@lru_cache(maxsize=4)
def artifact(name: str) -> Mapping[str, Any]:
    """An artifact under data/ as parsed."""
    return read_json_object(data_dir() / name, _ARTIFACT)


@lru_cache(maxsize=8)
def efficiency(backend: str) -> Efficiency:
    """Factors fitted for one engine, or for the one that it borrows them from."""
    try:
        return Efficiency(**artifact(FACTORS)["engines"].get(engine_spec(backend).fitted_as, {}))
    except DAMAGE as error:
        raise InputError(f"{data_dir() / FACTORS}: damaged ({error}); {_ARTIFACT.remedy}") from error


@lru_cache(maxsize=1)
def error_models() -> dict[str, ErrorModel]:
    """Error models by metric: ttft, itl, e2e."""
    try:
        return {
            name: ErrorModel(
                levels=tuple(entry["levels"]),
                log_ratios=tuple(entry["log_ratios"]),
                num_groups=int(entry["num_groups"]),
                beyond_ratios=tuple(entry.get("beyond_ratios", ())),
            )
            for name, entry in artifact(ERRORS)["metrics"].items()
        }
    except DAMAGE as error:
        raise InputError(
            f"{data_dir() / ERRORS}: malformed error artifact ({error}); {_ARTIFACT.remedy}"
        ) from error


@lru_cache(maxsize=1)
def measured_domain() -> Domain:
    """What measured runs cover."""
    found = artifact(ERRORS)
    try:
        return Domain(
            places=frozenset((str(gpu), str(kind), str(name)) for gpu, kind, name in found.get("domain", ())),
            families=frozenset(map(str, found.get("families", ()))),
            widest=float(found.get("widest_engine_gpus", math.inf)),
        )
    except DAMAGE as error:
        raise InputError(f"{data_dir() / ERRORS}: damaged ({error}); {_ARTIFACT.remedy}") from error


# --- Residuals of measured runs on disk: one npz of plain arrays, nothing pickled.


RESIDUALS = "calibration/residuals.npz"


@lru_cache(maxsize=2)
def shipped_residuals() -> Residuals:
    """The residuals that predictions are corrected by."""
    return read_residuals(data_dir() / RESIDUALS)


def write_residuals(path: Path, residuals: Residuals, provenance: Mapping[str, object]) -> None:
    """Write whole or not at all; the same content gives the same bytes."""
    meta: dict[str, object] = {"provenance": dict(provenance), "noise": dict(residuals.noise)}
    first = residuals.models[METRICS[0]]
    arrays: dict[str, np.ndarray] = {"features": first.features.astype(np.float32)}
    for level in LEVELS:
        arrays[f"codes_{level}"] = np.asarray(first.codes[level], dtype=np.int16)
    meta["labels"] = list(residuals.runs.labels)
    arrays["ttft_s"] = residuals.runs.ttft_s.astype(np.float32)
    arrays["itl_s"] = residuals.runs.itl_s.astype(np.float32)
    meta["vocabulary"] = {level: list(first.vocabulary[level]) for level in LEVELS}
    amplitudes = {}
    for metric, model in residuals.models.items():
        arrays[f"residuals_{metric}"] = model.residuals.astype(np.float32)
        arrays[f"noise_{metric}"] = model.noise.astype(np.float32)
        arrays[f"weights_{metric}"] = model.weights.astype(np.float32)
        amplitudes[metric] = {level: list(pair) for level, pair in model.amplitudes.items()}
    meta["amplitudes"] = amplitudes
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(sorted(arrays.items())))  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, buffer.getvalue())


def read_residuals(path: Path) -> Residuals:
    """Residuals from a file; raises InputError when it is not one."""
    arrays = read_arrays(path, _ARTIFACT.remedy)
    try:
        meta = parse_json(str(arrays["meta"]), str(path), _ARTIFACT)
        models = {metric: _model(arrays, meta, metric) for metric in METRICS}
        return Residuals(
            models=models,
            noise={name: float(meta["noise"][name]) for name in METRICS},
            runs=_runs(arrays, meta),
        )
    except DAMAGE as error:
        raise InputError(
            f"{path}: not a readable residual artifact ({error}); run `make calibrate`"
        ) from error


def _runs(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> MeasuredRuns:
    return MeasuredRuns(
        labels=tuple(map(str, meta["labels"])),
        ttft_s=arrays["ttft_s"].astype(np.float64),
        itl_s=arrays["itl_s"].astype(np.float64),
    )


def _model(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], metric: str) -> Kriging:
    amplitudes = meta["amplitudes"][metric]
    return Kriging(
        features=arrays["features"].astype(np.float64),
        residuals=arrays[f"residuals_{metric}"].astype(np.float64),
        noise=arrays[f"noise_{metric}"].astype(np.float64),
        codes={level: arrays[f"codes_{level}"].astype(np.int64) for level in LEVELS},
        vocabulary={level: tuple(map(str, meta["vocabulary"][level])) for level in LEVELS},
        kin=KIN,
        weights=arrays[f"weights_{metric}"].astype(np.float64),
        amplitudes={level: (float(amplitudes[level][0]), float(amplitudes[level][1])) for level in LEVELS},
    )
