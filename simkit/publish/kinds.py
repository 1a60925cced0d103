"""What a path holds, told by the files in it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from simkit.core.errors import InputError

Kind = Literal["recommendation", "experiment", "simulation", "profile", "benchmark", "table", "side"]

# Files that tell a folder's kind, the most telling first.
_FOLDERS: Mapping[tuple[str, ...], Kind] = MappingProxyType({
    ("profile_summary.json",): "profile",
    ("experiment.yaml", "run.json"): "experiment",
    ("recommendation.json",): "recommendation",
    ("summary.json", "timeline.csv"): "simulation",
    ("comparison.json", "run.json"): "benchmark",
})  # fmt: skip
_TABLES = (".csv", ".parquet")
_DOCUMENTS = (".yaml", ".yml", ".json")
EXPECTED = (
    "a folder of recommend, experiment, simulate, profile or benchmark, a table of measured runs (.csv, "
    ".parquet), or DGDs, DGDRs and measured runs to compare"
)


def kind_of(path: Path) -> Kind:
    """What is there. Raises InputError where it is nothing that a report can be made of."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give {EXPECTED}")
    if path.is_dir():
        for names, kind in _FOLDERS.items():
            if all((path / name).is_file() for name in names):
                return kind
    elif path.suffix in _TABLES:
        return "table"
    elif path.name == "recommendation.json":
        return "recommendation"
    elif path.suffix in _DOCUMENTS:
        return "side"
    raise InputError(f"{path}: nothing that a report can be made of; give {EXPECTED}")
