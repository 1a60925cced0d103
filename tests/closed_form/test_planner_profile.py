"""Profiling data for Planner and mocker: a number by hand, laws, and agreement with the step-time model."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.engine_speed import decode_step, prefill_step
from simkit.closed_form.planner_profile import (
    EngineProfile,
    ProfileRanges,
    decode_profile,
    max_kv_tokens,
    prefill_profile,
    step_tables,
)
from simkit.core.workload import Lengths
from simkit.engines.registry import default_engine

RANGES = ProfileRanges(
    max_context_tokens=8192,
    typical=Lengths(isl_tokens=np.asarray(3000.0), osl_tokens=np.asarray(500.0)),
)
DENSE = (ParallelPlan(tp=2), ParallelPlan(tp=2, pp=2))
EXPERTS = (ParallelPlan(attn_dp=8, ep=8), ParallelPlan(tp=8, ep=8))


@dataclass(frozen=True, kw_only=True)
class Planted(EngineProfile):
    """Per lane: 10,000 tokens of cache, prefill 5 ms + 0.1 ms a token, decode 10 ms + 0.1 ms a request."""

    def times(self, isl, osl):
        return SimpleNamespace(prefill_s=5e-3 + 1e-4 * isl, kv_capacity_tokens=np.full(len(isl), 10_000.0))

    def decode_s(self, requests, context):
        return 1e-2 + 1e-4 * requests / self.lanes


@pytest.fixture(scope="module")
def engines(problem_of):
    """A dense model and a mixture of experts, each on several plans."""
    dense = problem_of("Qwen/Qwen3-32B").engines[0]
    experts = problem_of("deepseek-ai/DeepSeek-R1", gpus=16, backend="sglang").engines[0]
    pairs = [(dense, plan) for plan in DENSE] + [(experts, plan) for plan in EXPERTS]
    return [EngineProfile(model=model, plan=plan) for model, plan in pairs]


def planted(problem_of, plan, **options):
    model = replace(problem_of("Qwen/Qwen3-8B").engines[0], engine=default_engine("vllm", **options))
    return Planted(model=model, plan=plan)


def test_a_point_by_hand(problem_of):
    """Two attention ranks on two GPUs, cache of 2 x 10,000 tokens.

    Prompt 100 + output 500: 20,000 // 600 = 33 requests, 16 per rank, so 2 ... 32 in all. At 32, each with
    100 + 250 keys on average: 32 x 350 / 20,000 = 0.56 of the cache; ITL 10 + 0.1 x 16 = 11.6 ms;
    32 / 0.0116 / 2 = 1379.3 tokens/s/GPU. Prefill of 7,680 (8,192 less 512): 5 + 768 = 773 ms.
    """
    engine = planted(problem_of, ParallelPlan(attn_dp=2))
    decode = decode_profile(engine, RANGES)
    assert decode.max_kv_tokens == 20_000
    first = decode.context_tokens == 350.0
    assert list(np.round(decode.kv_usage_frac[first] * 20_000 / 350)) == [2, 8, 14, 20, 26, 32]
    at = int(np.flatnonzero(first)[-1])
    assert decode.kv_usage_frac[at] == pytest.approx(0.56)
    assert decode.itl_s[at] == pytest.approx(11.6e-3)
    assert decode.output_tokens_per_s_per_gpu[at] == pytest.approx(32 / 11.6e-3 / 2)
    prefill = prefill_profile(engine, RANGES)
    assert (prefill.isl_tokens[0], prefill.isl_tokens[-1], len(prefill.isl_tokens)) == (100, 7680, 17)
    assert prefill.ttft_s[-1] == pytest.approx(0.773)
    # Two ranks prefill side by side on two GPUs.
    assert prefill.tokens_per_s_per_gpu[-1] == pytest.approx(7680 / 0.773 * 2 / 2)


def test_the_engines_own_limit_bounds_the_requests(problem_of):
    decode = decode_profile(planted(problem_of, ParallelPlan(attn_dp=2), max_num_seqs=4), RANGES)
    requests = np.round(decode.kv_usage_frac * decode.max_kv_tokens / decode.context_tokens)
    assert requests.max() == 8


def test_contexts_that_do_not_fit_are_left_out(problem_of):
    ranges = replace(RANGES, max_context_tokens=40_000)
    decode = decode_profile(planted(problem_of, ParallelPlan()), ranges)
    assert decode.max_kv_tokens == 10_000
    assert decode.context_tokens.max() + 250 <= 10_000
    assert (decode.kv_usage_frac <= 1).all()


@pytest.mark.parametrize("context", [64, 512, 700])
def test_short_contexts_still_give_points(problem_of, context):
    ranges = replace(RANGES, max_context_tokens=context)
    engine = planted(problem_of, ParallelPlan())
    assert len(prefill_profile(engine, ranges).isl_tokens) >= 3
    assert prefill_profile(engine, ranges).isl_tokens.max() <= context
    assert decode_profile(engine, ranges).context_tokens.max() <= context


def test_prefill_is_the_step_models_and_rises(engines):
    for engine in engines:
        found = prefill_profile(engine, RANGES)
        assert (np.diff(found.isl_tokens) > 0).all()
        assert (np.diff(found.ttft_s) > 0).all()
        isl = float(found.isl_tokens[5])  # one chunk
        step = prefill_step(engine.model, PlanArray.of([engine.plan]), (isl, isl / 2, 1.0))
        ahead = float(engine.times(np.array([isl]), np.ones(1)).ahead_s[0])  # of the host, once a prompt
        assert found.ttft_s[5] == pytest.approx(float(step.total_s[0]) + ahead)
        per_gpu = isl / found.ttft_s[5] * engine.lanes / engine.plan.num_gpus
        assert found.tokens_per_s_per_gpu[5] == pytest.approx(per_gpu)


def test_decode_rises_with_requests_and_with_context(engines):
    for engine in engines:
        found = decode_profile(engine, RANGES)
        assert ((found.kv_usage_frac > 0) & (found.kv_usage_frac <= 1)).all()
        for context in np.unique(found.context_tokens):
            rows = found.context_tokens == context
            assert (np.diff(found.kv_usage_frac[rows]) > 0).all()
            assert (np.diff(found.itl_s[rows]) >= 0).all()
        requests = np.round(found.kv_usage_frac * found.max_kv_tokens / found.context_tokens)
        assert (requests % engine.plan.attn_dp == 0).all()
        alone = found.itl_s[requests == engine.plan.attn_dp]
        assert (np.diff(alone) >= 0).all()


def test_a_decode_point_is_the_step_models(engines):
    for engine in engines:
        found = decode_profile(engine, RANGES)
        at = len(found.itl_s) // 2
        requests = found.kv_usage_frac[at] * found.max_kv_tokens / found.context_tokens[at]
        batch = max(requests / engine.lanes, 1.0)
        step = decode_step(engine.model, PlanArray.of([engine.plan]), (batch, found.context_tokens[at]))
        assert found.itl_s[at] == pytest.approx(float(step.total_s[0]))
        expected = requests / found.itl_s[at] / engine.plan.num_gpus
        assert found.output_tokens_per_s_per_gpu[at] == pytest.approx(expected)


def test_the_cache_is_that_of_all_lanes(engines):
    for engine in engines:
        one = engine.times(np.array([3000.0]), np.array([500.0])).kv_capacity_tokens[0]
        assert max_kv_tokens(engine, RANGES) == int(one * engine.plan.attn_dp * engine.plan.pp)


def bilinear(tables, kv, context):
    """As the mocker looks up: linear between the lines of the grid."""
    ones = [np.interp(context, tables.context_tokens, row) for row in tables.decode_s]
    return float(np.interp(kv, tables.active_kv_tokens, ones))


@pytest.mark.slow
def test_looking_up_in_the_tables_gives_the_step_models_times(engines):
    """Random loads of one rank: within 5 % of the model, which the grid of 64 x 64 samples."""
    rng = np.random.default_rng(7)
    for engine in engines:
        tables = step_tables(engine, engine, RANGES)
        assert tables.decode_s.shape == (len(tables.active_kv_tokens), len(tables.context_tokens))
        for axis in (tables.prefill_tokens, tables.active_kv_tokens, tables.context_tokens):
            assert (np.diff(axis) > 0).all()
        assert (np.diff(tables.decode_s, axis=0) >= -1e-12).all()
        for _ in range(30):
            context = float(np.exp(rng.uniform(np.log(100), np.log(8000))))
            most = min(tables.active_kv_tokens[-1] / context, engine.model.engine.max_num_seqs)
            batch = float(rng.integers(1, max(int(most), 2)))
            exact = engine.decode_s(np.array([batch * engine.plan.attn_dp]), np.array([context]))[0]
            assert bilinear(tables, batch * context, context) == pytest.approx(exact, rel=0.05)
            tokens = float(np.exp(rng.uniform(np.log(50), np.log(8000))))
            exact = engine.times(np.array([tokens]), np.array([1.0])).prefill_s[0]
            looked_up = np.interp(tokens, tables.prefill_tokens, tables.prefill_s)
            assert looked_up == pytest.approx(exact, rel=0.05)
