"""Run the command in this process: exit status, standard output, standard error."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
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


@pytest.fixture
def guide() -> Path:
    """The deployment guide's example requests."""
    return ROOT / "experiments" / "guide"


@pytest.fixture
def runs_csv() -> Path:
    """The measured runs that ship with the project."""
    return ROOT / "data" / "runs" / "serving_runs_fit.csv"
