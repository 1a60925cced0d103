"""Runs as simkit keeps them: one JSON document of the Run record, seconds and tokens as in memory."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, ServerSide, Source

KIND = "simkit.run"
VERSION = 1
STORED = "run.json"

_NESTED: Mapping[str, Callable[..., Any]] = {
    "source": Source, "ttft": MeasuredSpread, "itl": MeasuredSpread, "icl": MeasuredSpread,
    "e2e": MeasuredSpread, "server": ServerSide,
}  # fmt: skip


def run_document(run: Run) -> dict[str, Any]:
    """The run in JSON's own types."""
    return {"kind": KIND, "version": VERSION, **asdict(run), "notes": list(run.notes)}


def is_stored(document: Any) -> bool:
    """Whether a parsed JSON file is a stored run."""
    return isinstance(document, Mapping) and document.get("kind") == KIND


def stored_runs(document: Mapping[str, Any], path: Path) -> list[Run]:
    """The run of a stored document, as a list of one."""
    return [run_of(document, path)]


def run_of(document: Mapping[str, Any], path: Path) -> Run:
    """The run that `run_document` wrote. Raises InputError where the document is another or damaged."""
    if not is_stored(document) or document.get("version") != VERSION:
        raise InputError(f"{path}: expected a stored run of version {VERSION}; measure it again")
    values = {name: value for name, value in document.items() if name not in ("kind", "version")}
    unknown = set(values) - {field.name for field in fields(Run)}
    if unknown:
        raise InputError(f"{path}: unknown field {sorted(unknown)[0]!r} in a stored run; remove it")
    try:
        for name, kind in _NESTED.items():
            if values.get(name) is not None:
                values[name] = kind(**values[name])
        return Run(**{**values, "notes": tuple(values.get("notes") or ())})
    except TypeError as error:
        raise InputError(f"{path}: damaged stored run ({error}); measure it again") from error
