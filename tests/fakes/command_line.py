"""The command in this process, for every test."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest


class Finished(NamedTuple):
    """Exit status, standard output, standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def simkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """Call with the words of a command line."""
    from simkit.cli.main import main

    def run(*words: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["simkit", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Finished(int(stopped.value.code or 0), captured.out, captured.err)

    return run
