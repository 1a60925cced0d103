"""The command in this process, and a finished run that tests share."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@dataclass(frozen=True)
class Finished:
    status: int
    out: str
    err: str


@pytest.fixture
def simkit(capsys, monkeypatch):
    from simkit.cli.main import main

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["simkit", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Finished(int(stopped.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    from small_sweep import completed

    return completed(tmp_path_factory.mktemp("runs") / "small")
