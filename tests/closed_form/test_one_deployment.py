"""One deployment under one load: it fits or says why not, and its operators add up."""

from dataclasses import replace

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.closed_form.latency_lines import FIRST_TOKEN, TOKEN
from simkit.closed_form.one_deployment import estimate_deployment
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.errors import InfeasibleError
from simkit.engines.registry import default_engine

VLLM = default_engine("vllm")
SERVING = {"isl_tokens": 2000, "osl_tokens": 300}


def aggregated(tp=2, replicas=1, **plan):
    return Aggregated(worker=Pool(plan=ParallelPlan(tp=tp, **plan), engine=VLLM, replicas=replicas))


def disaggregated(prefill=1, decode=1, tp=2):
    plan = ParallelPlan(tp=tp)
    pools = [Pool(plan=plan, engine=VLLM, replicas=count) for count in (prefill, decode)]
    return Disaggregated(prefill=pools[0], decode=pools[1])


def test_two_replicas_with_twice_the_load_are_two_of_one(problem_of):
    one, two = (
        estimate_deployment(
            problem_of(concurrency=10 * n, **SERVING), aggregated(replicas=n)
        ).candidate.estimate
        for n in (1, 2)
    )
    assert two.ttft == one.ttft
    assert two.itl == one.itl
    assert two.output_tokens_per_s == pytest.approx(2 * one.output_tokens_per_s)
    assert two.kv_capacity_tokens == 2 * one.kv_capacity_tokens
    assert two.memory_bytes == one.memory_bytes  # per GPU


def test_what_does_not_fit_says_how_much_is_left(problem_of):
    problem = problem_of("meta-llama/Meta-Llama-3.1-70B", gpu="a100_sxm", concurrency=1, **SERVING)
    with pytest.raises(InfeasibleError, match=r"tp1 on a100_sxm: .* room for 0 cached tokens"):
        estimate_deployment(problem, aggregated(tp=1))


@pytest.mark.parametrize("deployment", [aggregated(), disaggregated()])
@pytest.mark.parametrize("load", [{"concurrency": 16}, {"request_rate_per_s": 0.5}, {}])
def test_operators_add_up_to_both_phases(problem_of, deployment, load):
    result = estimate_deployment(problem_of(**SERVING, **load), deployment)
    for phase in ("prefill", "decode"):
        lines = [line for line in result.by_operator if line.phase == phase]
        assert sum(line.share for line in lines) == pytest.approx(1)
        assert [line.time_s for line in lines] == sorted((line.time_s for line in lines), reverse=True)
        assert all(line.time_s > 0 for line in lines)
    assert {line.operator for line in result.by_operator} >= {"qkv", "ffn_up", "output_head", "engine_host"}


@pytest.mark.parametrize("deployment", [aggregated(), disaggregated()])
@pytest.mark.parametrize("load", [{"concurrency": 1}, {"concurrency": 16}, {"request_rate_per_s": 0.5}])
def test_every_millisecond_of_both_latencies_has_a_line(problem_of, deployment, load):
    result = estimate_deployment(problem_of(**SERVING, **load), deployment)
    estimate = result.candidate.estimate
    for phase, mean in ((FIRST_TOKEN, estimate.ttft.mean_s), (TOKEN, estimate.itl.mean_s)):
        lines = [line for line in result.by_operator if line.phase == phase]
        assert sum(line.time_s for line in lines) == pytest.approx(mean)
        assert sum(line.share for line in lines) == pytest.approx(1.0)
    names = {line.operator for line in result.by_operator if line.phase == FIRST_TOKEN}
    assert {"request_host", "layer_launches", "prefill_steps"} <= names
    assert ("kv_handover" in names) is (deployment.mode == "disagg")


def test_prefill_work_by_hand(problem_of):
    # Qwen3-32B, tp2: 2 * 2000 rows * 5120 * (64 + 2*8) * 128 columns, 64 layers, half on each GPU
    result = estimate_deployment(problem_of(concurrency=1, **SERVING), aggregated())
    line = next(x for x in result.by_operator if (x.phase, x.operator) == ("prefill", "qkv"))
    assert line.flop == 64 * 2 * 2000 * 5120 * (64 + 2 * 8) * 128 / 2


def test_bounds_decide(problem_of):
    problem = problem_of(concurrency=4, **SERVING)
    estimate = estimate_deployment(problem, aggregated()).candidate.estimate
    for factor, holds in ((1.01, True), (0.99, False)):
        bound = {"itl_s": estimate.itl.mean_s * factor}
        found = estimate_deployment(problem_of(concurrency=4, slo=bound, **SERVING), aggregated()).candidate
        assert found.meets_sla is holds
        assert 0 < found.estimate.sla_probability < 1


@pytest.mark.parametrize("deployment", [aggregated(), disaggregated()])
def test_overload_is_noted_and_never_meets_anything(problem_of, deployment):
    found = estimate_deployment(problem_of(request_rate_per_s=500.0, **SERVING), deployment).candidate
    assert not found.meets_sla
    assert found.estimate.overloaded
    assert any("overloaded" in note for note in found.estimate.notes)


def test_separate_pools_count_all_gpus(problem_of):
    found = estimate_deployment(problem_of(concurrency=32, **SERVING), disaggregated(2, 1)).candidate
    estimate = found.estimate
    assert found.deployment.num_gpus == 6
    assert estimate.output_tokens_per_s_per_gpu == pytest.approx(estimate.output_tokens_per_s / 6)


def test_without_rdma_the_cache_arrives_later(problem_of):
    problem = problem_of(concurrency=1, **SERVING)
    plain = tuple(replace(model, residuals=None) for model in problem.engines)
    problem = replace(problem, engines=plain)  # what runs taught would scale the difference
    slow = replace(problem.path, bandwidth_bytes_per_s=problem.path.bandwidth_bytes_per_s / 10)
    fast, late = (
        estimate_deployment(replace(problem, path=path), disaggregated()).candidate.estimate.ttft.mean_s
        for path in (problem.path, slow)
    )
    # 2000 tokens of 262,144 bytes over two GPUs, one tenth of the rate: nine more of the first time
    moved = 2000 * 262_144 / 2 / problem.path.bandwidth_bytes_per_s
    assert late - fast == pytest.approx(9 * moved, rel=0.02)  # and a little less waiting, as fewer arrive


def test_doubt_is_a_fact_of_the_estimate_and_a_note(problem_of):
    """Where prompts crowd out decoding the order of events decides; at one request in flight nothing does."""
    for osl, concurrency, expected in ((32, 64, True), (1000, 1, False)):
        problem = problem_of(isl_tokens=4000, osl_tokens=osl, concurrency=concurrency)
        found = estimate_deployment(problem, aggregated()).candidate.estimate
        assert found.doubtful is expected
        assert any("the order of events decides" in note for note in found.notes) is expected
        assert not found.overloaded
