"""Operators of one attention group: projections and the attention itself."""

from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.dtypes import Precision, dtype
from perfmodels.opspec import Operator, gemm
from perfmodels.parallel import PlanArray
from perfmodels.shape import AttentionGroup, CompressedAttention, GqaAttention, LinearAttention, MlaAttention
from perfmodels.step import Step

_BF16 = dtype("bf16").bytes_per_element


def attention_operators(
    hidden: int, group: AttentionGroup, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """All operators of the group's layers."""
    if isinstance(group, MlaAttention):
        return _mla(hidden, group, precision, plan, step)
    if isinstance(group, CompressedAttention):
        return _compressed(hidden, group, precision, plan, step)
    if isinstance(group, LinearAttention):
        return _linear(hidden, group, precision, plan, step)
    return _gqa(hidden, group, precision, plan, step)


def _gqa(
    hidden: int, group: GqaAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    heads = group.num_heads / plan.tp
    kv_heads = np.maximum(group.num_kv_heads / plan.tp, 1.0)  # replicated once tp exceeds them
    gate = 2 if group.output_gate else 1
    kv_width = group.kv_elements_per_token / group.num_kv_heads
    width = heads * group.head_dim * gate + kv_heads * kv_width
    label = "window_" if group.window_tokens else ("sparse_" if group.topk_tokens else "")
    limit = group.window_tokens or group.topk_tokens
    kv_bytes = kv_heads * kv_width * dtype(precision.kv).bytes_per_element
    per_key_flop = 2.0 * heads * (group.head_dim + group.v_head_dim)
    return [
        gemm(f"{label}qkv", group.num_layers, step.tokens, (hidden, width), precision.gemm),
        *_score_and_mix(label, group.num_layers, limit, (per_key_flop, kv_bytes), step),
        gemm(
            f"{label}attention_out", group.num_layers, step.tokens,
            (heads * group.v_head_dim, hidden), precision.gemm,
        ),
    ]  # fmt: skip


def _score_and_mix(
    label: str, count: int, window: int | None, per_key: tuple[FloatLike, FloatLike], step: Step
) -> list[Operator]:
    """Prefill and decode attention; per_key is (FLOP per query-key pair, cached bytes per key)."""
    flop, kv_bytes = per_key
    limit = float(window) if window else np.inf
    seen = mean_keys_within(step.prefill_context_tokens, limit)
    kept = np.minimum(step.decode_context_tokens, limit)
    prefill_tokens = np.asarray(step.prefill_tokens, dtype=np.float64)
    decode_keys: FloatArray = np.asarray(step.decode_seqs, dtype=np.float64) * kept
    # FlashAttention reads the cached keys once per block of about 128 queries and writes its own.
    read = prefill_tokens * (seen / 128.0 + 1.0) * kv_bytes
    return [
        Operator(
            name=f"{label}attention_prefill", family="attention_prefill", count=count,
            flop=prefill_tokens * seen * flop, hbm_bytes=read, dims={"tokens": prefill_tokens},
        ),
        Operator(
            name=f"{label}attention_decode", family="attention_decode", count=count,
            flop=decode_keys * flop, hbm_bytes=decode_keys * kv_bytes, dims={"keys": decode_keys},
        ),
    ]  # fmt: skip


def mean_keys_within(mean_context: FloatLike, limit: float) -> FloatArray:
    """Mean number of keys a prompt token reads when it may read at most the last `limit`.

    Contexts run evenly from 0 to twice their mean c: the mean of min(i, w) is w - w^2/(4c) once 2c > w.
    """
    context = np.asarray(mean_context, dtype=np.float64)
    if not np.isfinite(limit):
        return context
    bounded = limit - limit**2 / (4.0 * np.maximum(context, limit / 2.0))
    return np.where(2.0 * context <= limit, context, bounded)


def _mla(
    hidden: int, group: MlaAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """Latent attention. Decode works in latent space (weights absorbed); prefill rebuilds keys."""
    heads = group.num_heads / plan.tp
    fmt, rows, layers = precision.gemm, step.tokens, group.num_layers
    latent = group.kv_lora_rank + group.qk_rope_head_dim
    latent_bytes = latent * dtype(precision.kv).bytes_per_element
    per_head_up = group.qk_nope_head_dim + group.v_head_dim
    query_in = group.q_lora_rank or hidden
    prefill_flop = 2.0 * heads * (group.qk_head_dim + group.v_head_dim)
    decode_flop = 2.0 * heads * (latent + group.kv_lora_rank)
    topk = float(group.index_topk) if group.index_topk else np.inf
    prefill, _ = _score_and_mix("", layers, group.index_topk, (prefill_flop, latent_bytes), step)
    keys = np.asarray(step.decode_seqs, dtype=np.float64) * np.minimum(step.decode_context_tokens, topk)
    decode = Operator(
        name="attention_decode", family="attention_decode", count=layers,
        flop=keys * decode_flop, hbm_bytes=keys * latent_bytes, dims={"keys": keys},
    )  # fmt: skip
    return [
        gemm("mla_down", layers, rows, (hidden, group.down_width), fmt),
        gemm("mla_query_up", layers, rows, (query_in, heads * group.qk_head_dim), fmt),
        gemm("mla_kv_up", layers, rows, (group.kv_lora_rank, heads * per_head_up), fmt),
        prefill,
        decode,
        gemm("attention_out", layers, rows, (heads * group.v_head_dim, hidden), fmt),
        *_indexer(hidden, group, precision, step),
    ]


def _indexer(hidden: int, group: MlaAttention, precision: Precision, step: Step) -> list[Operator]:
    """The sparse-attention indexer scores every key with few cheap heads; not split by tp."""
    if not group.index_heads:
        return []
    width = group.index_heads * group.index_head_dim
    per_key = (2.0 * width, float(group.index_head_dim))  # FP8 keys: one byte per element
    scores = _score_and_mix("index_", group.num_layers, None, per_key, step)
    sizes = (group.q_lora_rank or hidden, width)
    project = gemm("index_query", group.num_layers, step.tokens, sizes, precision.gemm)
    return [project, *scores]


def _linear(
    hidden: int, group: LinearAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """A recurrent mixer: every token updates the state; decode reads and writes it once per step."""
    rows = np.asarray(step.tokens, dtype=np.float64)
    state = group.state_elements / plan.tp
    decode_bytes = np.asarray(step.decode_seqs, dtype=np.float64) * 2.0 * 4.0 * state
    chunk = 64.0  # tokens per chunk of the parallel form; the state is touched once per chunk
    prefill_bytes = np.asarray(step.prefill_tokens, dtype=np.float64) * (2.0 * 4.0 * state / chunk)
    mixed = rows * group.out_width / plan.tp * 4.0 * _BF16
    mixer = Operator(
        name="linear_mixer", family="linear_attention", count=group.num_layers,
        flop=rows * 6.0 * state, hbm_bytes=decode_bytes + prefill_bytes + mixed, dims={"tokens": rows},
    )  # fmt: skip
    return [
        gemm("linear_in", group.num_layers, rows, (hidden, group.in_width / plan.tp), precision.gemm),
        mixer,
        gemm("linear_out", group.num_layers, rows, (group.out_width / plan.tp, hidden), precision.gemm),
    ]


def _compressed(
    hidden: int, group: CompressedAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """Window plus compressed keys. The one shared head is replicated; queries and outputs are split."""
    heads, layers, fmt, rows = group.num_heads / plan.tp, group.num_layers, precision.gemm, step.tokens
    key_bytes = group.head_dim * dtype(precision.kv).bytes_per_element
    per_key = (4.0 * heads * group.head_dim, key_bytes)
    label = f"compressed{group.ratio}_"
    scored = _score_and_mix(f"{label}window_", layers, group.window_tokens, per_key, step)
    if group.ratio:
        far = replace(
            step,
            prefill_context_tokens=np.asarray(step.prefill_context_tokens) / group.ratio,
            decode_context_tokens=np.asarray(step.decode_context_tokens) / group.ratio,
        )
        scored += _score_and_mix(label, layers, group.index_topk, per_key, far)
        if group.index_heads:
            width = group.index_heads * group.index_head_dim
            scored += _score_and_mix(f"{label}index_", layers, None, (2.0 * width, group.index_head_dim), far)
    inner = group.o_groups * group.o_lora_rank / plan.tp
    grouped = heads * group.head_dim / group.o_groups * plan.tp  # columns that one group reads
    return [
        gemm(f"{label}down", layers, rows, (hidden, group.shared_params(hidden) / hidden), fmt),
        gemm(f"{label}query_up", layers, rows, (group.q_lora_rank, heads * group.head_dim), fmt),
        *scored,
        gemm(f"{label}out_down", layers, rows, (grouped, inner), fmt),
        gemm(f"{label}out_up", layers, rows, (inner, hidden), fmt),
    ]
