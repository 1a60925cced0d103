"""Measuring a server and comparing: with the small client, with a stand-in for AIPerf, with real ones."""

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from live import needs_aiperf, needs_dynamo
from openai_server import openai_server

from simkit.core.errors import ExternalError, InputError
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.prediction_files import read_prediction
from simkit.measure.benchmark import benchmark, compare_prediction, on_target, predict
from simkit.measure.run import Meter, Server, measure
from simkit.verbs.estimate import Layouts

pytestmark = pytest.mark.server

FAKES = Path(__file__).resolve().parents[1] / "fakes"
SMALL = Workload(isl_tokens=64, osl_tokens=16, concurrency=4)
BUILTIN = Meter(client="builtin", options=BenchmarkOptions(request_count=24, warmup_count=4), stall_s=0.5)


def request(workload=SMALL, model="Qwen/Qwen3-0.6B"):
    hardware = Hardware(gpu="h100_sxm", total_gpus=8)
    return Request(model=model, backend="vllm", hardware=hardware, workload=workload)


@pytest.fixture
def fake_aiperf(tmp_path, monkeypatch):
    """A stand-in on disk that is found as AIPerf; gives a function that sets its mode."""
    program = tmp_path / "bin" / "aiperf"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKES / "fake_aiperf.py"} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("SIMKIT_AIPERF", str(program))
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_AIPERF_LOG", str(tmp_path / "calls"))
    return lambda **env: [monkeypatch.setenv(name, str(value)) for name, value in env.items()]


def test_a_run_is_stored_with_its_prediction_and_comes_back(tmp_path):
    prediction = predict(request(), Layouts(worker="tp1"))
    with openai_server(ttft_s=0.02, itl_s=0.002) as (url, _):
        outcome = benchmark(Server(url=url, model="tiny"), SMALL, BUILTIN, tmp_path, prediction=prediction)
    assert {path.name for path in outcome.files} == {
        "run.json", "prediction.json", "comparison.json", "report.md", "report.html",
    }  # fmt: skip
    assert read_run(tmp_path) == outcome.run
    assert read_prediction(tmp_path) == prediction.predicted
    again, _ = compare_prediction(tmp_path, tmp_path / "run.json")
    assert again == outcome.comparison
    document = json.loads((tmp_path / "comparison.json").read_text())
    itl = document["metrics"]["itl"]
    assert itl["error"] == pytest.approx(itl["predicted"] / itl["measured"] - 1.0, rel=1e-4)
    assert document["within"] == outcome.comparison.within
    report = (tmp_path / "report.html").read_text()
    assert "http" not in report.split("<style>")[1].split("</style>")[0]  # fetches nothing
    assert "Predicted against measured" in report


def test_aiperf_gets_the_predicted_workload_and_its_numbers_are_compared(tmp_path, fake_aiperf):
    prediction = predict(request(), Layouts(worker="tp1"))
    itl_ms = 1e3 * prediction.candidate.estimate.itl.mean_s
    fake_aiperf(FAKE_ITL_MS=itl_ms * 1.25, FAKE_TTFT_MS=1e3 * prediction.candidate.estimate.ttft.mean_s)
    meter = Meter(options=BenchmarkOptions(tokenizer="builtin", ui="none"))
    with openai_server() as (url, _):
        outcome = benchmark(
            Server(url=url, model="tiny", note="a stand-in"), SMALL, meter, tmp_path / "out",
            prediction=prediction, limits={"itl": 0.1},
        )  # fmt: skip
    rows = {row.metric: row for row in outcome.comparison.rows}
    assert rows["itl"].error_frac == pytest.approx(-0.2)
    assert not rows["itl"].within
    assert rows["ttft"].error_frac == pytest.approx(0.0, abs=1e-9)
    assert "a stand-in" in outcome.comparison.remarks
    (call,) = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert call["offline"] == "1"  # the tokenizer must not be looked for on the network
    words = " ".join(call["words"])
    assert "--isl 64 --osl 16" in words
    assert "--concurrency 4" in words
    assert list((tmp_path / "cache" / "running").glob("*")) == []


@pytest.mark.parametrize("mode", ["fail", "silent"])
def test_a_client_that_fails_is_an_outside_failure(tmp_path, fake_aiperf, mode):
    fake_aiperf(FAKE_AIPERF=mode)
    with openai_server() as (url, _), pytest.raises(ExternalError, match="attempt 2 of 2"):
        measure(Server(url=url, model="tiny"), SMALL, Meter(), tmp_path / "a")


def test_a_server_that_answers_nothing_to_aiperf_is_named(tmp_path, fake_aiperf):
    fake_aiperf(FAKE_AIPERF="unanswered")
    said = r"19 x ClientConnectorError, 4 x HTTP 500\); look at engine.log"
    with openai_server() as (url, _), pytest.raises(ExternalError, match=said):
        measure(Server(url=url, model="tiny", log="engine.log"), SMALL, Meter(), tmp_path / "a")

    def dead():
        raise ExternalError("engine ended with status -9")

    with openai_server() as (url, _), pytest.raises(ExternalError, match="engine ended"):
        measure(Server(url=url, model="tiny", check=dead), SMALL, Meter(), tmp_path / "a")


@pytest.mark.parametrize(
    ("fault", "after", "said"),
    [
        ("500", 0, r"no request succeeded.*HTTP 500"),
        ("garbage", 20, r"8 of 24 requests failed \(8 x garbage"),
        ("stall", 22, r"6 of 24 requests failed \(6 x stalled"),
        ("cut_off", 0, "no request succeeded"),
    ],
)
def test_a_server_that_fails_is_named(tmp_path, fault, after, said):
    with openai_server(fault=fault, after=after) as (url, server):
        with pytest.raises(ExternalError, match=said):
            measure(Server(url=url, model="tiny"), SMALL, BUILTIN, tmp_path)
        server.release.set()


def test_a_server_that_fails_for_good_is_no_measurement_however_much_went_well(tmp_path):
    many = replace(BUILTIN, options=BenchmarkOptions(request_count=400, warmup_count=0))
    with (
        openai_server(fault="500", after=300, ttft_s=0, itl_s=0) as (url, _),
        pytest.raises(ExternalError, match=r"then the run was given up .*HTTP 500"),
    ):
        measure(Server(url=url, model="tiny"), SMALL, many, tmp_path)


def test_few_failures_are_counted_and_tolerated(tmp_path):
    with openai_server(fault="500", after=27) as (url, _):
        run = measure(Server(url=url, model="tiny"), SMALL, BUILTIN, tmp_path)
    assert (run.num_requests, run.num_errors) == (23, 1)
    assert "failures: 1 x HTTP 500" in run.notes


def test_a_dead_server_is_the_better_explanation(tmp_path):
    def dead():
        raise ExternalError("mocker ended with status -9")

    with openai_server() as (url, _):
        pass
    with pytest.raises(ExternalError, match="mocker ended"):
        measure(Server(url=url, model="tiny", check=dead), SMALL, BUILTIN, tmp_path)


def test_another_model_is_said_with_what_is_served(tmp_path):
    with (
        openai_server(model="org/other") as (url, _),
        pytest.raises(ExternalError, match="it lists org/other"),
    ):
        measure(Server(url=url, model="tiny"), SMALL, BUILTIN, tmp_path)


def test_a_local_target_needs_a_deployment(tmp_path):
    with pytest.raises(InputError, match="give a DGD"):
        on_target(None, "local", tmp_path)


@pytest.mark.parametrize(
    "text", ["{}", '{"kind": "simkit.prediction", "bands": 1}', '{"ttft_ms": {"mean": 1}}']
)
def test_what_is_no_prediction_is_refused(tmp_path, text):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"prediction|latency"):
        read_prediction(path)
    with pytest.raises(InputError, match=r"recommendation\.json"):
        read_prediction(tmp_path)


@needs_dynamo
@pytest.mark.parametrize("layout", [{"worker": "2xtp1"}, {"prefill": "tp1", "decode": "tp1"}], ids=str)
def test_mocked_engines_keep_the_predicted_step_times(tmp_path, monkeypatch, layout):
    """Real Dynamo: ITL near the prediction whose step times it was given; nothing of ours remains."""
    monkeypatch.setenv("SIMKIT_DYNAMO", _dynamo())
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    load = Workload(isl_tokens=256, osl_tokens=32, concurrency=2)
    prediction = predict(request(load, "Qwen/Qwen3-32B"), Layouts(**layout))
    meter = Meter(client="builtin", options=BenchmarkOptions(request_count=16))
    with on_target(prediction, "local", tmp_path) as server:
        outcome = benchmark(server, load, meter, tmp_path, prediction=prediction)
    itl = next(row for row in outcome.comparison.rows if row.metric == "itl")
    assert abs(itl.error_frac) < 0.25  # a busy machine adds to it; experiments/loop_error has the figure
    assert outcome.run.server.itl_s == pytest.approx(outcome.run.itl.mean_s, rel=0.2)
    assert any("mocked" in remark for remark in outcome.comparison.remarks)
    assert list((tmp_path / "cache" / "running").glob("*")) == []


@needs_dynamo
@needs_aiperf
def test_real_aiperf_on_real_dynamo(tmp_path, monkeypatch):
    """The whole loop once, as users run it: prediction, deployment, AIPerf, comparison."""
    dynamo, aiperf = _dynamo(), _aiperf()
    monkeypatch.setenv("SIMKIT_DYNAMO", dynamo)
    monkeypatch.setenv("SIMKIT_AIPERF", aiperf)
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    load = Workload(isl_tokens=128, osl_tokens=24, concurrency=2)
    prediction = predict(request(load, "Qwen/Qwen3-32B"), Layouts(worker="tp2"))
    meter = Meter(options=BenchmarkOptions(request_count=20, tokenizer="builtin", ui="none"))
    with on_target(prediction, "local", tmp_path) as server:
        outcome = benchmark(server, load, meter, tmp_path, prediction=prediction)
    run = outcome.run
    assert (run.source.tool, run.num_requests, run.num_errors, run.osl_off_frac) == ("aiperf", 20, 0, 0.0)
    assert run.isl_tokens == pytest.approx(128, abs=1)
    assert run.server.itl_s == pytest.approx(run.itl.mean_s, rel=0.2)
    assert list((tmp_path / "cache" / "running").glob("*")) == []


def _dynamo():
    from live import DYNAMO_AT

    return str(DYNAMO_AT)


def _aiperf():
    from live import AIPERF_AT

    return str(AIPERF_AT)
