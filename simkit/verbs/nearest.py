"""The measured run most like a question: how it was served and driven, beside our prediction for that run."""

import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from simkit.catalog.evidence import RUNS
from simkit.catalog.runs import PROTOCOLS
from simkit.closed_form.one_deployment import SingleEstimate
from simkit.core.workload import Workload
from simkit.engines.engine_model import NearestRun
from simkit.explain.procedures import procedure_words
from simkit.io.paths import data_dir

_ALIKE = 1e-4  # stored runs are single precision


def with_measured_run(document: Mapping[str, Any], result: SingleEstimate) -> dict[str, Any]:
    """The document of an estimate, its nearest run as it was served and driven, beside its own prediction."""
    row = None if result.nearest is None else _row(result.nearest)
    if row is None:
        return dict(document)
    return {
        **document,
        "nearest_run": {**document["nearest_run"], **_served(row), "predicted": _predicted(row)},
    }


def _row(found: NearestRun) -> dict[str, str] | None:
    """The run's row in the shipped table; None where the calibration was made of other runs."""
    path = data_dir() / RUNS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        row = next(islice(csv.DictReader(file), found.index, None), None)
    same = row is not None and all(
        math.isclose(float(row[f"{name}_ms_mean"] or 0.0), 1e3 * value, rel_tol=_ALIKE)
        for name, value in (("ttft", found.ttft_s), ("itl", found.itl_s))
    )
    return row if same else None


def _served(row: Mapping[str, str]) -> dict[str, str]:
    named = [row[name].replace("bfloat", "bf") for name in ("gemm_dtype", "moe_dtype") if row[name]]
    formats = dict.fromkeys(named or [row["precision"]])
    load = Workload(
        isl_tokens=int(row["isl_tokens"]),
        osl_tokens=int(row["osl_tokens"]),
        concurrency=float(row["concurrency"]),
    )
    slots = PROTOCOLS.get(row["protocol"], PROTOCOLS["steady"]).requests_per_slot
    load = replace(load, requests_per_slot=None if slots is None else float(slots))
    return {
        "format": "/".join(formats),
        "version": row["backend_version"],
        "procedure": procedure_words(load),
    }


def _predicted(row: Mapping[str, str]) -> dict[str, float | None]:
    """What `predict` says of the run."""
    import pandas as pd

    from simkit.verbs.predict import predict_table

    given = {name: value or None for name, value in row.items()}
    out = predict_table(pd.DataFrame([given])).iloc[0]
    return {f"{name}_ms": float(out[f"predicted_{name}_ms_mean"]) for name in ("ttft", "itl")}
