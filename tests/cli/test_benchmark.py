"""`simkit benchmark` and `simkit tools` as commands: exit status, JSON, one-line errors."""

import json
import sys
from pathlib import Path

import pytest
from openai_server import openai_server

pytestmark = pytest.mark.server

FLAGS = ("--gpu", "h100_sxm", "--total-gpus", "8", "--isl", "64", "--osl", "16", "--concurrency", "4")
METER = ("--client", "builtin", "--requests", "20", "--served-model", "tiny")
MODEL = ("--model", "Qwen/Qwen3-0.6B")


@pytest.fixture
def server():
    """A server with fixed latencies."""
    with openai_server(ttft_s=0.02, itl_s=0.002) as (url, _):
        yield url


def test_measuring_alone_needs_no_gpu(simkit, server, tmp_path):
    done = simkit(
        "benchmark", "--url", server, *MODEL, *METER, *FLAGS[4:], "-o", tmp_path, "--format", "json"
    )
    assert done.status == 0
    assert json.loads(done.out)["num_requests"] == 20
    assert (tmp_path / "run.json").is_file()
    assert not (tmp_path / "prediction.json").exists()
    table = simkit("benchmark", "--url", server, *MODEL, *METER, *FLAGS[4:], "-o", tmp_path)
    assert "TTFT [ms]" in table.out


@pytest.mark.parametrize(("limit", "status"), [("0.0001", 1), ("9", 0)])
def test_the_bound_decides_the_exit_status(simkit, server, tmp_path, limit, status):
    done = simkit(
        "benchmark", "--worker", "tp1", "--url", server, *MODEL, *METER, *FLAGS, "-o", tmp_path,
        *(word for metric in ("ttft", "itl", "e2e") for word in ("--max-error", f"{metric}={limit}")),
    )  # fmt: skip
    assert done.status == status
    assert "Predicted against measured" in done.out


def test_a_recommendations_folder_says_everything(simkit, server, tmp_path):
    asked = ("--gpu", "h100_sxm", "--total-gpus", "2", "--isl", "64", "--osl", "16", "--backend", "vllm")
    found = simkit("recommend", *MODEL, *asked, "--concurrency", "4", "-o", tmp_path / "rec", "--quiet")
    assert found.status == 0
    done = simkit("benchmark", tmp_path / "rec", "--url", server, *METER, "-o", tmp_path / "run", "--quiet",
                  "--max-error", "ttft=9", "--max-error", "itl=9", "--max-error", "e2e=9",
                  "--format", "json")  # fmt: skip
    assert done.status == 0
    document = json.loads(done.out)
    assert document["requests"] == 20
    assert not [text for text in document["remarks"] if "differs" in text]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to measure"),
        (("--target", "k8"), "unknown target"),
        (("--target", "local", "--url", "http://x"), "drop --url"),
        (("--target", "local", *MODEL, *FLAGS), "give a DGD"),
        (("--engine", "vllm serve x", *MODEL, *METER, *FLAGS[4:]), "--port {port}"),
        (("--engine", "vllm 'x {port}", *MODEL, *METER, *FLAGS[4:]), "check the quotes"),
        (("--engine", "x {port}", "--url", "http://x"), "drop --url"),
        (("--engine", "x {port}", "--target", "local"), "drop one of them"),
        (("--url", "nowhere", *MODEL, *METER), "http://HOST:PORT"),
        (("--url", "http://127.0.0.1:9", "--concurrency", "1"), "no request"),
        (("--url", "http://x", *MODEL, "--max-error", "itl"), "METRIC=FRACTION"),
        (("--url", "http://x", *MODEL, "--client", "wrk"), "unknown client"),
        (("--url", "http://x", *MODEL, "--client", "builtin", "--trace", "t"), "--client aiperf"),
        (("/no/such.yaml", "--url", "http://x"), "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_status_2(simkit, words, said):
    done = simkit("benchmark", *words)
    assert done.status == 2
    assert said in done.err
    assert done.err.count("\n") == 1


ENGINE = """
import sys
sys.path.insert(0, {fakes!r})
from http.server import ThreadingHTTPServer
import openai_server
state = openai_server.Behaviour(model="tiny")
kind = type("H", (openai_server._Handler,), {{"behaviour": state}})
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), kind).serve_forever()
"""


def test_an_engine_is_started_measured_and_stopped(simkit, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    script = tmp_path / "engine.py"
    script.write_text(ENGINE.format(fakes=str(Path(__file__).resolve().parents[1] / "fakes")))
    done = simkit("benchmark", "--engine", f"{sys.executable} {script} {{port}}", *MODEL, *METER, *FLAGS[4:],
                  "-o", tmp_path / "out")  # fmt: skip
    assert done.status == 0
    assert "TTFT [ms]" in done.out
    assert list((tmp_path / "cache" / "running").glob("*")) == []


def test_an_engine_that_does_not_start_is_named_with_its_last_words(simkit, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path / "cache"))
    script = tmp_path / "engine.py"
    script.write_text("raise SystemExit('no GPU was found')")
    done = simkit("benchmark", "--engine", f"{sys.executable} {script} {{port}}", *MODEL, *METER,
                  "--concurrency", "1", "-o", tmp_path / "out")  # fmt: skip
    assert done.status == 3
    assert "no GPU was found" in done.err


def test_a_server_that_is_not_there_is_status_3(simkit, tmp_path):
    done = simkit("benchmark", "--url", "http://127.0.0.1:9", *MODEL, *METER, *FLAGS[4:], "-o", tmp_path)
    assert done.status == 3
    assert "cannot be reached (Connection refused" in done.err


def test_tools_says_where_they_are(simkit, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("SIMKIT_AIPERF", "/bin/sh")
    monkeypatch.delenv("SIMKIT_DYNAMO", raising=False)
    assert json.loads(simkit("tools", "--format", "json").out) == {"aiperf": "/bin/sh", "dynamo": None}
    assert "simkit tools --make dynamo" in simkit("tools").out
    assert simkit("tools", "--make", "aiprf").status == 2
