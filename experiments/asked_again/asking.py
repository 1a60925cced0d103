"""A question put to the command in this process, and what it answered."""

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.cli.main import called

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Exit status, what stood on standard output and on standard error."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def document(self) -> Document:
        """Standard output as JSON; empty where it is none."""
        return json.loads(self.out) if self.out.startswith("{") else {}

    @property
    def line(self) -> str:
        """The command as one would type it."""
        return "simkit " + " ".join(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One thing that an answer said, and what asking again says of it."""

    kind: str
    said: str
    again: str
    holds: bool
    command: str = ""

    def __str__(self) -> str:
        return f"[{self.kind}] said: {self.said}\n    again: {self.again}\n    {self.command}"


def ask(*words: object) -> Answer:
    """What `simkit WORDS` answers."""
    out, err = io.StringIO(), io.StringIO()
    told = tuple(map(str, words))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = called(list(told))
        except SystemExit as stopped:
            status = int(stopped.code or 0)
    return Answer(words=told, status=status, out=out.getvalue(), err=err.getvalue())


def ask_json(*words: object) -> Answer:
    """The same with its answer as JSON."""
    return ask(*words, "--format", "json", "--quiet")


def document_of(folder: Path) -> Document:
    """The recommendation that a folder holds."""
    return json.loads((folder / "recommendation.json").read_text(encoding="utf-8"))
