"""The shipped artifacts: factors of each engine, how far predictions have been off, on which runs."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from perfmodels.efficiency import Efficiency
from perfmodels.intervals import ErrorModel
from simkit.core.errors import InputError
from simkit.core.problem import Domain
from simkit.io.paths import data_dir

ERRORS = "calibration/errors.json"
FACTORS = "calibration/factors.json"


@lru_cache(maxsize=4)
def artifact(name: str) -> Mapping[str, Any]:
    """An artifact under data/ as parsed."""
    path = data_dir() / name
    try:
        document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable artifact ({error}); run `make calibrate`") from error
    return document


@lru_cache(maxsize=8)
def efficiency(backend: str) -> Efficiency:
    """Factors fitted for one engine; unknown engines get the plain defaults."""
    return Efficiency(**artifact(FACTORS)["engines"].get(backend, {}))


@lru_cache(maxsize=1)
def error_models() -> dict[str, ErrorModel]:
    """Error models by metric: ttft, itl, e2e."""
    try:
        return {
            name: ErrorModel(
                levels=tuple(entry["levels"]),
                log_ratios=tuple(entry["log_ratios"]),
                num_groups=int(entry["num_groups"]),
                beyond_scale=float(entry.get("beyond_scale", 1.0)),
            )
            for name, entry in artifact(ERRORS)["metrics"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{data_dir() / ERRORS}: malformed error artifact ({error}); run `make calibrate`"
        ) from error


@lru_cache(maxsize=1)
def measured_domain() -> Domain:
    """(GPU, backend, architecture class) triples that measured runs cover."""
    rows = artifact(ERRORS).get("domain", ())
    return frozenset((str(gpu), str(backend), str(kind)) for gpu, backend, kind in rows)
