"""The shipped error models: how far predictions of each metric have been off."""

import json
from functools import lru_cache

from perfmodels.intervals import ErrorModel
from simkit.core.errors import InputError
from simkit.io.paths import data_dir

FILE = "calibration/errors.json"


@lru_cache(maxsize=1)
def error_models() -> dict[str, ErrorModel]:
    """Error models by metric (ttft, itl, e2e), read from data/calibration/errors.json."""
    path = data_dir() / FILE
    try:
        document = json.loads(path.read_text())
        return {name: _model(entry) for name, entry in document["metrics"].items()}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable error artifact ({error}); run `make reports` again"
        ) from error


def _model(entry: dict[str, list[float]]) -> ErrorModel:
    return ErrorModel(
        levels=tuple(entry["levels"]),
        log_ratios=tuple(entry["log_ratios"]),
        num_groups=int(entry["num_groups"]),  # type: ignore[call-overload]
    )
