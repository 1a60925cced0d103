"""A real engine's server as a child: ready, measured, named when it fails, gone afterwards."""

import json
import os
import shlex
import socket
import sys
from pathlib import Path

import pytest
from openai_server import openai_server

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.errors import ExternalError, InputError
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.formats.engine_command.read import parse_command
from simkit.io.processes import Launch, start_time
from simkit.measure import local_command
from simkit.measure.local_command import command_server, deployment_command
from simkit.measure.run import Meter, measure
from simkit.targets.local.service import LocalService, ServicePlan

pytestmark = pytest.mark.server

FAKE = Path(__file__).resolve().parents[1] / "fakes" / "fake_engine.py"
COMMAND = f"{shlex.join([sys.executable, str(FAKE)])} --port {{port}}"
LOAD = Workload(isl_tokens=16, osl_tokens=8, concurrency=2)
METER = Meter(client="builtin", options=BenchmarkOptions(request_count=20, warmup_count=0), stall_s=0.5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Notes in a cache of one's own; none may be left, nor may a process that one named."""
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    running, started = tmp_path / "cache" / "running", []
    real = local_command.serving

    def watched(plan_of, registry, attempts=3):
        def noted(port):
            started.append(port)
            return plan_of(port)

        return real(noted, registry, attempts)

    monkeypatch.setattr(local_command, "serving", watched)
    yield running
    assert list(running.glob("*")) == []
    for port in started:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def pids(running):
    return [json.loads(path.read_text())["pid"] for path in running.glob("*.json")]


def test_an_engine_is_started_measured_and_ended(tmp_path, cache):
    with command_server(COMMAND, "tiny", tmp_path) as server:
        children = pids(cache)
        assert len(children) == 1
        run = measure(server, LOAD, METER, tmp_path / "a")
    assert run.num_requests == 20
    assert (tmp_path / "logs" / "engine.log").is_file()
    assert start_time(children[0]) is None


@pytest.mark.parametrize(
    ("fault", "ready_s", "said"),
    [
        ("dies", 60.0, "engine ended with status 3 .*no room for weights"),
        ("mute", 1.0, "does not list tiny after 1 s.*engine.log"),
    ],
)
def test_an_engine_that_does_not_come_up_is_named(tmp_path, monkeypatch, fault, ready_s, said):
    monkeypatch.setenv("FAKE_ENGINE", fault)
    with pytest.raises(ExternalError, match=said), command_server(COMMAND, "tiny", tmp_path, ready_s=ready_s):
        pass


def test_a_server_that_calls_itself_ill_is_not_ready(tmp_path, cache):
    sleeper = Launch(command=["sleep", "60"], log=tmp_path / "log", env=dict(os.environ))
    with openai_server(health=503) as (url, behaviour):
        plan = ServicePlan(launches={"engine": sleeper}, url=url, model="tiny", ready_s=0.5)
        with pytest.raises(ExternalError, match="answers /health with HTTP 503"), LocalService(plan, cache):
            pass
        behaviour.health = 404  # a server without such a page
        with LocalService(plan, cache):
            assert len(pids(cache)) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("deadly:4", "engine ended with status 7 .*engine core is gone"),
        ("500:4", r"requests failed.*HTTP 500.*look at .*logs/engine\.log"),
        ("garbage:4", "requests failed.*garbage in the stream"),
        ("stall:4", "requests failed.*stalled"),
        ("hang:4", "requests failed.*stalled"),
    ],
)
def test_an_engine_that_fails_under_load_is_named(tmp_path, monkeypatch, fault, said):
    monkeypatch.setenv("FAKE_ENGINE", fault)
    with (
        pytest.raises(ExternalError, match=said),
        command_server(COMMAND, "tiny", tmp_path) as server,
    ):
        measure(server, LOAD, METER, tmp_path / "a")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_it_ends_whatever_is_raised(tmp_path, cache, error):
    children = []
    with pytest.raises(error), command_server(COMMAND, "tiny", tmp_path):
        children += pids(cache)
        raise error
    assert all(start_time(pid) is None for pid in children)


def one(backend, **plan):
    engine = default_engine(backend, max_model_len=4096, prefix_caching=False)
    return Aggregated(worker=Pool(plan=ParallelPlan(**plan), engine=engine))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Every engine's program is the fake one."""
    fake = tmp_path / "program"
    fake.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(FAKE))} "$@"\n')
    fake.chmod(0o755)
    for name in ("VLLM", "SGLANG", "TRTLLM"):
        monkeypatch.setenv(f"SIMKIT_{name}", str(fake))
    return fake


@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_a_deployments_engine_is_started_as_predicted(tmp_path, monkeypatch, programs, backend):
    monkeypatch.setenv("FAKE_ENGINE_WORDS", str(tmp_path / "words"))
    deployed = one(backend, tp=2)
    started = deployment_command(deployed, "Qwen/Qwen3-8B", "qwen", tmp_path)
    with command_server(started.words, started.model, tmp_path) as server:
        assert server.model == "qwen"
    words = json.loads((tmp_path / "words").read_text())
    read_back = parse_command(shlex.join([backend, *words])).deployment.worker
    assert (read_back.plan, read_back.engine) == (deployed.worker.plan, deployed.worker.engine)


def test_tensorrt_llm_reads_a_file(tmp_path, programs):
    deployed = one("trtllm", tp=2)
    started = deployment_command(deployed, "Qwen/Qwen3-8B", "qwen", tmp_path)
    assert started.model == "Qwen/Qwen3-8B"
    command = tmp_path / "command.sh"
    command.write_text(started.words.replace(str(programs), "trtllm-serve").replace("{port}", "8000"))
    read_back = parse_command(command.read_text()).deployment.worker
    assert (read_back.plan, read_back.engine) == (deployed.worker.plan, deployed.worker.engine)


def test_more_than_one_engine_is_refused(tmp_path, programs):
    pool = one("vllm").worker
    for deployed in (
        Aggregated(worker=Pool(plan=pool.plan, engine=pool.engine, replicas=2)),
        Disaggregated(prefill=pool, decode=pool),
    ):
        with pytest.raises(InputError, match="one engine is started here"):
            deployment_command(deployed, "m", "m", tmp_path)


def test_an_engine_that_is_not_installed_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SIMKIT_VLLM", raising=False)
    with pytest.raises(ExternalError, match="SIMKIT_VLLM"):
        deployment_command(one("vllm"), "m", "m", tmp_path)
