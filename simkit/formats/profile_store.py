"""A profile on disk: what was asked, and every point once it is measured; nothing is measured twice.

DIR/profile.json              what was asked, the phase reached
DIR/measured/TRIAL/POINT.json a run, or why there is none
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run
from simkit.formats.benchmark_results.stored import is_stored, run_document, run_of
from simkit.io.reading import Bounds, read_json_object
from simkit.io.yamlio import write_text_atomic

STATE, MEASURED = "profile.json", "measured"
KIND = "simkit.profile"
FAILURE = "simkit.failure"
VERSION = 1
_STATE = Bounds(most=50_000_000, remedy="give another -o")
_POINT = Bounds(most=50_000_000, remedy="delete it and resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a point has no run."""

    reason: str


class ProfileStore:
    """The folder of one profile. Every write is whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, asked: Mapping[str, Any]) -> bool:
        """Begin, or go on with what is there; says whether something was.

        Raises InputError when the folder holds the profile of another question.
        """
        going_on = self.holds(asked)
        if going_on:
            self._clear_halves()
        else:
            state = {"asked": dict(asked), "digest": digest_of(asked), "phase": "Initializing"}
            self._write(self.folder / STATE, state)
        return going_on

    def holds(self, asked: Mapping[str, Any]) -> bool:
        """Whether a profile of this question was begun here; nothing is written.

        Raises InputError when the folder holds the profile of another question.
        """
        path = self.folder / STATE
        if not path.exists():
            return False
        document = read_json_object(path, _STATE)
        if document.get("kind") != KIND or document.get("version") != VERSION:
            raise InputError(f"{path}: not a profile of this version of simkit; give another -o")
        if document.get("digest") != digest_of(asked):
            different = _first_difference(document.get("asked"), asked)
            raise InputError(
                f"{self.folder}: holds the profile of another question ({different} differs); "
                "give another -o, or ask the same to resume"
            )
        return True

    def _clear_halves(self) -> None:
        """Remove what a write that was killed left beside its file."""
        for pattern in (f".{STATE}.*", f"{MEASURED}/*/.*.json.*"):
            for left in self.folder.glob(pattern):
                left.unlink(missing_ok=True)

    def enter(self, phase: str, message: str = "") -> None:
        """Note the phase reached."""
        path = self.folder / STATE
        document = read_json_object(path, _STATE)
        self._write(path, {**document, "phase": phase, "message": message})

    def get(self, trial: str, point: str) -> Run | Failure | None:
        """What is known of a point; None where it has not been tried."""
        path = self._path(trial, point)
        if not path.is_file():
            return None
        document = read_json_object(path, _POINT)
        if is_stored(document):
            return run_of(document, path, _POINT.remedy)
        if document.get("kind") != FAILURE or not isinstance(document.get("reason"), str):
            raise InputError(f"{path}: neither a run nor why there is none; {_POINT.remedy}")
        return Failure(reason=document["reason"])

    def put(self, trial: str, point: str, result: Run | Failure) -> None:
        """Keep a result."""
        if isinstance(result, Failure):
            document: dict[str, Any] = {"kind": FAILURE, "reason": result.reason}
        else:
            document = run_document(result)
        self._write(self._path(trial, point), document)

    def forget_failures(self) -> int:
        """Drop what failed, so that it is tried again; says how many."""
        dropped = 0
        for path in sorted((self.folder / MEASURED).glob("*/*.json")):
            if read_json_object(path, _POINT).get("kind") == FAILURE:
                path.unlink()
                dropped += 1
        return dropped

    def _path(self, trial: str, point: str) -> Path:
        return self.folder / MEASURED / trial / f"{point}.json"

    def _write(self, path: Path, document: Mapping[str, Any]) -> None:
        content = {"kind": KIND, "version": VERSION, **document} if path.name == STATE else dict(document)
        write_text_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def digest_of(asked: Mapping[str, Any]) -> str:
    """What tells one question from another."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _first_difference(before: Any, now: Mapping[str, Any]) -> str:
    before = before if isinstance(before, Mapping) else {}
    plain = json.loads(json.dumps(now, default=str))
    names = sorted({*before, *plain})
    return next((name for name in names if before.get(name) != plain.get(name)), "something")
