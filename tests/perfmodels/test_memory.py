"""What fits: by hand for one model, by law for all splits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfmodels.kv_cache import CachePools, kv_bytes_per_token_per_gpu
from perfmodels.memory import (
    MemoryQuestion,
    MemoryRules,
    activation_bytes_per_gpu,
    memory_use,
    weight_bytes_per_gpu,
)
from perfmodels.model.dtypes import Precision
from perfmodels.model.params import kv_bytes_per_token, kv_bytes_per_token_full, total_params
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.model_lookup import model_names
from simkit.catalog.models import load_model

ROUNDING = 1e-12
NO_NORMS = 1e-4  # norm weights are a few 1e-5 of a model and not counted

BF16 = Precision()
BARE = MemoryRules(usable_frac=0.9, working_inside=False)  # nothing but weights and cache in the budget


def test_weights_of_llama_70b_on_four_gpus(shape_of, plans):
    # per layer: q and o 2*8192*8192, k and v 2*8192*1024, feed-forward 3*8192*28672 = 855,638,016;
    # 80 layers and two 128256*8192 ends = 70,552,387,584 weights of two bytes, a quarter each
    weights = (80 * (2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672) + 2 * 128256 * 8192) * 2 / 4
    found = weight_bytes_per_gpu(shape_of("meta-llama/Meta-Llama-3.1-70B"), BF16, plans({"tp": 4}))
    assert weights == 35_276_193_792
    assert found[0] == pytest.approx(weights, rel=ROUNDING)


@pytest.mark.parametrize(("kv", "entry"), [("bf16", 2 * 576), ("fp8", 512 + 4 * 4 + 2 * 64)])
def test_sparse_attention_keeps_scales_and_a_wide_rotary_key_beside_an_8_bit_latent(
    shape_of, plans, kv, entry
):
    shape = shape_of("deepseek-ai/DeepSeek-V3.2")
    found = kv_bytes_per_token_per_gpu(shape, replace(BF16, kv=kv), plans({"tp": 8}), 1024.0)
    per_token = 61 * (entry + 128 + 4)  # the indexer's key: 8 bits and a scale
    assert found[0] == pytest.approx(per_token, rel=ROUNDING)
    assert kv_bytes_per_token(shape, kv) == kv_bytes_per_token_full(shape, kv) == per_token


def test_the_fullest_stage_of_a_pipeline(shape_of, plans):
    # Two stages of 40 layers; the first also holds the lookup, the last the head: one end each.
    shape = shape_of("meta-llama/Meta-Llama-3.1-70B")
    one, two = weight_bytes_per_gpu(shape, BF16, plans({}, {"pp": 2}))
    assert two == pytest.approx(one / 2, rel=ROUNDING)
    # Four stages of 20 layers: an end is not divided further.
    layers = (80 * 855_638_016) * 2
    (four,) = weight_bytes_per_gpu(shape, BF16, plans({"pp": 4}))
    assert four == pytest.approx(layers / 4 + 128256 * 8192 * 2, rel=ROUNDING)


def test_formats_shrink_what_they_store(shape_of, plans):
    # Qwen3-30B-A3B: 48 layers of 128 experts of 3*2048*768 weights, in NVFP4 0.5 + 1/16 bytes each
    shape = shape_of("Qwen/Qwen3-30B-A3B")
    experts = 48 * 128 * 3 * 2048 * 768
    (bf16,) = weight_bytes_per_gpu(shape, BF16, plans({}))
    (nvfp4,) = weight_bytes_per_gpu(shape, Precision(moe="nvfp4"), plans({}))
    assert bf16 - nvfp4 == pytest.approx(experts * (2 - 0.5625), rel=ROUNDING)


def test_gpt_oss_in_its_own_format(shape_of, plans):
    # 36 layers of 128 experts, 0.5 + 1/32 bytes a weight, columns padded from 2880 to 3072; the rest,
    # 2.1e9 weights, in bfloat16. On disk, without padding, it is 65.2 GB.
    shape = shape_of("openai/gpt-oss-120b")
    experts = 36 * 128 * (3 * 2880 * 2880 + 2 * 2880 + 2880)
    rest = 2 * (total_params(shape) - experts)
    (found,) = weight_bytes_per_gpu(shape, Precision(moe="mxfp4"), plans({}))
    assert found == pytest.approx(rest + experts * 0.53125 * 3072 / 2880, rel=NO_NORMS)
    assert rest + experts * 0.53125 == pytest.approx(65.2e9, rel=0.01)


@pytest.mark.parametrize("name", ["Qwen/Qwen3-32B", "Qwen/Qwen3-0.6B", "deepseek-ai/DeepSeek-R1"])
def test_one_gpu_holds_all_parameters(shape_of, plans, name):
    shape = shape_of(name)
    (found,) = weight_bytes_per_gpu(shape, BF16, plans({}))
    assert found == pytest.approx(2 * total_params(shape), rel=NO_NORMS)


names = st.sampled_from(model_names())
powers = st.sampled_from([1, 2, 4, 8, 16, 32])


@given(name=names, tp=powers, ep=st.booleans())
def test_more_tensor_parallelism_never_raises_weights_per_gpu(name, tp, ep):
    shape = load_model(name).shape
    split = "ep" if ep else "moe_tp"
    plans = PlanArray.of([ParallelPlan(tp=width, **{split: width}) for width in (tp, 2 * tp)])
    narrow, wide = weight_bytes_per_gpu(shape, load_model(name).precision, plans)
    assert wide <= narrow
    assert 2 * wide >= narrow * (1 - ROUNDING)  # and never by more than a half


@given(name=names, tp=powers, pp=st.sampled_from([1, 2, 4]))
def test_parts_are_positive_and_all_of_the_model_is_somewhere(name, tp, pp):
    model = load_model(name)
    plan = PlanArray.of([ParallelPlan(tp=tp, pp=pp, moe_tp=tp)])
    per_gpu = weight_bytes_per_gpu(model.shape, model.precision, plan)[0]
    one = weight_bytes_per_gpu(model.shape, model.precision, PlanArray.of([ParallelPlan()]))[0]
    assert 0 < one <= per_gpu * tp * pp * (1 + ROUNDING)


def test_cache_of_a_token_is_split_until_each_rank_holds_one_head(shape_of, plans):
    shape = shape_of("meta-llama/Meta-Llama-3.1-70B")  # 8 KV heads
    found = kv_bytes_per_token_per_gpu(shape, BF16, plans(*({"tp": tp} for tp in (1, 4, 8, 16))), 1000.0)
    assert found.tolist() == [327_680, 81_920, 40_960, 40_960]


def test_latent_caches_are_replicated(shape_of, plans):
    shape = shape_of("deepseek-ai/DeepSeek-R1")
    found = kv_bytes_per_token_per_gpu(shape, BF16, plans({}, {"tp": 8, "ep": 8}), 1000.0)
    assert found.tolist() == [70_272, 70_272]


def test_activations_by_hand(shape_of, plans):
    # Llama-3.1-8B, 8192 rows of two bytes: four streams of 4096, and gate and up of 14336 each, or (where
    # tp has halved those) four more of 4096; and float32 logits of 256 rows
    found = activation_bytes_per_gpu(shape_of("meta-llama/Meta-Llama-3.1-8B"), plans({}, {"tp": 2}), 8192)
    logits = 256 * 128256 * 4
    assert found[0] == 8192 * (4 * 4096 + 2 * 14336) * 2 + logits
    assert found[1] == 8192 * (4 * 4096 + 4 * 4096) * 2 + logits


@given(name=names, tp=powers, rows=st.integers(1, 100_000))
def test_activations_grow_with_rows_and_shrink_with_ranks(name, tp, rows):
    shape = load_model(name).shape
    plans = PlanArray.of([ParallelPlan(tp=width, moe_tp=width) for width in (tp, 2 * tp)])
    few, many = (activation_bytes_per_gpu(shape, plans, count) for count in (rows, 2 * rows))
    assert few[1] <= few[0]
    assert np.all(few <= many)
    assert np.all(many <= 2 * few)


def question(name, plan, **changes):
    model = load_model(name)
    base = MemoryQuestion(
        shape=model.shape, precision=BF16, plan=plan, device_bytes=80e9, context_tokens=1000.0
    )
    return replace(base, **changes)


def test_capacity_by_hand(plans):
    # Llama-3.1-8B on 80 GB of which 0.9 is usable: 72e9 - 16,059,990,016 bytes of weights (without the
    # 65 norms of 4096), 131,072 bytes per token
    use = memory_use(question("meta-llama/Meta-Llama-3.1-8B", plans({})), BARE)
    weights = (8_030_261_248 - 65 * 4096) * 2
    assert use.parts_bytes["weights"][0] == weights == 16_059_990_016
    assert use.kv_capacity_tokens[0] == pytest.approx((72e9 - weights) / 131_072, rel=ROUNDING)
    # TensorRT-LLM's rule: a share of what is free
    share = memory_use(
        question("meta-llama/Meta-Llama-3.1-8B", plans({})), replace(BARE, usable_frac=1.0, frac_of_free=0.5)
    )
    assert share.kv_capacity_tokens[0] == pytest.approx((80e9 - weights) / 2 / 131_072, rel=ROUNDING)


def test_working_memory_counts_inside_the_budget_or_outside(plans):
    asked = question("meta-llama/Meta-Llama-3.1-8B", plans({}, {"tp": 2}))
    inside, outside = memory_use(asked, replace(BARE, working_inside=True)), memory_use(asked, BARE)
    parts = inside.parts_bytes
    assert outside.kv_bytes - inside.kv_bytes == pytest.approx(parts["runtime"] + parts["activations"])
    assert parts["runtime"][1] - parts["runtime"][0] == BARE.collective_bytes  # peers need buffers


def test_what_does_not_fit_has_negative_capacity_and_no_cache(plans):
    use = memory_use(question("meta-llama/Meta-Llama-3.1-405B", plans({}, {"tp": 16})), BARE)
    assert use.kv_capacity_tokens[0] < 0 < use.kv_capacity_tokens[1]
    assert use.parts_bytes["kv"][0] == 0


@given(
    name=names,
    tp=powers,
    memory=st.floats(8e9, 300e9),
    more=st.floats(1, 4),
    inside=st.booleans(),
    free=st.floats(0.1, 1),
)
def test_more_memory_never_lowers_capacity(name, tp, memory, more, inside, free):
    rules = MemoryRules(working_inside=inside, frac_of_free=free)
    plan = PlanArray.of([ParallelPlan(tp=tp, moe_tp=tp)])
    small = memory_use(question(name, plan, device_bytes=memory), rules)
    large = memory_use(question(name, plan, device_bytes=memory * more), rules)
    assert large.kv_capacity_tokens[0] >= small.kv_capacity_tokens[0]
    assert np.isfinite(large.kv_capacity_tokens[0])


@given(name=names, memory=st.floats(8e9, 300e9))
def test_parts_never_exceed_the_device(name, memory):
    """Where a model fits, weights, working memory and cache together stay inside the GPU's budget."""
    plan = PlanArray.of([ParallelPlan(tp=8, moe_tp=8)])
    use = memory_use(question(name, plan, device_bytes=memory), MemoryRules())
    if use.kv_bytes[0] > 0:
        assert sum(float(part[0]) for part in use.parts_bytes.values()) <= 0.9 * memory * (1 + ROUNDING)


# --- Caches whose pools are fixed at start: SGLang's numbers as it prints them.


POOLS = CachePools(state_ratio=0.9, states=3.0, window_ratio=0.1, plain_latents=True)
LONG = 1e6


def test_a_hybrid_models_states_take_their_share_of_the_cache(shape_of, plans):
    # Qwen3.6-35B-A3B: 10 layers of 2 heads of 256, keys and values in 16 bits; 30 layers of a state of
    # 32*128*128 float32 and 3 columns of 8192 in 16 bits. For 1 byte of entries 0.9 bytes of states.
    shape = shape_of("Qwen/Qwen3.6-35B-A3B")
    entries, states = 10 * 2 * 2 * 256 * 2, 30 * (4 * 32 * 128 * 128 + 2 * 3 * 8192)
    long, short = (
        float(kv_bytes_per_token_per_gpu(shape, BF16, plans({}), context, POOLS)[0])
        for context in (LONG, 1000.0)
    )
    assert long == pytest.approx(1.9 * entries, rel=ROUNDING)
    # Short sequences fill the states first: three each, of 0.9/1.9 of all memory.
    assert short == pytest.approx(3 * states / (0.9 / 1.9) / 1000, rel=ROUNDING)


def test_other_models_are_not_divided(shape_of, plans):
    for name in ("Qwen/Qwen3-32B", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-R1"):
        asked = shape_of(name), BF16, plans({"tp": 2}), 1000.0
        assert kv_bytes_per_token_per_gpu(*asked, POOLS) == kv_bytes_per_token_per_gpu(*asked)


@pytest.mark.parametrize(
    ("name", "pools", "printed"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", {"unsliced": True}, 15_955.85),
        ("deepseek-ai/DeepSeek-V4-Pro", {"unsliced": True}, 23_749.84),
        # With a draft, whose one layer counts like one of the model's 43.
        ("deepseek-ai/DeepSeek-V4-Flash", {"state_rows": 16}, 9_259.90 * 43 / 44),
    ],
)
def test_deepseek_v4_takes_the_bytes_per_token_that_sglang_prints(shape_of, plans, name, pools, printed):
    given = replace(POOLS, **pools)
    found = kv_bytes_per_token_per_gpu(shape_of(name), BF16, plans({"tp": 8}), LONG, given)
    assert found[0] == pytest.approx(printed, abs=0.01)


def test_every_stage_once_kept_all_of_deepseek_v4s_layers(shape_of, plans):
    shape, old = shape_of("deepseek-ai/DeepSeek-V4-Pro"), replace(POOLS, unsliced=True)
    one, four = kv_bytes_per_token_per_gpu(shape, BF16, plans({}, {"pp": 4}), LONG, old)
    assert four == 4 * one


def test_short_sequences_fill_the_windows_first(shape_of, plans):
    # A tenth as many window entries as tokens: a sequence of 128 tokens needs as many as one of 1280.
    shape = shape_of("deepseek-ai/DeepSeek-V4-Flash")
    at = [float(kv_bytes_per_token_per_gpu(shape, BF16, plans({}), n, POOLS)[0]) for n in (128, 1280, 9000)]
    assert at[0] == pytest.approx(10 * at[1], rel=ROUNDING)
    assert at[1] == pytest.approx(at[2], rel=ROUNDING)


def test_sparse_latents_count_without_their_scales(shape_of, plans):
    # GLM-5 on 8 MI355X: 55,224 bytes per token, 78 layers of 512 + 64 + 128 + 4
    found = kv_bytes_per_token_per_gpu(
        shape_of("zai-org/GLM-5"), replace(BF16, kv="fp8"), plans({}), LONG, POOLS
    )
    assert found[0] == 55_224
