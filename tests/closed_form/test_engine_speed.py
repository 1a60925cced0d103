"""Engines as tables of step times: grids, chunks, admission."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.memory import MemoryQuestion, memory_use
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.units import GIB
from simkit.catalog.engine_models import engine_model
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.closed_form.engine_speed import BATCH_GRID, decode_step, phase_times, prefill_step
from simkit.engines.common import version_numbers
from simkit.engines.engine_memory import kv_reservation, memory_fraction, memory_rules, visible_bytes
from simkit.engines.registry import default_engine
from simkit.search.candidates import sized_engine

TWO_PLANS = PlanArray.of([ParallelPlan(tp=1), ParallelPlan(tp=4)])


@pytest.fixture(scope="module")
def model(problem_of):
    return problem_of("Qwen/Qwen3-32B").engines[0]


def test_between_grid_points_time_is_linear(model, lengths_of):
    times = phase_times(model, TWO_PLANS, lengths_of(1000, 200), "aggregated")
    at_grid = times.decode_at(np.broadcast_to(BATCH_GRID, (2, len(BATCH_GRID))))
    assert at_grid == pytest.approx(times.decode_s)
    between = times.decode_at(np.array([[10.0], [10.0]]))
    mean = (times.decode_s[:, BATCH_GRID == 8] + times.decode_s[:, BATCH_GRID == 12]) / 2
    assert between == pytest.approx(mean)


def test_the_grid_is_the_step_model(model, lengths_of):
    times = phase_times(model, TWO_PLANS, lengths_of(1000, 200), "aggregated")
    # half of the output is there on average
    direct = decode_step(model, TWO_PLANS, (64.0, 1100.0)).total_s
    assert times.decode_s[:, list(BATCH_GRID).index(64)] == pytest.approx(direct)


def test_prompts_are_cut_into_equal_chunks(model, lengths_of):
    # 20,000 tokens in steps of at most 8192: three of 6667 which see 10,000 keys on average
    times = phase_times(model, TWO_PLANS, lengths_of(20_000, 200), "prefill")
    assert times.chunks.tolist() == [3, 3]
    chunk = prefill_step(model, TWO_PLANS, (20_000 / 3, 10_000.0, 1 / 3)).total_s
    assert times.ahead_s == pytest.approx(64 * model.efficiency.layer_host_s)  # a dense model of 64 layers
    assert times.prefill_s == pytest.approx(3 * chunk + times.ahead_s)
    fixed = 3 * model.efficiency.prefill_step_s + times.ahead_s
    assert times.burst_prefill_s == pytest.approx(times.prefill_s - fixed)  # nothing fits beside it


def test_the_host_walks_through_experts_once_more_with_every_doubling_of_the_ranks(lengths_of):
    experts = engine_model(load_model("Qwen/Qwen3-30B-A3B"), gpu("h200_sxm"), "vllm")
    plans = PlanArray.of([ParallelPlan(tp=tp, moe_tp=tp) for tp in (1, 2, 8)])
    times = phase_times(experts, plans, lengths_of(1000, 200), "aggregated")
    each = experts.efficiency.layer_host_s
    more = (times.ahead_s - 48 * each) / (48 * experts.efficiency.expert_host_s)
    assert more == pytest.approx([1, 2, 4])


def test_short_prompts_share_a_step(model, lengths_of):
    # eight prompts of 1000 tokens fit a step of 8192
    times = phase_times(model, TWO_PLANS, lengths_of(1000, 200), "prefill")
    together = prefill_step(model, TWO_PLANS, (8000.0, 500.0, 8.0)).total_s
    assert times.burst_prefill_s == pytest.approx((together - model.efficiency.prefill_step_s) / 8)
    # the weights are read once for all; but large products run a little slower per row than small ones
    assert np.all(times.burst_prefill_s < 1.1 * times.prefill_s)


def test_admission_counts_the_cache_a_request_will_need(model, lengths_of):
    lengths = lengths_of(8000, 2000)
    serving, prefilling = (phase_times(model, TWO_PLANS, lengths, role) for role in ("aggregated", "prefill"))
    reserved = 8000 + kv_reservation(model.engine) * 2000
    assert serving.max_seqs.tolist() == [
        min(capacity // reserved, model.engine.max_num_seqs) for capacity in serving.kv_capacity_tokens
    ]
    assert np.all(prefilling.max_seqs >= serving.max_seqs)


def test_the_engine_caps_admission(model, lengths_of):
    capped = replace(model, engine=replace(model.engine, max_num_seqs=3))
    assert phase_times(capped, TWO_PLANS, lengths_of(100, 10), "aggregated").max_seqs.tolist() == [3, 3]


def test_rows_can_be_taken(model, lengths_of):
    times = phase_times(model, TWO_PLANS, lengths_of(1000, 200), "aggregated")
    second = times.take(np.array([1]))
    assert second.plan.plan(0) == ParallelPlan(tp=4)
    assert second.decode_s.tolist() == times.decode_s[1:].tolist()
    assert {len(value) for value in second.memory_bytes.values()} == {1}


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_each_engine_divides_memory_its_own_way(model, backend):
    engine = replace(model, engine=default_engine(backend))
    use = memory_use(
        MemoryQuestion(
            shape=model.shape, precision=model.precision, plan=TWO_PLANS,
            device_bytes=model.device.memory_bytes, context_tokens=1000.0,
        ),
        memory_rules(engine, TWO_PLANS),
    )  # fmt: skip
    weights, working = use.parts_bytes["weights"], use.parts_bytes["activations"] + use.parts_bytes["runtime"]
    memory, share = model.device.memory_bytes, memory_fraction(engine, TWO_PLANS)
    peers = np.array([0.0, 0.6 * GIB]) * memory / visible_bytes(engine)  # gone before it looks
    expected = {
        "vllm": share * memory - weights - working,  # working memory inside the share
        "sglang": share * (memory - peers) - weights,  # working memory in the rest
        "trtllm": share * (memory - weights - working),  # a share of what is free
    }
    assert use.parts_bytes["kv"] == pytest.approx(expected[backend])
    half = replace(engine, engine=default_engine(backend, memory_frac=0.5))
    assert memory_fraction(half, TWO_PLANS).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("batch", "seqs"), [(1, 8), (5, 8), (6, 16), (40, 64), (43, 128), (300, 512), (9999, 512)]
)
def test_engines_are_sized_for_half_as_many_again(batch, seqs):
    assert sized_engine(default_engine("vllm"), batch).max_num_seqs == seqs


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.24.0", (0, 24, 0)), ("v0.9", (0, 9, 0)), ("1.3.0rc20", (1, 3, 0)), (None, (9999,)), ("x", (9999,))],
)
def test_versions_compare_by_number(text, numbers):
    assert version_numbers(text) == numbers
