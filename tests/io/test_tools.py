"""Where AIPerf and Dynamo are looked for, and what is said when they are nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from simkit.core.errors import ExternalError, InputError, UnknownNameError
from simkit.io.tools import AIPERF, DYNAMO, _environment, cache_dir, find_tool, require_tool, tool_named


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
    made = program("cache", "envs", _environment(AIPERF, {}).name, "bin", "aiperf")
    (made.parents[1] / ".simkit-finished").touch()
    environ = {"PATH": str(on_path.parent), "SIMKIT_CACHE": str(tmp_path / "cache")}
    named = {**environ, "SIMKIT_AIPERF": str(by_variable)}
    assert find_tool(AIPERF, str(given), named) == given
    assert find_tool(AIPERF, None, named) == by_variable
    assert find_tool(AIPERF, None, environ) == made
    assert find_tool(AIPERF, None, {**environ, "SIMKIT_CACHE": str(tmp_path / "none")}) == on_path


def test_a_half_made_environment_does_not_count(program, tmp_path):
    program("cache", "envs", _environment(DYNAMO, {}).name, "bin", "python3")
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


MAKE = """
import sys
from pathlib import Path
from simkit.io import tools
root = Path(sys.argv[1])
step = (root / "step.py").read_text()
tools._steps = lambda tool, home: (
    ([sys.executable, "-m", "venv", "--without-pip", str(home)], "an environment", 60.0),
    ([sys.executable, "-c", step, str(home), str(root)], "packages", 60.0),
    ([str(home / "bin" / tool.program), "--version"], "does it run?", 60.0),
)
cache = {"SIMKIT_CACHE": str(root / "cache")}
print(tools.make_tool(tools.AIPERF, lambda text: print(text, flush=True), cache))
"""
INSTALLED = """
import pathlib, sys
program = pathlib.Path(sys.argv[1], "bin", "aiperf")
program.write_text("#!/bin/sh\\nexit %d\\n")
program.chmod(0o755)
with pathlib.Path(sys.argv[2], "runs").open("a") as runs:
    runs.write("x")
"""
SLOW = "import time; time.sleep(%g)\n"


@pytest.fixture
def making(tmp_path):
    """Start an installation whose packages are this program, in a process of its own."""

    def start(step):
        (tmp_path / "step.py").write_text(step)
        words = [sys.executable, "-c", MAKE, str(tmp_path)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def found(tmp_path):
    return find_tool(AIPERF, None, {"SIMKIT_CACHE": str(tmp_path / "cache"), "PATH": ""})


def test_making_runs_every_step_once(making, tmp_path):
    for _ in range(2):
        out, err = making(INSTALLED % 0).communicate(timeout=120)
        assert err == ""
    assert "step 1" not in out  # it was there already
    assert found(tmp_path) == Path(out.strip())
    assert (tmp_path / "runs").read_text() == "x"
    assert {path.name for path in (tmp_path / "cache" / "envs").iterdir()} == {
        found(tmp_path).parents[1].name
    }


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("print('ERROR: No matching distribution'); raise SystemExit(1)", "No matching distribution"),
        (INSTALLED % 7, "aiperf ended with status 7"),
    ],
)
def test_what_fails_or_does_not_run_does_not_count(making, tmp_path, step, said):
    _, err = making(step).communicate(timeout=120)
    assert said in err
    assert found(tmp_path) is None


@pytest.mark.slow
def test_a_killed_installation_does_not_count_and_the_next_one_begins_anew(making, tmp_path):
    process = making(SLOW % 60)
    while "packages" not in process.stdout.readline():
        pass
    process.kill()
    process.communicate(timeout=20)
    assert found(tmp_path) is None
    out, _ = making(INSTALLED % 0).communicate(timeout=120)
    assert found(tmp_path) == Path(out.splitlines()[-1])
    assert list((tmp_path / "cache" / "running").iterdir()) == []


@pytest.mark.slow
def test_two_at_once_wait_for_each_other(making, tmp_path):
    first = making(SLOW % 2 + INSTALLED % 0)
    while "packages" not in first.stdout.readline():
        pass
    second = making(SLOW % 2 + INSTALLED % 0)
    said = second.communicate(timeout=120)[0]
    first.communicate(timeout=120)
    assert "waiting for another installation" in said
    assert "step 1" not in said
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize("tool", [AIPERF, DYNAMO])
def test_every_package_is_fixed_by_its_hashes(tool):
    packages = tool.lock.read_text().replace("\\\n", "").splitlines()
    assert len(packages) > 50
    assert [block[:60] for block in packages if "==" not in block or "--hash=sha256:" not in block] == []
