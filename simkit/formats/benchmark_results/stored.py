"""Runs as simkit keeps them: one JSON document of the Run record, seconds and tokens as in memory."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, ServerSide, Source
from simkit.formats.faults import first_fault

KIND = "simkit.run"
VERSION = 1
STORED = "run.json"

_NESTED: Mapping[str, Any] = {
    "source": Source, "ttft": MeasuredSpread, "itl": MeasuredSpread, "icl": MeasuredSpread,
    "e2e": MeasuredSpread, "server": ServerSide,
}  # fmt: skip
_CHECK = TypeAdapter(Run)
_AGAIN = "measure it again"


def run_document(run: Run) -> dict[str, Any]:
    """The run in JSON's own types."""
    return {"kind": KIND, "version": VERSION, **asdict(run), "notes": list(run.notes)}


def is_stored(document: Any) -> bool:
    """Whether a parsed JSON file is a stored run."""
    return isinstance(document, Mapping) and document.get("kind") == KIND


def stored_runs(document: Mapping[str, Any], path: Path) -> list[Run]:
    """The run of a stored document, as a list of one."""
    return [run_of(document, path)]


def run_of(document: Mapping[str, Any], path: Path, again: str = _AGAIN) -> Run:
    """The run that `run_document` wrote. Raises InputError where the document is another or damaged."""
    if not is_stored(document) or document.get("version") != VERSION:
        raise InputError(f"{path}: expected a stored run of version {VERSION}; {again}")
    values = {name: value for name, value in document.items() if name not in ("kind", "version")}
    unknown = _unknown(values)
    if unknown:
        raise InputError(f"{path}: unknown field {unknown[0]!r} in a stored run; remove it")
    try:
        return _CHECK.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise InputError(f"{path}: damaged stored run ({first_fault(error)}); {again}") from error


def _unknown(values: Mapping[str, Any]) -> list[str]:
    """Fields that no run has, those of its parts too."""
    found = [str(name) for name in values if name not in Run.__slots__]
    for name, kind in _NESTED.items():
        part = values.get(name)
        if isinstance(part, Mapping):
            found += [f"{name}.{inner}" for inner in part if inner not in kind.__slots__]
    return sorted(found)
