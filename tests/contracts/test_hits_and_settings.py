"""What engines find in their prefix cache, drafts and memory: the same by every way to ask."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from deployments import request_of

from simkit.core.draft import parse_draft
from simkit.core.errors import InputError
from simkit.formats.aiperf_command import profile_command
from simkit.measure.load_client import _prompts
from simkit.verbs.estimate import Layouts, estimate
from simkit.verbs.predict import predict_table
from simkit.verbs.simulate import simulate

MODEL, GPU = "Qwen/Qwen3-32B-FP8", "h200_sxm"
LAYOUTS = [
    ("vllm", Layouts(worker="1xtp1"), {"tp": 1, "num_gpus": 1}),
    ("sglang", Layouts(worker="2xtp2"), {"tp": 2, "num_gpus": 4}),
    (
        "trtllm", Layouts(prefill="2xtp1", decode="1xtp2"),
        {"mode": "disagg", "prefill_workers": 2, "prefill_tp": 1, "decode_workers": 1, "decode_tp": 2},
    ),
]  # fmt: skip
EACH = pytest.mark.parametrize("case", LAYOUTS, ids=lambda case: case[0])


def asked(backend, hit, **workload):
    load = {"isl_tokens": 4000.0, "osl_tokens": 300.0, "concurrency": 8.0} | workload
    return request_of(MODEL, GPU, backend, prefix_hit=hit, **load)


def means(found):
    return found.candidate.estimate.ttft.mean_s, found.candidate.estimate.itl.mean_s


@EACH
def test_more_hits_are_never_slower_and_cost_more_than_prompts_without_the_prefix(case):
    """A fresh token still sees the keys of the cached ones."""
    backend, layouts, _ = case
    found = [means(estimate(asked(backend, hit, concurrency=1.0), layouts)) for hit in (0.0, 0.3, 0.6, 0.9)]
    ttft = [one[0] for one in found]
    assert ttft == sorted(ttft, reverse=True)
    assert ttft[-1] < 0.5 * ttft[0]
    short = means(estimate(asked(backend, 0.0, isl_tokens=400.0, concurrency=1.0), layouts))[0]
    assert ttft[-1] > 0.9 * short


@EACH
def test_a_table_says_what_an_estimate_says(case):
    backend, layouts, columns = case
    single = means(estimate(asked(backend, 0.6), layouts))
    row = {
        "model": MODEL,
        "gpu": GPU,
        "backend": backend,
        "isl_tokens": 4000,
        "osl_tokens": 300,
        "concurrency": 8,
    }
    table = predict_table(pd.DataFrame([row | columns | {"prefix_hit": 0.6}, row | columns]))
    ttft, itl = (table[f"predicted_{name}_ms_mean"].to_numpy() / 1e3 for name in ("ttft", "itl"))
    assert (ttft[0], itl[0]) == pytest.approx(single, rel=1e-6)
    assert ttft[1] > ttft[0]


def test_a_simulation_of_a_shared_prefix_comes_to_the_same():
    """Same tokens cached, same steps; how requests meet differs, hence the room."""
    found = simulate(asked("vllm", 0.6, concurrency=16.0), Layouts(worker="1xtp1"))
    summary, form = found.run.summary, found.closed_form["benchmark"].estimate
    assert summary.cached_tokens / summary.isl_tokens == pytest.approx(0.6, abs=0.01)
    rate = summary.requests / summary.duration_s
    assert rate == pytest.approx(form.request_rate_per_s, rel=0.1)
    whole = simulate(asked("vllm", 0.0, concurrency=16.0), Layouts(worker="1xtp1"))
    assert rate > 1.1 * whole.run.summary.requests / whole.run.summary.duration_s


def test_the_benchmark_sends_prompts_that_share_as_much():
    command = profile_command(asked("vllm", 0.6).workload, model="m")
    given = dict(pairwise(command))
    assert (given["--isl"], given["--shared-system-prompt-length"]) == ("1600", "2400")
    assert "--shared-system-prompt-length" not in profile_command(asked("vllm", 0.0).workload, model="m")


def test_our_own_client_sends_prompts_that_share_as_much():
    rng = np.random.default_rng(0)
    shared = _prompts(asked("vllm", 0.6).workload, 3, rng)
    assert {len(prompt.text) for prompt in shared} == {4000}
    assert len({prompt.text[:2400] for prompt in shared}) == 1
    assert len({prompt.text[2400:] for prompt in shared}) == 3
    assert len({prompt.text[:20] for prompt in _prompts(asked("vllm", 0.0).workload, 3, rng)}) == 3


def test_what_cannot_be_is_refused(simkit):
    plain = ("--model", MODEL, "--gpu", GPU, "--worker", "1xtp1", "--isl", "4000", "--concurrency", "8")
    percent = simkit("estimate", *plain, "--prefix-hit", "60")
    assert (percent.status, "60 % is 0.6" in percent.err) == (2, True)
    off = "vllm serve Qwen/Qwen3-32B-FP8 --no-enable-prefix-caching"
    load = ("--gpu", GPU, "--concurrency", "8", "--prefix-hit", "0.5")
    assert "switches prefix caching off" in simkit("estimate", "--command", off, *load).err
    both = simkit("simulate", *plain, "--prefix-hit", "0.5", "--shared-prefix", "100")
    assert (both.status, "drop it" in both.err) == (2, True)


def test_a_table_takes_a_draft_and_a_share_of_memory_as_an_estimate_does():
    row = {
        "model": "deepseek-ai/DeepSeek-V3", "gpu": "h200_sxm", "backend": "sglang", "tp": 8, "ep": 8,
        "isl_tokens": 1024, "osl_tokens": 512, "concurrency": 32,
    }  # fmt: skip
    changes = (
        {},
        {"speculative": "mtp:3:0.7"},
        {"memory_frac": 0.72, "concurrency": 4096},
        {"concurrency": 4096},
    )
    table = predict_table(pd.DataFrame([row | change for change in changes]))
    request = request_of(
        "deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang", isl_tokens=1024.0, osl_tokens=512.0, concurrency=32.0
    )
    drafted = replace(request, tuning=replace(request.tuning, draft=parse_draft("mtp:3:0.7")))
    single = means(estimate(drafted, Layouts(worker="1xtep8")))
    itl = table["predicted_itl_ms_mean"].to_numpy()
    assert itl[1] / 1e3 == pytest.approx(single[1], rel=1e-6)
    assert itl[1] < 0.8 * itl[0]
    ttft = table["predicted_ttft_ms_mean"].to_numpy()
    assert ttft[2] > 1.1 * ttft[3]  # less cache, longer queues


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"speculative": "mtp:3:0.7"}, "no multi-token prediction layer"),
        ({"speculative": "banana"}, "METHOD:TOKENS:ACCEPTANCE"),
        ({"memory_frac": 90}, "memory_frac must be above 0"),
    ],
)
def test_a_table_refuses_what_an_estimate_refuses(change, said):
    row = {
        "model": MODEL,
        "gpu": GPU,
        "backend": "vllm",
        "isl_tokens": 100,
        "osl_tokens": 10,
        "concurrency": 1,
    }
    table = predict_table(pd.DataFrame([row, row | change]))
    assert (table["error"][0], said in table["error"][1]) == ("", True)


@pytest.mark.parametrize("hit", [-0.1, 1.0, np.nan])
def test_a_share_is_from_zero_to_below_one(hit):
    with pytest.raises(InputError, match="prefix hit"):
        asked("vllm", hit)
    row = {
        "model": MODEL,
        "gpu": GPU,
        "backend": "vllm",
        "isl_tokens": 100,
        "osl_tokens": 10,
        "concurrency": 1,
    }
    table = predict_table(pd.DataFrame([row | {"prefix_hit": hit}]))
    assert ("prefix_hit" in table["error"][0]) == (not np.isnan(hit))
