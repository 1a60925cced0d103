"""The shipped error artifact: how far predictions have been off, and which runs that rests on."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from perfmodels.intervals import ErrorModel
from simkit.core.errors import InputError
from simkit.core.problem import Domain
from simkit.io.paths import data_dir

FILE = "calibration/errors.json"


@lru_cache(maxsize=1)
def error_artifact() -> Mapping[str, Any]:
    """data/calibration/errors.json as parsed."""
    path = data_dir() / FILE
    try:
        document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable error artifact ({error}); run `make reports`") from error
    return document


@lru_cache(maxsize=1)
def error_models() -> dict[str, ErrorModel]:
    """Error models by metric: ttft, itl, e2e."""
    try:
        return {
            name: ErrorModel(
                levels=tuple(entry["levels"]),
                log_ratios=tuple(entry["log_ratios"]),
                num_groups=int(entry["num_groups"]),
            )
            for name, entry in error_artifact()["metrics"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{data_dir() / FILE}: malformed error artifact ({error}); run `make reports`"
        ) from error


@lru_cache(maxsize=1)
def measured_domain() -> Domain:
    """(GPU, backend, architecture class) triples that measured runs cover."""
    rows = error_artifact().get("domain", ())
    return frozenset((str(gpu), str(backend), str(kind)) for gpu, backend, kind in rows)
