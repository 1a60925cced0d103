"""`simkit benchmark --engine` as a process: ended by signals, by its engine's death, and after its own."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simkit.io.processes import start_time

pytestmark = pytest.mark.server

FAKE = Path(__file__).resolve().parents[1] / "fakes" / "fake_engine.py"
ENGINE = f"{shlex.join([sys.executable, str(FAKE)])} --port {{port}}"


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Start the command with a cache of its own; nothing that it noted may be left."""
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))

    def start(requests, **environment):
        words = [
            sys.executable, "-m", "simkit", "benchmark", "--engine", ENGINE, "--model", "Qwen/Qwen3-0.6B",
            "--served-model", "tiny", "--isl", "16", "--osl", "16", "--concurrency", "2",
            "--client", "builtin", "--requests", str(requests), "--stall", "0.5", "-o", str(tmp_path / "out"),
        ]  # fmt: skip
        return subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ | environment
        )

    yield start
    assert list((tmp_path / "cache" / "running").glob("*")) == []


def children(tmp_path):
    return [json.loads(path.read_text())["pid"] for path in (tmp_path / "cache" / "running").glob("*.json")]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_engine_too(tmp_path, begin, number):
    child = begin(100_000)
    assert "measuring" in child.stderr.readline()
    engines = children(tmp_path)
    assert len(engines) == 1
    child.send_signal(number)
    assert child.wait(30) == 128 + number
    assert "interrupted" in child.stderr.read()
    assert start_time(engines[0]) is None
    assert not (tmp_path / "out" / "run.json").exists()


def test_an_engine_that_dies_is_an_outside_failure(tmp_path, begin):
    child = begin(200, FAKE_ENGINE="deadly:20")
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 3
    assert "engine ended with status 7" in said
    assert "engine core is gone" in said
    assert "Traceback" not in said


def test_after_a_kill_the_next_run_ends_what_was_left(tmp_path, begin):
    child = begin(100_000)
    assert "measuring" in child.stderr.readline()
    (left,) = children(tmp_path)
    child.kill()
    child.communicate(timeout=30)
    assert start_time(left)
    again = begin(20)
    assert again.wait(60) == 0
    again.stderr.close()
    assert start_time(left) is None
    assert json.loads((tmp_path / "out" / "run.json").read_text())["num_requests"] == 20
