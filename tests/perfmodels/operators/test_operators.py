"""Work of a forward pass: counted by hand, and the same however it is split."""

import numpy as np
import pytest

from perfmodels.memory import weight_bytes_per_gpu
from perfmodels.model.dtypes import Precision
from perfmodels.model.params import active_params
from perfmodels.model.shape import CompressedAttention, GqaAttention, MlaAttention, MoeFfn
from perfmodels.op_times.families import FAMILIES, kind_of
from perfmodels.operators.attention import attention_operators
from perfmodels.operators.forward import Pass, forward_operators
from perfmodels.operators.moe import expected_experts_hit, expert_imbalance, moe_operators
from perfmodels.operators.record import gemm
from perfmodels.step import Step

# Norm weights, biases and short convolutions are parameters that no matrix product multiplies.
NO_MATRIX = 1e-3
ROUNDING = 1e-12

BF16 = Precision()
MOE = MoeFfn(num_layers=1, num_experts=8, top_k=2, intermediate_size=64)


@pytest.fixture(scope="module")
def forward(shape_of, plans):
    """Operators by name of one step of a catalogue model."""

    def run(name, step, precision=BF16, **plan):
        question = Pass(shape=shape_of(name), precision=precision, plan=plans(plan), step=step)
        return {operator.name: operator for operator in forward_operators(question)}

    return run


def amount(operator, kind):
    """Of all calls of a step, on one GPU."""
    return operator.count * float(np.max(getattr(operator, kind)))


@pytest.mark.parametrize(
    "name",
    [
        "meta-llama/Meta-Llama-3.1-8B",
        "Qwen/Qwen3-32B",
        "Qwen/Qwen3-0.6B",
        "mistralai/Mixtral-8x7B-v0.1",
        "Qwen/Qwen3-235B-A22B",
        "deepseek-ai/DeepSeek-R1",
        "openai/gpt-oss-120b",
        "Qwen/Qwen3.5-397B-A17B",
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "deepseek-ai/DeepSeek-V4-Flash",
        "MiniMaxAI/MiniMax-M3",
        "google/gemma-3-27b-it",
    ],
)
def test_a_token_costs_two_flop_per_active_parameter(shape_of, forward, name):
    """A decode token multiplies and adds once per weight it passes; a lookup multiplies nothing."""
    shape = shape_of(name)
    work = forward(name, Step(decode_seqs=1.0, decode_context_tokens=1.0))
    products = sum(amount(op, "flop") for op in work.values() if op.family in ("gemm", "moe", "mla_bmm"))
    lookup = 0 if shape.tied_embeddings else shape.vocab_size * shape.hidden_size
    assert products == pytest.approx(2 * (active_params(shape) - lookup), rel=NO_MATRIX)


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-235B-A22B", "deepseek-ai/DeepSeek-V4-Flash", "Qwen/Qwen3.5-397B-A17B"]
)
def test_every_operator_is_of_a_known_family(forward, name):
    """A misspelled family would count as elementwise work and never find its table."""
    step = Step(prefill_tokens=100.0, prefill_context_tokens=50.0, prefill_seqs=1.0, decode_seqs=2.0)
    families = {operator.family for operator in forward(name, step, tp=2, pp=2, moe_tp=2).values()}
    assert families <= {*FAMILIES, "elementwise", "p2p"}


def test_gemm_by_hand():
    product = gemm("x", 3, 5, (7, 11), "bf16")
    assert product.flop == 2 * 5 * 7 * 11  # one call
    assert product.hbm_bytes == 2 * 7 * 11 + 2 * 5 * (7 + 11)  # weights once, rows in and out
    assert gemm("x", 3, 5, (7, 11), "fp8").hbm_bytes == 7 * 11 + 2 * 5 * (7 + 11)
    assert gemm("x", 3, 0, (7, 11), "bf16").hbm_bytes == 0


def test_prefill_attention_by_hand(plans):
    group = GqaAttention(num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, v_head_dim=8)
    step = Step(prefill_tokens=10.0, prefill_context_tokens=5.0, prefill_seqs=1.0)
    work = {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
    # scores: 4 heads * 10 queries * 5 keys * 8 products; the same again to mix the values
    assert work["attention_prefill"].flop == 2 * (2 * 4 * 10 * 5 * 8)
    assert work["attention_decode"].flop == 0
    assert work["qkv"].flop == 2 * 10 * 32 * (4 * 8 + 2 * 2 * 8)
    assert work["attention_out"].flop == 2 * 10 * (4 * 8) * 32


def test_prefill_attention_of_a_published_model(forward):
    # Llama-3.1-70B, 4000 tokens that see 2000 keys on average: 80 layers * 64 heads * 4000 * 2000 *
    # 128 multiply-adds, once for scores and once for values = 2.097e13 FLOP, a quarter per GPU of tp4
    step = Step(prefill_tokens=4000.0, prefill_context_tokens=2000.0, prefill_seqs=1.0)
    work = forward("meta-llama/Meta-Llama-3.1-70B", step, tp=4)
    assert amount(work["attention_prefill"], "flop") == 80 * 64 * 4000 * 2000 * 128 * 2 * 2 / 4


def test_decode_attention_by_hand(plans):
    group = GqaAttention(num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, v_head_dim=8)
    step = Step(decode_seqs=3.0, decode_context_tokens=7.0)
    work = {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
    assert work["attention_decode"].flop == 2 * 2 * 4 * 8 * 3 * 7
    assert work["attention_decode"].hbm_bytes == 3 * 7 * (2 * 2 * 8) * 2  # keys and values of 2 heads
    assert work["attention_prefill"].flop == 0


def test_a_window_limits_the_keys_seen(plans):
    group = GqaAttention(num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, v_head_dim=8, window_tokens=6)
    near, far = (
        {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
        for step in (
            Step(decode_seqs=3.0, decode_context_tokens=6.0),
            Step(decode_seqs=3.0, decode_context_tokens=5000.0),
        )
    )
    assert far["window_attention_decode"].hbm_bytes == near["window_attention_decode"].hbm_bytes


def test_latent_attention_by_hand(plans):
    group = MlaAttention(
        num_layers=1, num_heads=4, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8,
        q_lora_rank=12,
    )  # fmt: skip
    step = Step(decode_seqs=3.0, decode_context_tokens=7.0)
    work = {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
    # in latent space: 16 + 4 products per score, 16 per value, 4 heads, 21 query-key pairs
    assert work["attention_decode"].flop == 2 * 4 * 21 * (16 + 4 + 16)
    assert work["attention_decode"].hbm_bytes == 21 * (16 + 4) * 2  # one latent for all heads
    step = Step(prefill_tokens=10.0, prefill_context_tokens=5.0, prefill_seqs=1.0)
    work = {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
    assert work["attention_prefill"].flop == 2 * 4 * 50 * (8 + 4 + 8)  # keys and values rebuilt
    assert work["mla_down"].flop == 2 * 10 * 32 * (12 + 16 + 4)
    assert work["mla_query_up"].flop == 2 * 10 * 12 * 4 * (8 + 4)
    assert work["mla_kv_up"].flop == 2 * 10 * 16 * 4 * (8 + 8)


def test_block_sparse_attention_reads_the_chosen_keys_only(plans):
    group = GqaAttention(num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, v_head_dim=8, topk_tokens=6)
    step = Step(decode_seqs=3.0, decode_context_tokens=5000.0)
    work = {op.name: op for op in attention_operators(32, group, BF16, plans({}), step)}
    assert work["sparse_attention_decode"].hbm_bytes == 3 * 6 * (2 * 2 * 8) * 2


def test_compressed_attention_by_hand(plans):
    # one shared key-value head of 8; 10 keys in full, and one entry per 4 tokens, of which 20 are read
    group = CompressedAttention(
        num_layers=1, num_heads=4, head_dim=8, q_lora_rank=16, o_groups=2, o_lora_rank=5, window_tokens=10,
        ratio=4, index_heads=3, index_head_dim=6, index_topk=20,
    )  # fmt: skip
    step = Step(decode_seqs=2.0, decode_context_tokens=1000.0)
    one, two = (
        {op.name: op for op in attention_operators(32, group, BF16, plans(plan), step)}
        for plan in ({}, {"tp": 2})
    )
    assert one["compressed4_window_attention_decode"].hbm_bytes == 2 * 10 * 8 * 2
    assert one["compressed4_attention_decode"].hbm_bytes == 2 * 20 * 8 * 2
    assert one["compressed4_attention_decode"].flop == 2 * 20 * 2 * 2 * 4 * 8  # scores and values, 4 heads
    assert one["compressed4_index_attention_decode"].flop == 2 * 250 * 2 * 3 * 6  # every fourth key is scored
    # outputs: two groups of 16 columns into 5 each, and 10 into 32
    assert one["compressed4_out_down"].flop == 2 * 2 * 16 * 10
    assert one["compressed4_out_up"].flop == 2 * 2 * 10 * 32
    for name, operator in two.items():
        copies = 2 if name in ("compressed4_down", "compressed4_index_attention_decode") else 1
        assert operator.flop * 2 == copies * one[name].flop, name


def test_experts_by_hand(plans):
    step = Step(decode_seqs=1.0, decode_context_tokens=1.0)
    work = {op.name: op for op in moe_operators(32, MOE, BF16, plans({}), step)}
    # one token, two experts of three 32x64 matrices each
    assert work["moe_experts"].flop == pytest.approx(2 * 2 * 3 * 32 * 64, rel=ROUNDING)
    assert work["moe_router"].flop == 2 * 32 * 8
    weights = 2 * (3 * 32 * 64) * 2
    rows = 2 * (32 + 32 + 3 * 64) * 2  # in, out, and the three inner streams
    assert work["moe_experts"].hbm_bytes == pytest.approx(weights + rows, rel=ROUNDING)


def total(name, work, ranks):
    """Work of an operator over the `ranks` of a replica."""
    return amount(work[name], "flop") * ranks


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_dense_work_is_conserved_under_tensor_parallelism(forward, tp):
    step = Step(
        prefill_tokens=300.0, prefill_context_tokens=150.0, prefill_seqs=1.0,
        decode_seqs=20.0, decode_context_tokens=900.0,
    )  # fmt: skip
    one = forward("meta-llama/Meta-Llama-3.1-70B", step)
    split = forward("meta-llama/Meta-Llama-3.1-70B", step, tp=tp)
    for name, operator in one.items():
        assert total(name, split, tp) == pytest.approx(amount(operator, "flop"), rel=ROUNDING), name


# Every rank of a tensor-parallel group repeats these: routers and projections into latent space.
REPLICATED = {"moe_router", "mla_down"}


@pytest.mark.parametrize("name", ["Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-R1"])
@pytest.mark.parametrize(
    "plan",
    [
        {"tp": 4, "moe_tp": 4},
        {"tp": 4, "ep": 4},
        {"tp": 4, "moe_tp": 2, "ep": 2},
        {"attn_dp": 4, "ep": 4},
        {"attn_dp": 4, "moe_tp": 4},
        {"tp": 2, "attn_dp": 2, "ep": 4},
    ],
)
def test_expert_work_is_conserved_however_it_is_split(forward, name, plan):
    """The same 64 tokens over four GPUs; each attention-DP rank holds its share of them."""
    lanes, tp = plan.get("attn_dp", 1), plan.get("tp", 1)
    one = forward(name, Step(decode_seqs=64.0, decode_context_tokens=500.0))
    split = forward(name, Step(decode_seqs=64.0 / lanes, decode_context_tokens=500.0), **plan)
    for label, operator in one.items():
        copies = tp if label in REPLICATED else 1
        assert total(label, split, 4) == pytest.approx(copies * amount(operator, "flop"), rel=ROUNDING), label


def test_every_layer_gets_its_operators(forward):
    """One dense feed-forward per dense layer, one router per expert layer, one head."""
    work = forward("deepseek-ai/DeepSeek-R1", Step(decode_seqs=1.0, decode_context_tokens=1.0))
    counts = {name: work[name].count for name in ("ffn_up", "moe_router", "mla_down", "output_head")}
    assert counts == {"ffn_up": 3, "moe_router": 58, "mla_down": 61, "output_head": 1}


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_dense_weights_are_conserved(shape_of, plans, tp):
    shape = shape_of("meta-llama/Meta-Llama-3.1-70B")
    one, split = weight_bytes_per_gpu(shape, BF16, plans({}, {"tp": tp}))
    assert tp * split == pytest.approx(one, rel=ROUNDING)


def test_replicated_weights_by_hand(shape_of, plans):
    # Qwen3-235B-A22B: 94 layers, hidden 4096, 4 KV heads of 128, router 4096*128, all in bf16
    shape = shape_of("Qwen/Qwen3-235B-A22B")
    one, tp4, tep4, tep8 = weight_bytes_per_gpu(
        shape, BF16, plans({}, {"tp": 4, "moe_tp": 4}, {"tp": 4, "ep": 4}, {"tp": 8, "ep": 8})
    )
    router = 94 * 4096 * 128 * 2
    keys_and_values = 94 * 4096 * (2 * 4 * 128) * 2
    assert tp4 == tep4
    assert 4 * tp4 - one == pytest.approx(3 * router, rel=1e-6)  # difference of large numbers
    # at tp8 each of the 4 KV heads sits on two ranks
    assert 8 * tep8 - one == pytest.approx(7 * router + keys_and_values, rel=1e-6)


def test_attention_is_replicated_under_data_parallelism_and_experts_are_not(shape_of, plans):
    # Qwen3-30B-A3B: 48 layers of 128 experts of 3*2048*768 weights in bf16, the rest on every rank
    shape = shape_of("Qwen/Qwen3-30B-A3B")
    one, dep8 = weight_bytes_per_gpu(shape, BF16, plans({}, {"attn_dp": 8, "ep": 8}))
    experts = 48 * 128 * 3 * 2048 * 768 * 2
    assert dep8 == pytest.approx(one - experts * 7 / 8, rel=ROUNDING)


def test_all_reduces_by_hand(forward):
    # Llama-3.1-70B tp4, 16 rows of 8192 bf16 values after attention and after the feed-forward
    work = forward("meta-llama/Meta-Llama-3.1-70B", Step(decode_seqs=16.0, decode_context_tokens=1.0), tp=4)
    for name in ("attention_all_reduce", "ffn_all_reduce"):
        assert work[name].count == 80
        assert work[name].wire_bytes == 16 * 8192 * 2
        assert work[name].group_size == 4
    assert amount(work["moe_all_reduce"], "wire_bytes") == 0


def test_expert_traffic_by_hand(forward):
    step = Step(decode_seqs=10.0, decode_context_tokens=1.0)
    # TEP: partial sums of all 58 expert layers, 10 rows of 7168 bf16 values; nothing is exchanged
    tep = forward("deepseek-ai/DeepSeek-R1", step, tp=8, ep=8)
    assert amount(tep["moe_all_reduce"], "wire_bytes") == 58 * 10 * 7168 * 2
    assert amount(tep["moe_dispatch"], "wire_bytes") == 0
    # DEP16: each row goes to at most its 8 experts' ranks and back
    dep = forward("deepseek-ai/DeepSeek-R1", step, attn_dp=16, ep=16)
    assert amount(dep["moe_all_reduce"], "wire_bytes") == 0
    for name in ("moe_dispatch", "moe_combine"):
        assert amount(dep[name], "wire_bytes") == 58 * 10 * 7168 * 2 * 8
        assert dep[name].group_size == 16
    # DEP4: there are only 3 other ranks
    dep = forward("deepseek-ai/DeepSeek-R1", step, attn_dp=4, ep=4)
    assert amount(dep["moe_dispatch"], "wire_bytes") == 58 * 10 * 7168 * 2 * 3


def test_pipeline_sends_one_slice_per_boundary(forward):
    step = Step(decode_seqs=10.0, decode_context_tokens=1.0)
    work = forward("meta-llama/Meta-Llama-3.1-70B", step, tp=8, pp=4)
    assert amount(work["pipeline_send"], "wire_bytes") == 3 * 10 * 8192 * 2 / 8
    alone = forward("meta-llama/Meta-Llama-3.1-70B", step, tp=8)
    assert amount(alone["pipeline_send"], "wire_bytes") == 0


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-V3.2", "Qwen/Qwen3.5-397B-A17B", "openai/gpt-oss-120b"]
)
def test_an_empty_step_is_no_work(forward, name):
    for operator in forward(name, Step(), tp=2, ep=2).values():
        for kind in ("flop", "hbm_bytes", "wire_bytes"):
            assert amount(operator, kind) == 0, (operator.name, kind)


@pytest.mark.parametrize("name", ["Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1", "Qwen/Qwen3.5-397B-A17B"])
def test_plans_and_loads_broadcast(shape_of, plans, name):
    """[3, 1] plans against [4] loads give what each pair gives alone."""
    shape = shape_of(name)
    rows = ({"tp": 1}, {"tp": 2, "ep": 2}, {"attn_dp": 4, "ep": 4})
    loads = np.array([1.0, 2.0, 8.0, 64.0])
    table = forward_operators(
        Pass(
            shape=shape, precision=BF16, plan=plans(*rows).expand(),
            step=Step(decode_seqs=loads, decode_context_tokens=1000.0),
        )
    )  # fmt: skip
    for i, row in enumerate(rows):
        for j, load in enumerate(loads):
            single = forward_operators(
                Pass(
                    shape=shape, precision=BF16, plan=plans(row),
                    step=Step(decode_seqs=load, decode_context_tokens=1000.0),
                )
            )  # fmt: skip
            for wide, narrow in zip(table, single, strict=True):
                for kind in ("flop", "hbm_bytes", "wire_bytes"):
                    cell = np.broadcast_to(getattr(wide, kind), (3, 4))[i, j]
                    assert cell == pytest.approx(float(np.max(getattr(narrow, kind))), rel=ROUNDING)


def test_only_communication_carries_wire_bytes(forward):
    work = forward(
        "deepseek-ai/DeepSeek-R1", Step(decode_seqs=4.0, decode_context_tokens=9.0), attn_dp=8, ep=8
    )
    for operator in work.values():
        carries = float(np.max(operator.wire_bytes)) > 0
        computes = float(np.max(operator.flop)) > 0 or float(np.max(operator.hbm_bytes)) > 0
        assert not (carries and computes)
        if carries:
            assert kind_of(operator.family) == "comm"


def test_experts_hit_between_top_k_and_all():
    assert expected_experts_hit(256, 8, 1.0) == pytest.approx(8)
    assert expected_experts_hit(256, 8, 0.0) == 0
    assert expected_experts_hit(256, 8, 1e6) == pytest.approx(256)
    assert expected_experts_hit(8, 8, 1.0) == pytest.approx(8)
    assert np.all(np.diff(expected_experts_hit(256, 8, np.arange(50.0))) > 0)


@pytest.mark.parametrize("seed", range(3))
def test_experts_hit_is_the_mean_of_random_routing(seed):
    rng, trials, tokens = np.random.default_rng(seed), 400, 12
    drawn = rng.random((trials, tokens, 32)).argsort(axis=-1)[..., :4].reshape(trials, -1)
    hit = [len(np.unique(row)) for row in drawn]
    three_standard_errors = 3 * np.std(hit) / np.sqrt(trials)
    assert expected_experts_hit(32, 4, tokens) == pytest.approx(np.mean(hit), abs=three_standard_errors)


def test_imbalance_starts_with_expert_parallelism():
    assert expert_imbalance(1) == 1
    assert np.all(np.diff(expert_imbalance(np.array([1.0, 2.0, 4.0, 64.0]))) > 0)
