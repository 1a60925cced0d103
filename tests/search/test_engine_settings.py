"""Engine settings asked for and searched: request cap, token budget, format of the cache."""

from dataclasses import replace
from itertools import pairwise

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.closed_form.one_deployment import deployment_candidate
from simkit.core.deployment import Aggregated, Pool
from simkit.core.errors import InputError
from simkit.core.request import TOKEN_BUDGETS, Tuning
from simkit.search.search import search

ROUNDING = 1e-9


def engines_in(found):
    return [pool.engine for item in (*found.candidates, *found.pareto) for pool in item.deployment.pools]


@pytest.mark.parametrize("cap", [1, 5, 24])
@pytest.mark.parametrize("modes", [("agg",), ("disagg",)])
def test_no_engine_runs_more_requests_than_asked_for(problem_of, cap, modes):
    found = search(problem_of(gpus=4, modes=modes, concurrency=100, tuning=Tuning(max_num_seqs=cap)))
    assert {engine.max_num_seqs for engine in engines_in(found)} <= set(range(1, cap + 1))


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [8, 64, 400])
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_a_cap_below_the_load_never_gives_more_or_answers_sooner(problem_of, backend, concurrency):
    """Why the search has no axis for it: a cap queues requests. Every step serves fewer, which costs
    throughput, and with so many in flight throughput decides the end-to-end latency. Only ITL gains, paid for
    by TTFT."""
    problem = problem_of("Qwen/Qwen3-8B", backend=backend, concurrency=concurrency, osl_tokens=300)
    plain = tuple(replace(model, residuals=None) for model in problem.engines)
    problem = replace(problem, engines=plain)
    pool = Pool(plan=ParallelPlan(), engine=plain[0].engine)

    def under(cap):
        worker = replace(pool, engine=replace(pool.engine, max_num_seqs=cap))
        deployment = Aggregated(worker=worker, precision=problem.precision)
        return deployment_candidate(problem, deployment).estimate

    caps = [cap for cap in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if cap <= 2 * concurrency]
    found = [under(cap) for cap in caps]
    for tighter, looser in pairwise(found):
        assert tighter.output_tokens_per_s <= looser.output_tokens_per_s * (1 + ROUNDING)
        assert tighter.e2e.mean_s >= looser.e2e.mean_s * (1 - ROUNDING)
        assert tighter.itl.mean_s <= looser.itl.mean_s * (1 + ROUNDING)
        assert tighter.ttft.mean_s >= looser.ttft.mean_s * (1 - ROUNDING)


def test_a_budget_asked_for_is_the_only_one(problem_of):
    found = search(problem_of(gpus=4, concurrency=20, tuning=Tuning(max_num_batched_tokens=1000)))
    assert {engine.max_num_batched_tokens for engine in engines_in(found)} == {1000}
    assert all(engine.max_num_seqs <= 1000 for engine in engines_in(found))


def test_prefill_and_decode_may_differ_in_budget(problem_of):
    """Prefill engines may gain by larger steps while decode engines keep theirs."""
    found = search(
        problem_of("Qwen/Qwen3-32B", gpus=8, modes=("disagg",), isl_tokens=16000, osl_tokens=1000,
                   options={"limit": 100})
    )  # fmt: skip
    pairs = [
        (item.deployment.prefill.engine, item.deployment.decode.engine)
        for item in (*found.candidates, *found.pareto)
    ]
    assert {engine.max_num_batched_tokens for pair in pairs for engine in pair} <= set(TOKEN_BUDGETS)
    assert any(one.max_num_batched_tokens != other.max_num_batched_tokens for one, other in pairs)


def test_the_budget_trades_itl_for_ttft(problem_of):
    """Where prompts share steps with decodes, a smaller budget lets fewer of them in at once."""
    problem = problem_of("Qwen/Qwen3-8B", concurrency=300, isl_tokens=8000, osl_tokens=40)

    def under(budget):
        engine = replace(problem.engines[0].engine, max_num_batched_tokens=budget)
        deployment = Aggregated(worker=Pool(plan=ParallelPlan(tp=8), engine=engine))
        return deployment_candidate(problem, deployment).estimate

    small, large = under(2048), under(16384)
    assert small.itl.mean_s < large.itl.mean_s
    assert small.ttft.mean_s > large.ttft.mean_s


@pytest.mark.parametrize(
    ("kv", "backend", "formats"),
    [("auto", "vllm", {"bf16"}), ("fp8", "vllm", {"fp8"}), ("auto", "trtllm", {"fp8"})],
)
def test_the_cache_is_kept_as_asked(problem_of, kv, backend, formats):
    found = search(
        problem_of("Qwen/Qwen3-32B-FP8", backend=backend, concurrency=50, tuning=Tuning(kv_dtype=kv))
    )
    assert {item.deployment.precision.kv for item in found.candidates} == formats
    told = any("changes what the model answers" in text for text in found.request.warnings)
    assert told is (kv == "fp8")


def test_both_formats_are_compared(problem_of):
    """Half the bytes per token: where the cache binds the eight-bit one wins."""
    asked = {"gpus": 1, "concurrency": 200, "isl_tokens": 8000, "osl_tokens": 2000}
    both, plain = (
        search(problem_of("Qwen/Qwen3-32B", tuning=Tuning(kv_dtype=kv), **asked)) for kv in ("both", "bf16")
    )
    assert both.selected.deployment.precision.kv == "fp8"
    assert plain.selected.deployment.precision.kv == "bf16"
    gained = both.selected.estimate.kv_capacity_tokens / plain.selected.estimate.kv_capacity_tokens
    assert gained == pytest.approx(2, rel=0.05)  # the token budget may differ, and with it what is left


def test_an_engine_that_cannot_keep_it_so_is_left_out(problem_of):
    with pytest.raises(InputError, match="trtllm keeps the KV cache of this checkpoint in fp8"):
        problem_of("Qwen/Qwen3-32B-FP8", backend="trtllm", tuning=Tuning(kv_dtype="bf16"))
    problem = problem_of("Qwen/Qwen3-32B-FP8", backend="auto", tuning=Tuning(kv_dtype="bf16"))
    assert {model.engine.backend for model in problem.engines} == {"vllm", "sglang"}
    assert any(text.endswith("left out") for text in problem.request.warnings)
    with pytest.raises(InputError, match="Ada GPUs or newer"):
        problem_of(gpu="a100_sxm", tuning=Tuning(kv_dtype="fp8"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kv_dtype": "fp4"}, "fp4"),
        ({"max_num_seqs": 0}, "got 0"),
        ({"max_num_batched_tokens": -5}, "got -5"),
    ],
)
def test_impossible_settings_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        Tuning(**changes)


def test_more_requests_than_tokens_in_a_step_are_refused():
    with pytest.raises(InputError, match="max_num_seqs 300 exceeds max_num_batched_tokens 256"):
        Tuning(max_num_seqs=300, max_num_batched_tokens=256)


def test_the_quality_of_fp8_is_warned_of_only_where_it_is_tried(problem_of):
    asked = Tuning(kv_dtype="both")
    told = [" ".join(problem_of(gpu=gpu, tuning=asked).request.warnings) for gpu in ("a100_sxm", "h200_sxm")]
    assert ["FP8 KV cache changes" in text for text in told] == [False, True]
