"""Where AIPerf and Dynamo are looked for, and what is said when they are nowhere."""

import subprocess
import sys

import pytest

from simkit.core.errors import ExternalError, InputError, UnknownNameError
from simkit.io import tools
from simkit.io.tools import AIPERF, DYNAMO, cache_dir, find_tool, make_tool, require_tool, tool_named


@pytest.fixture
def program(tmp_path):
    """Write an executable and give its path."""

    def write(*parts):
        path = tmp_path.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return write


def test_what_is_named_wins_then_the_variable_the_cache_and_path(program, tmp_path):
    on_path, by_variable, given = program("bin", "aiperf"), program("v"), program("g")
    made = program("cache", "envs", "aiperf", "bin", "aiperf")
    (made.parents[1] / ".simkit-finished").touch()
    environ = {"PATH": str(on_path.parent), "SIMKIT_CACHE": str(tmp_path / "cache")}
    named = {**environ, "SIMKIT_AIPERF": str(by_variable)}
    assert find_tool(AIPERF, str(given), named) == given
    assert find_tool(AIPERF, None, named) == by_variable
    assert find_tool(AIPERF, None, environ) == made
    assert find_tool(AIPERF, None, {**environ, "SIMKIT_CACHE": str(tmp_path / "none")}) == on_path


def test_a_half_made_environment_does_not_count(program, tmp_path):
    program("cache", "envs", "dynamo", "bin", "python3")
    assert find_tool(DYNAMO, None, {"PATH": "/bin", "SIMKIT_CACHE": str(tmp_path / "cache")}) is None


def test_nowhere_says_how_to_get_it(tmp_path):
    environ = {"PATH": str(tmp_path), "SIMKIT_CACHE": str(tmp_path / "cache")}
    with pytest.raises(ExternalError, match="simkit tools --make aiperf") as failed:
        require_tool(AIPERF, None, environ)
    assert failed.value.exit_code == 3
    with pytest.raises(InputError, match="SIMKIT_AIPERF"):
        find_tool(AIPERF, "/no/such/aiperf", environ)
    with pytest.raises(UnknownNameError, match="aiperf"):
        tool_named("aiprf")


def test_the_cache_is_the_users(tmp_path):
    assert cache_dir({"SIMKIT_CACHE": "/a"}).as_posix() == "/a"
    assert cache_dir({"XDG_CACHE_HOME": "/b"}).as_posix() == "/b/simkit"
    assert cache_dir({}).name == "simkit"


@pytest.fixture
def pip(monkeypatch):
    """Record what would be run; the step named fails."""
    seen, fails = [], []

    def run(command, **_):
        seen.append(command)
        wrong = any(word in command for word in fails)
        return subprocess.CompletedProcess(
            command, int(wrong), "", "ERROR: No matching distribution\n" * wrong
        )

    monkeypatch.setattr(tools.subprocess, "run", run)
    monkeypatch.setattr(tools, "_marker", lambda home: _made(home) / ".simkit-finished")
    return seen, fails


def _made(home):
    home.mkdir(parents=True, exist_ok=True)
    return home


def test_making_runs_every_step_once(pip, tmp_path):
    seen, _ = pip
    environ, said = {"SIMKIT_CACHE": str(tmp_path)}, []
    program = make_tool(DYNAMO, said.append, environ)
    assert program == tmp_path / "envs" / "dynamo" / "bin" / "python3"
    assert seen[0][:3] == [sys.executable, "-m", "venv"]
    assert seen[2][-2:] == ["--no-deps", "ai-dynamo==1.6.1"]
    assert len(seen) == 1 + len(DYNAMO.steps)
    make_tool(DYNAMO, said.append, environ)
    assert len(seen) == 1 + len(DYNAMO.steps)


def test_a_failing_step_is_said_and_leaves_nothing_finished(pip, tmp_path):
    _, fails = pip
    fails.append("aiperf>=0.13,<0.14")
    environ = {"SIMKIT_CACHE": str(tmp_path), "PATH": ""}
    with pytest.raises(ExternalError, match="No matching distribution"):
        make_tool(AIPERF, lambda _: None, environ)
    assert find_tool(AIPERF, None, environ) is None
