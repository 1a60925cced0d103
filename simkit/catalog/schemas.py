"""JSON schemas of other projects' documents, from data/schemas/."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.io.paths import data_dir


def planner_schema() -> dict[str, Any]:
    """The schema of the Planner's configuration."""
    return _read(data_dir() / "schemas" / "planner_config.json")


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, Any]:
    try:
        schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; copy schemas/ from simkit's own data folder") from error
    return schema
