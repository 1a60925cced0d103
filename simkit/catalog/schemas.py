"""JSON schemas of other projects' documents, from data/schemas/."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from simkit.io.paths import data_dir
from simkit.io.reading import Bounds, read_json_object


def planner_schema() -> dict[str, Any]:
    """The schema of the Planner's configuration."""
    return _read(data_dir() / "schemas" / "planner_config.json")


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, Any]:
    return read_json_object(path, Bounds(remedy="copy schemas/ from simkit's own data folder"))
