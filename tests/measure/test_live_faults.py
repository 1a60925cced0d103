"""Real Dynamo that dies, hangs or is interrupted: named, and nothing of ours remains."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from live import DYNAMO_AT, needs_dynamo

from simkit.core.errors import ExternalError
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.io.processes import start_time
from simkit.measure.benchmark import predict
from simkit.measure.run import Meter, measure
from simkit.measure.targets import local as local_target
from simkit.measure.targets.local import local_server
from simkit.verbs.estimate import Layouts

pytestmark = [needs_dynamo, pytest.mark.server]

LOAD = Workload(isl_tokens=64, osl_tokens=64, concurrency=2)
REQUEST = Request(
    model="Qwen/Qwen3-8B", backend="vllm", workload=LOAD, hardware=Hardware(gpu="h100_sxm", total_gpus=2)
)
METER = Meter(client="builtin", options=BenchmarkOptions(request_count=200), stall_s=0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one's own, in which no note may be left."""
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SIMKIT_DYNAMO", str(DYNAMO_AT))
    yield tmp_path / "cache" / "running"
    assert list((tmp_path / "cache" / "running").glob("*")) == []


def notes(folder):
    """The numbers of the children that are noted."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")] if folder.is_dir() else []
    return {note["pid"] for note in found} - {0}


def mocker_of(pids):
    """The child whose words name the mocker."""
    for pid in pids:
        if "dynamo.mocker" in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise AssertionError("no mocker among our children")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="finds the mocker by /proc")
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "mocker-aggregated ended with status -9"),
        (signal.SIGSTOP, "stalled for 0.5 s"),
    ],
    ids=["dies", "hangs"],
)
def test_an_engine_that_fails_under_load_is_named(tmp_path, cache, number, said):
    prediction = predict(REQUEST, Layouts(worker="tp1"))
    with (
        pytest.raises(ExternalError, match=said),
        local_server(prediction.problem, prediction.candidate, tmp_path / "local") as server,
    ):
        pids = notes(cache)
        threading.Timer(1.0, os.kill, (mocker_of(pids), number)).start()
        measure(server, LOAD, METER, tmp_path / "a")
    assert all(start_time(pid) is None for pid in pids)


def test_a_mocker_that_cannot_start_is_named_with_its_last_words(tmp_path, cache, monkeypatch):
    prediction = predict(REQUEST, Layouts(worker="tp1"))
    planted = local_target.planner_profile(prediction.problem, prediction.candidate)
    monkeypatch.setattr(
        local_target, "planner_profile", lambda *_: {**planted, local_target.MOCKER_NPZ: b"no npz"}
    )
    with (
        pytest.raises(ExternalError, match=r"mocker-aggregated ended with status 1 .*log is"),
        local_server(prediction.problem, prediction.candidate, tmp_path / "local"),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_everything(tmp_path, cache, number):
    words = [
        sys.executable, "-m", "simkit", "benchmark", "--target", "local", "--model", "Qwen/Qwen3-8B",
        "--gpu", "h100_sxm", "--worker", "tp1", "--isl", "64", "--osl", "64", "--concurrency", "2",
        "--client", "builtin", "--requests", "500", "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    child = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert "measuring" in child.stderr.readline()
    time.sleep(0.5)
    pids = notes(cache)
    assert len(pids) == 2
    child.send_signal(number)
    assert child.wait(30) == 128 + number
    assert "interrupted" in child.stderr.read()
    assert all(start_time(pid) is None for pid in pids)
    assert not (tmp_path / "out" / "run.json").exists()
