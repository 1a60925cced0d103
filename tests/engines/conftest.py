"""The toy engine registered for a test, and the command run in this process."""

import sys

import pytest

from simkit.engines.registry import registered

from . import toy_engine


@pytest.fixture
def toy():
    with registered(toy_engine.SPEC) as spec:
        yield spec


@pytest.fixture
def simkit(capsys, monkeypatch):
    """Call with the words of a command line: exit status, standard output, standard error."""
    from simkit.cli.main import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["simkit", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run
