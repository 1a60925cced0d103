"""The verbs in a notebook: keywords are the flags, answers show, draw and save themselves."""

import json
import subprocess
import sys

import numpy as np
import pytest

import simkit
from simkit.core.errors import InputError
from simkit.core.request import Request

QWEN = {"model": "Qwen/Qwen3-8B", "gpu": "h100_sxm", "backend": "vllm", "isl": 2000, "osl": 300}
ASKED = {**QWEN, "total_gpus": 2, "request_rate": 3, "ttft_ms": 500}
WORDS = (
    "--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--backend", "vllm", "--isl", "2000", "--osl", "300",
    "--total-gpus", "2", "--request-rate", "3", "--ttft", "500",
)  # fmt: skip


@pytest.fixture(scope="module")
def answer():
    return simkit.recommend(**ASKED)


def test_keywords_ask_what_flags_ask(answer, simkit, tmp_path):  # simkit: the command
    found = simkit("recommend", *WORDS, "--format", "json", "--quiet", "-o", tmp_path / "flags")
    said = json.loads(found.out)
    first = answer.to_frame().iloc[0]
    assert first["ttft_ms_mean"] == pytest.approx(said["selected"]["ttft_ms"]["mean"], rel=1e-5)
    assert len(answer.to_frame()) == len(said["candidates"])
    written = answer.save(tmp_path / "saved")
    assert {path.name for path in written} == {path.name for path in (tmp_path / "flags").iterdir()}
    again = simkit("estimate", tmp_path / "saved", "--format", "json", "--quiet")
    assert again.status == found.status == 0


def test_an_answer_shows_and_draws_itself(answer):
    page = answer._repr_html_()
    assert "ttft_ms_mean" in page and "<table" in page and "cost" not in page
    printed = str(answer)
    assert answer.explanation[0] in printed and "ttft_ms_mean" in printed and "Recommendation(" not in printed
    assert answer.plot().axes[0].get_xlabel() == "tokens/s of one user"
    priced = simkit.recommend(**ASKED, gpu_hour_price=2.0, objective="cost")
    assert "cost_per_million_output_tokens" in priced._repr_html_()


def test_an_estimate_and_a_simulation(tmp_path):
    load = {**QWEN, "concurrency": np.float64(8), "worker": "1xtp1"}
    estimate = simkit.estimate(**load)
    frame = estimate.to_frame()
    assert list(frame.index) == ["ttft_ms", "itl_ms", "e2e_ms"]
    assert frame.loc["itl_ms", "mean"] == pytest.approx(1e3 * estimate.candidate.estimate.itl.mean_s)
    assert "requests/s" in estimate._repr_html_()
    assert "itl_ms" in str(estimate)
    run = simkit.simulate(**load, ttft_ms=2000)
    assert run.to_frame().loc["ttft_ms", "p99"] > run.to_frame().loc["ttft_ms", "p50"]
    assert "requests" in run._repr_html_()
    assert "ttft_ms" in str(run)
    assert "summary.json" in run.save(tmp_path / "run")
    assert run.plot().axes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "no model"),
        ({**ASKED, "itl": 30}, "unknown keyword 'itl'; did you mean itl_ms"),
        ({**ASKED, "ttft_ms": 0.5}, "0.5 ms looks like seconds; write 500 for 0.5 s"),
        ({**ASKED, "gpu": "h1000"}, "h1000"),
        ({**ASKED, "concurrency": 4}, "oncurrency"),
        ({**ASKED, "mode": "both sides"}, "unknown mode"),
        ({**ASKED, "calibration": "absent.json"}, "absent.json"),
        ({"request": Request(model="Qwen/Qwen3-8B"), "isl": 3}, "the request says everything"),
    ],
)
def test_errors_are_the_same_one_line(asked, said):
    with pytest.raises(InputError, match=said) as found:
        simkit.recommend(**asked)
    assert "\n" not in str(found.value)


def test_the_package_stays_light():
    heavy = "[name for name in ('matplotlib', 'pandas', 'kubernetes') if name in sys.modules]"
    code = f"import sys, simkit; simkit.recommend; print({heavy})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"
