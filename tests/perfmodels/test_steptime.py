"""Step times: never faster than the hardware, never shorter for more work, and they add up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perfmodels.efficiency import Efficiency
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.params import active_params
from perfmodels.op_times.families import kind_of
from perfmodels.op_times.pricing import Pricing, operator_time_s
from perfmodels.operators.forward import Pass, forward_operators
from perfmodels.operators.record import Operator
from perfmodels.parallel import ParallelPlan, PlanArray
from perfmodels.step import Step
from perfmodels.steptime import step_time
from simkit.catalog.gpus import gpu
from simkit.catalog.models import load_model
from simkit.catalog.operators import learned_times

ROUNDING = 1e-9
CARRIED_OVER = 0.02
MANY = settings(max_examples=150)
NO_MATRIX = 1e-3  # norms and biases count as parameters but are in no product

IDEAL = Efficiency(
    gemm_compute_frac=1, moe_compute_frac=1, attention_compute_frac=1, memory_frac=1, attention_memory_frac=1,
    link_frac=1, call_s=0, eager_call_s=0, collective_s=0, step_host_s=0, seq_host_s=0, request_host_s=0,
)  # fmt: skip
DEVICES = ("h200_sxm", "a100_sxm", "b200_sxm", "l40s")
MODELS = (
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-32B-FP8",
    "meta-llama/Meta-Llama-3.1-70B",
    "Qwen/Qwen3-30B-A3B",
    "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3.2",
    "Qwen/Qwen3.5-397B-A17B",
    "google/gemma-3-27b-it",
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "deepseek-ai/DeepSeek-V4-Flash",
    "MiniMaxAI/MiniMax-M3",
)
PLANS = (
    ParallelPlan(),
    ParallelPlan(tp=4, moe_tp=4),
    ParallelPlan(tp=8, ep=8),
    ParallelPlan(attn_dp=8, ep=8),
    ParallelPlan(tp=2, attn_dp=4, ep=8),
    ParallelPlan(tp=8, moe_tp=8, pp=2),
)

models, devices, plans = st.sampled_from(MODELS), st.sampled_from(DEVICES), st.sampled_from(PLANS)
engines = st.sampled_from(("", "vllm", "sglang", "trtllm"))
tokens = st.integers(0, 20_000).map(float)
contexts = st.integers(0, 100_000).map(float)
batches = st.integers(0, 1000).map(float)
steps = st.builds(
    Step,
    prefill_tokens=tokens,
    prefill_context_tokens=contexts,
    prefill_seqs=st.integers(0, 8).map(float),
    decode_seqs=batches,
    decode_context_tokens=contexts,
)


def ask(name, plan, step):
    model = load_model(name)
    return Pass(shape=model.shape, precision=model.precision, plan=PlanArray.of([plan]), step=step)


def priced(device, efficiency=None, engine=""):
    """With the tables' times of an engine, or shares of peak alone."""
    learned = learned_times(device, engine) if engine else None
    return Pricing(device=device, efficiency=efficiency or Efficiency(), learned=learned)


def seconds(name, plan, step, engine="", device="h200_sxm", efficiency=None):
    pricing = priced(gpu(device), efficiency, engine)
    return float(np.max(step_time(ask(name, plan, step), pricing).total_s))


@MANY
@given(name=models, plan=plans, step=steps, device=devices, engine=engines)
def test_never_under_the_speed_of_light(name, plan, step, device, engine):
    """Operators run one by one, so the sum of their rooflines at full peak is a lower bound."""
    hardware, question = gpu(device), ask(name, plan, step)
    bound = 0.0
    for operator in forward_operators(question):
        flop, moved = (float(np.max(np.asarray(v))) for v in (operator.flop, operator.hbm_bytes))
        peak = hardware.peak(dtype(operator.fmt).compute)
        bound += operator.count * max(flop / peak, moved / hardware.memory_bytes_per_s)
    alone = Efficiency(overlap_frac=0.0)
    total = float(np.max(step_time(question, priced(hardware, alone, engine)).total_s))
    assert total >= bound * (1 - ROUNDING)
    assert np.isfinite(total)


@MANY
@given(name=models, device=devices, batch=st.integers(1, 1000), context=st.integers(1, 100_000))
def test_a_decode_step_cannot_beat_its_arithmetic(name, device, batch, context):
    """Two FLOP per active parameter and token at the fastest peak: counted from the parameters alone."""
    shape, hardware = load_model(name).shape, gpu(device)
    lookup = 0 if shape.tied_embeddings else shape.vocab_size * shape.hidden_size
    flop = 2 * (active_params(shape) - lookup) * batch
    step = Step(decode_seqs=float(batch), decode_context_tokens=float(context))
    bound = flop / max(hardware.peak_flop_per_s.values())
    assert seconds(name, ParallelPlan(), step, device=device) >= bound * (1 - NO_MATRIX)


@pytest.mark.slow
@MANY
@given(name=models, plan=plans, step=steps, engine=engines, more=st.integers(0, 1000))
def test_more_sequences_never_take_less_time(name, plan, step, engine, more):
    # The first decode takes the cost of starting a step off the prompts: that is another kind of step.
    assume(step.decode_seqs > 0 or step.prefill_tokens == 0)
    larger = replace(step, decode_seqs=step.decode_seqs + more)
    assert seconds(name, plan, larger, engine) >= seconds(name, plan, step, engine) * (1 - ROUNDING)


@pytest.mark.slow
@MANY
@given(name=models, plan=plans, step=steps, engine=engines, more=st.integers(0, 100_000))
def test_more_context_never_takes_less_time(name, plan, step, engine, more):
    # every token of a chunk sees its own prompt at least: half of the chunk on average
    seen = max(step.prefill_context_tokens, step.prefill_tokens)
    step = replace(step, prefill_context_tokens=seen)
    decoding = replace(step, decode_context_tokens=step.decode_context_tokens + more)
    prefilling = replace(step, prefill_context_tokens=seen + more)
    base = seconds(name, plan, step, engine)
    assert seconds(name, plan, decoding, engine) >= base * (1 - ROUNDING)
    # tables hold fresh prompts only; one with a prefix counts as fewer and longer ones of equal work
    assert seconds(name, plan, prefilling, engine) >= base * (1 - CARRIED_OVER)


@pytest.mark.slow
@MANY
@given(name=models, plan=plans, step=steps, engine=engines, more=st.integers(0, 20_000))
def test_more_prompt_tokens_never_take_less_time(name, plan, step, engine, more):
    larger = replace(step, prefill_tokens=step.prefill_tokens + more)
    assert seconds(name, plan, larger, engine) >= seconds(name, plan, step, engine) * (1 - ROUNDING)


@MANY
@given(name=models, plan=plans, step=steps)
def test_the_parts_sum_to_the_whole(name, plan, step):
    times = step_time(ask(name, plan, step), priced(gpu("h200_sxm")))
    parts = sum(float(np.max(value)) for value in times.by_operator.values())
    assert parts == pytest.approx(float(times.total_s[0]), rel=ROUNDING)
    assert all(float(np.min(value)) >= 0 for value in times.by_operator.values())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("plan", PLANS)
def test_an_empty_step_takes_no_time(name, plan):
    assert seconds(name, plan, Step()) == 0


@pytest.mark.slow
@MANY
@given(name=models, plan=plans, step=steps)
def test_slower_parts_never_make_a_step_faster(name, plan, step):
    assert seconds(name, plan, step) >= seconds(name, plan, step, efficiency=IDEAL) * (1 - ROUNDING)


def test_a_decode_step_by_hand(device, shape_of, plans):
    # Llama-3.1-8B bf16, one sequence of 1000 keys, at full peak of 1 TB/s: the weights without the
    # lookup table, 7,504,658,432 of two bytes, and 131,072,000 bytes of cache; nothing else is large
    shape = shape_of("meta-llama/Meta-Llama-3.1-8B")
    step = Step(decode_seqs=1.0, decode_context_tokens=1000.0)
    question = Pass(shape=shape, precision=Precision(), plan=plans({}), step=step)
    total = float(step_time(question, priced(device, IDEAL)).total_s[0])
    weights = (8_030_261_248 - 65 * 4096 - 128256 * 4096) * 2
    small_streams = 1e-3
    assert total == pytest.approx((weights + 131_072_000) / 1e12, rel=small_streams)


def test_host_time_by_hand(device, shape_of, plans):
    efficiency = replace(IDEAL, step_host_s=1e-3, seq_host_s=1e-5, prefill_step_s=4e-3, stall_frac=0.5)
    prompts = {"prefill_tokens": 100.0, "prefill_seqs": 2.0}
    decodes = {"decode_seqs": 20.0, "decode_context_tokens": 10.0}
    shape, plan = shape_of("Qwen/Qwen3-0.6B"), plans({})

    def host_s(**step):
        question = Pass(shape=shape, precision=Precision(), plan=plan, step=Step(**step))
        return step_time(question, priced(device, efficiency)).by_operator["engine_host"]

    assert host_s(**decodes) == pytest.approx(1e-3 + 20e-5)
    assert host_s(**prompts) == pytest.approx(4e-3)
    assert host_s(**decodes, **prompts) == pytest.approx(1e-3 + 20e-5)  # prompts start no step of their own


def test_a_mixed_step_is_its_decodes_and_what_its_prompts_add(device, shape_of, plans):
    shape, plan = shape_of("Qwen/Qwen3-0.6B"), plans({})
    efficiency = replace(IDEAL, stall_frac=0.7, prefill_scale=1.3)

    def total_s(**step):
        question = Pass(shape=shape, precision=Precision(), plan=plan, step=Step(**step))
        return step_time(question, priced(device, efficiency)).total_s

    decodes = {"decode_seqs": 20.0, "decode_context_tokens": 1000.0}
    prompts = {"prefill_tokens": 4000.0, "prefill_context_tokens": 2000.0, "prefill_seqs": 1.0}
    # weights are read once for all: a prompt adds what it takes beyond a single token
    token = {"prefill_tokens": 1.0, "prefill_context_tokens": 1.0, "prefill_seqs": 1.0}
    added = 0.7 * (total_s(**prompts) - total_s(**token))
    assert total_s(**decodes, **prompts) == pytest.approx(total_s(**decodes) + added)


def test_operator_time_by_hand(device):
    half = replace(IDEAL, gemm_compute_frac=0.5, memory_frac=0.25, call_s=1e-6)
    product = Operator(name="x", family="gemm", count=7, flop=1e12, hbm_bytes=1e8, fmt="bf16", imbalance=1.5)
    # compute 1e12 / 0.5e15 = 2 ms, memory 1e8 / 0.25e12 = 0.4 ms; the slowest rank has half more
    assert operator_time_s(product, priced(device, half)) == pytest.approx(1.5 * 2e-3 + 1e-6)
    # in fp8 the peak is twice as high
    assert operator_time_s(replace(product, fmt="fp8"), priced(device, half)) == pytest.approx(1.5e-3 + 1e-6)
    # a collective: the link at half its rate, and the synchronisation
    summed = Operator(name="y", family="all_reduce", count=1, wire_bytes=1e8, group_size=2)
    links = replace(IDEAL, link_frac=0.5, collective_s=3e-6)
    assert operator_time_s(summed, priced(device, links)) == pytest.approx(2e-6 + 2e-3 + 3e-6)


@MANY
@given(name=models, step=steps)
def test_communication_only_between_gpus(name, step):
    question = ask(name, ParallelPlan(), step)
    times = step_time(question, priced(gpu("h200_sxm"))).by_operator
    for operator in forward_operators(question):
        if kind_of(operator.family) == "comm":
            assert float(np.max(times[operator.name])) == 0


def test_a_group_across_nodes_pays_the_network(device, shape_of, plans):
    # DeepSeek-R1 tp16: 61 sums of 16 rows of 7168 bf16 values, 15/8 of them over eight cards of 10 GB/s,
    # and 20 us
    step = Step(decode_seqs=16.0, decode_context_tokens=100.0)
    question = Pass(
        shape=shape_of("deepseek-ai/DeepSeek-R1"), precision=Precision(), plan=plans({"tp": 16, "ep": 16}),
        step=step,
    )  # fmt: skip
    found = step_time(question, priced(device, IDEAL)).by_operator["attention_all_reduce"]
    assert found == pytest.approx(61 * (2e-5 + 15 / 8 * 16 * 7168 * 2 / 8e10))


@pytest.mark.parametrize(
    "wrong", [{"memory_frac": 0.0}, {"link_frac": 1.1}, {"call_s": -1e-9}, {"gemm_compute_frac": -0.1}]
)
def test_shares_and_times_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Efficiency(**wrong)
