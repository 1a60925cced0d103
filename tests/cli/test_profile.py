"""`simkit profile` as a command: what it writes, exit status, one-line errors."""

import json

import pytest
from openai_server import openai_server

pytestmark = pytest.mark.server

MODEL = ("--model", "Qwen/Qwen3-0.6B", "--backend", "vllm", "--gpu", "h100_sxm", "--total-gpus", "1")
LOAD = ("--isl", "64", "--osl", "8", "--concurrency", "2", "--ttft", "5000", "--itl", "5000")
METER = ("--client", "builtin", "--requests", "8", "--served-model", "tiny")
WIDE = ("--max-error", "ttft=9", "--max-error", "itl=9", "--max-error", "e2e=9")


def test_a_running_deployment_is_profiled_and_again_nothing_is_measured(simkit, tmp_path):
    with openai_server(ttft_s=0.01, itl_s=0.001) as (url, server):
        words = ("profile", "--target", "url", "--url", url, *MODEL, *LOAD, *METER, *WIDE, "-o", tmp_path)
        done = simkit(*words)
        sent = len(server.seen)
        again = simkit(*words, "--format", "json")
        assert len(server.seen) == sent
    assert done.status == 0
    assert "Predicted against measured" in done.out
    assert "What measuring changed" in done.out
    document = json.loads(again.out)
    assert (document["points_measured"], document["phase"]) == (0, "Deployed")
    assert "resuming" in again.err
    report = (tmp_path / "profile_report.html").read_text()
    assert "<script" not in report
    assert (tmp_path / "dgd.yaml").is_file()


def test_a_missed_sla_or_bound_is_status_1(simkit, tmp_path):
    with openai_server(ttft_s=0.01, itl_s=0.001) as (url, _):
        place = ("--target", "url", "--url", url)
        tight = simkit("profile", *place, *MODEL, *LOAD, *METER, *WIDE, "--itl", "0.5", "-o", tmp_path / "a")
        exact = simkit(
            "profile", *place, *MODEL, *LOAD, *METER, "--max-error", "itl=0.0001", "-o", tmp_path / "b"
        )
    assert (tight.status, exact.status) == (1, 1)
    assert "MISSES the SLA" in tight.out
    assert "beyond" in exact.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "k9s"), "unknown target"),
        (("--target", "url"), "give --url"),
        (("--url", "http://x"), "goes with --target url"),
        (("--target", "url", "--url", "x"), "http://HOST:PORT"),
        (("--target", "url", "--url", "http://x", "--search-strategy", "thorough"), "one deployment"),
        (("--max-points", "0"), "must be positive"),
        (("--dry-run", "sever"), "did you mean server?"),
        (("--dry-run", "server"), "add --target k8s"),
        (("--diff",), "add --target k8s"),
    ],
)
def test_bad_input_is_one_line_and_status_2(simkit, tmp_path, words, said):
    done = simkit("profile", *MODEL, *LOAD, "-o", tmp_path, *words)
    assert done.status == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_dead_server_is_status_3_with_what_to_look_at(simkit, tmp_path):
    done = simkit("profile", *MODEL, *LOAD, *METER, "--target", "url", "--url", "http://127.0.0.1:9",
                  "-o", tmp_path, "--quiet")  # fmt: skip
    assert done.status == 3
    assert "cannot be reached (Connection refused" in done.err
    assert done.err.count("\n") == 1


def test_a_dry_run_names_what_would_be_deployed_and_writes_nothing(simkit, tmp_path):
    words = ("profile", *MODEL, *LOAD, "--search-strategy", "thorough", "-o", tmp_path / "out")
    found = simkit(*words, "--dry-run", "client", "--format", "json")
    told = json.loads(found.out)
    assert (found.status, told["documents"]) == (0, [])
    assert [one["missing"] for one in told["trials"]] == [one["points"] for one in told["trials"]] != []
    assert f"would deploy {told['trials'][0]['name']} (1 GPU, " in found.err
    assert not (tmp_path / "out").exists()
