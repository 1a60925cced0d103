"""Dynamo's frontend and mocker as local processes: their words, their readiness, their end."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live import DYNAMO_AT, needs_dynamo

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.errors import ExternalError
from simkit.core.measured import Source, run_of_records
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.io.openai_http import Endpoint, ask
from simkit.io.processes import Launch, start_time
from simkit.measure.load_client import ClientOptions, drive
from simkit.measure.run import Server
from simkit.measure.targets.local import first_answers
from simkit.targets.local.dynamo import DynamoLocal, MockPool, dynamo_plan, prepare
from simkit.targets.local.service import ServicePlan, serving

pytestmark = pytest.mark.server

ENGINE = replace(default_engine("vllm"), prefix_caching=False, max_num_seqs=64)


def pool(role, *, replicas=1, step_times=None, engine=ENGINE, **plan):
    return MockPool(
        role=role,
        pool=Pool(plan=ParallelPlan(**plan), engine=engine, replicas=replicas),
        step_times=step_times,
    )


def local(folder, *pools, **more):
    return DynamoLocal(python=DYNAMO_AT or Path("python"), folder=folder, pools=pools, **more)


def words(plan, name):
    return " ".join(plan.launches[name].command[1:])


def test_an_aggregated_deployment_is_a_mocker_and_a_frontend(tmp_path):
    mocked = replace(pool("aggregated", replicas=3, step_times=b"npz"), kv_blocks=99)
    plan = dynamo_plan(local(tmp_path, mocked), 8123, {"PATH": "/bin", "SECRET": "x"})
    assert list(plan.launches) == ["mocker-aggregated", "frontend"]
    mocker = words(plan, "mocker-aggregated")
    for expected in (
        "-m dynamo.mocker", "--num-workers 3", "--max-num-seqs 64", "--no-enable-prefix-caching",
        "--num-gpu-blocks-override 99", "--engine-type vllm", "--block-size 16",
        f"--planner-profile-data {tmp_path}/step-times-aggregated.npz", "--discovery-backend file",
    ):  # fmt: skip
        assert expected in mocker
    assert "--disaggregation-mode" not in mocker
    assert "--http-host 127.0.0.1 --http-port 8123" in words(plan, "frontend")
    assert "--router-mode" not in words(plan, "frontend")
    assert (plan.url, plan.instances) == ("http://127.0.0.1:8123", 3)
    env = plan.launches["frontend"].env
    assert "SECRET" not in env
    assert env["DYN_FILE_KV"] == plan.launches["mocker-aggregated"].env["DYN_FILE_KV"]


def test_prefill_and_decode_find_each_other_at_ports_of_their_own(tmp_path):
    wide = pool("decode", attn_dp=4, tp=1)
    plan = dynamo_plan(
        local(tmp_path, pool("prefill", replicas=2), wide, kv_router=True, transfer_gb_per_s=50.0), 1, {}
    )
    prefill = plan.launches["mocker-prefill"].command
    ports = prefill[prefill.index("--bootstrap-ports") + 1].split(",")
    assert len(set(ports)) == 2
    assert "--disaggregation-mode decode --kv-transfer-bandwidth 50" in words(plan, "mocker-decode")
    assert "--data-parallel-size 4" in words(plan, "mocker-decode")
    assert "--router-mode kv" in words(plan, "frontend")
    assert plan.instances == 3


# --- against small stand-ins ------------------------------------------------------------------------

SERVER = """
import sys
sys.path.insert(0, {fakes!r})
from http.server import ThreadingHTTPServer
import openai_server
state = openai_server.Behaviour(model={model!r})
kind = type("H", (openai_server._Handler,), {{"behaviour": state}})
ThreadingHTTPServer(("127.0.0.1", {port}), kind).serve_forever()
"""
FAKES = str(Path(__file__).resolve().parents[1] / "fakes")


def stand_in(tmp_path, code, **plan):
    def plan_of(port):
        text = code.format(fakes=FAKES, model="tiny", port=port)
        launch = Launch(command=[sys.executable, "-c", text], log=tmp_path / "log", env=dict(os.environ))
        return ServicePlan(launches={"server": launch}, url=f"http://127.0.0.1:{port}", model="tiny", **plan)

    return plan_of


def nothing_remains(tmp_path, pid=None):
    assert list((tmp_path / "running").glob("*")) == []
    assert pid is None or start_time(pid) is None


def test_a_service_is_ready_when_it_lists_its_model_and_ends_with_its_context(tmp_path):
    with serving(stand_in(tmp_path, SERVER), tmp_path / "running") as service:
        url, pid = service.plan.url, service.children["server"].pid
        assert ask(Endpoint(url=url), "/health").status == 200
    assert ask(Endpoint(url=url), "/health").status is None
    nothing_remains(tmp_path, pid)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('no such GPU'); raise SystemExit(4)", "server ended with status 4 .no such GPU"),
        ("import time; time.sleep(60)", "does not list tiny after 1 s"),
        (SERVER.replace("{model!r}", "'other'"), "does not list tiny after 1 s"),
    ],
    ids=["dies", "hangs", "serves another model"],
)
def test_one_that_does_not_come_up_is_named_and_removed(tmp_path, code, said):
    with (
        pytest.raises(ExternalError, match=said),
        serving(stand_in(tmp_path, code, ready_s=1.0), tmp_path / "running"),
    ):
        pass
    nothing_remains(tmp_path)


def test_a_port_taken_in_between_is_tried_again(tmp_path):
    attempts = tmp_path / "attempts"
    code = (
        f"import pathlib; p = pathlib.Path({str(attempts)!r}); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1))\nif n == 0: raise SystemExit('Address already in use')\n" + SERVER
    )
    with serving(stand_in(tmp_path, code), tmp_path / "running"):
        assert attempts.read_text() == "xx"
    nothing_remains(tmp_path)


def test_a_server_that_dies_under_load_is_named(tmp_path):
    with serving(stand_in(tmp_path, SERVER), tmp_path / "running") as service:
        service.check()
        os.kill(service.children["server"].pid, signal.SIGKILL)
        service.children["server"].wait(10)
        with pytest.raises(ExternalError, match="server ended with status -9"):
            service.check()
    nothing_remains(tmp_path)


# --- the real thing ---------------------------------------------------------------------------------


def planted(prefill_ms, itl_ms):
    """Step times that do not depend on anything: a prefill step and a decode step."""
    import io

    buffer = io.BytesIO()
    np.savez(
        buffer,
        prefill_isl=np.array([1.0, 10000.0]),
        prefill_ttft_ms=np.full(2, prefill_ms),
        decode_active_kv_tokens=np.array([0.0, 1e6]),
        decode_context_length=np.array([1.0, 1e4]),
        decode_itl=np.full((2, 2), itl_ms),
    )
    return buffer.getvalue()


@needs_dynamo
@pytest.mark.parametrize("roles", [("aggregated",), ("prefill", "decode")], ids="+".join)
def test_real_dynamo_runs_at_our_step_times(tmp_path, roles):
    deployment = local(
        tmp_path / "d",
        *(pool(role, step_times=planted(40.0, 15.0)) for role in roles),
        kv_router=len(roles) > 1,
    )
    prepare(deployment)
    with serving(lambda port: dynamo_plan(deployment, port, os.environ), tmp_path / "running") as service:
        pids = [child.pid for child in service.children.values()]
        first_answers(Server(url=service.plan.url, model=service.plan.model, check=service.check))
        load = Workload(isl_tokens=200, osl_tokens=20, concurrency=1)
        records = drive(
            Endpoint(url=service.plan.url), service.plan.model, load, ClientOptions(request_count=6)
        )
    run = run_of_records(records, Source(tool="simkit", path="here"))
    assert (run.isl_tokens, run.osl_tokens, run.num_errors) == (200.0, 20.0, 0)
    assert run.ttft.p50_s >= 0.04  # no faster than planted; how much slower depends on the machine
    assert run.itl.p50_s >= 0.0149
    for pid in pids:
        nothing_remains(tmp_path, pid)
    assert not (tmp_path / "d" / ".simkit-kv").exists()
    assert (tmp_path / "d" / "logs" / "frontend.log").read_text()
