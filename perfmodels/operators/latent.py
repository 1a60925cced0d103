"""Operators of attention over latents: multi-head latent attention, DeepSeek-V4's compressed keys."""

from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatLike
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.shape import CompressedAttention, MlaAttention
from perfmodels.op_times.families.mla import mla_bmm_variant, mla_variant
from perfmodels.operators.record import Operator, gemm
from perfmodels.operators.scores import Score, decode_score, prefill_score, score_and_mix
from perfmodels.parallel import PlanArray
from perfmodels.step import Step


def mla_operators(
    hidden: int, group: MlaAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """Latent attention. Decode works in latent space (weights absorbed); prefill rebuilds keys."""
    heads = group.num_heads / plan.tp
    fmt, rows, layers = precision.gemm, step.tokens, group.num_layers
    latent = group.kv_lora_rank + group.qk_rope_head_dim
    latent_bytes = latent * dtype(precision.kv).bytes_per_element
    query_in = group.q_lora_rank or hidden
    per_head_up = group.qk_nope_head_dim + group.v_head_dim
    prefill = Score(
        name="", count=layers, limit=group.index_topk, heads=heads,
        prefill_family="mla_prefill", decode_family="mla_decode",
        flop_per_key=2.0 * heads * (group.qk_head_dim + group.v_head_dim), bytes_per_key=latent_bytes,
        variant=mla_variant("bf16", precision.kv) if _measured(group) else "",
    )  # fmt: skip
    decode = replace(prefill, flop_per_key=2.0 * heads * (latent + group.kv_lora_rank))
    return [
        gemm("mla_down", layers, rows, (hidden, group.down_width), fmt),
        gemm("mla_query_up", layers, rows, (query_in, heads * group.qk_head_dim), fmt),
        gemm("mla_kv_up", layers, step.prefill_tokens, (group.kv_lora_rank, heads * per_head_up), fmt),
        _absorbed("mla_absorb_query", group, heads, precision, step),
        prefill_score(prefill, step),
        decode_score(decode, step),
        _absorbed("mla_absorb_value", group, heads, precision, step),
        gemm("attention_out", layers, rows, (heads * group.v_head_dim, hidden), fmt),
        *_indexer(hidden, group, precision, step),
    ]


def _measured(group: MlaAttention) -> bool:
    """Whether the learned kernels have this group's sizes: those of DeepSeek-V3 and Kimi K2."""
    sizes = (group.kv_lora_rank, group.qk_rope_head_dim, group.qk_nope_head_dim, group.v_head_dim)
    return sizes == (512, 64, 128, 128)


def _absorbed(name: str, group: MlaAttention, heads: FloatLike, precision: Precision, step: Step) -> Operator:
    """Per-head products of decoding tokens into latent space and back out of it."""
    before = name == "mla_absorb_query"
    width = group.qk_nope_head_dim if before else group.v_head_dim
    tokens = np.asarray(step.decode_tokens, dtype=np.float64)
    fmt = "fp8" if dtype(precision.gemm).compute == "fp8" else "bf16"
    weights = heads * width * group.kv_lora_rank
    moved = weights * dtype(fmt).bytes_per_element + 2.0 * tokens * heads * (width + group.kv_lora_rank)
    return Operator(
        name=name, family="mla_bmm", count=group.num_layers, flop=2.0 * tokens * weights,
        hbm_bytes=np.where(tokens > 0, moved, 0.0), fmt=fmt,
        variant=mla_bmm_variant(fmt, before=before) if _measured(group) else "",
        dims={"tokens": tokens, "heads": heads},
    )  # fmt: skip


def _indexer(hidden: int, group: MlaAttention, precision: Precision, step: Step) -> list[Operator]:
    """The sparse-attention indexer scores every key with few cheap heads; not split by tp."""
    if not group.index_heads:
        return []
    width = group.index_heads * group.index_head_dim
    score = Score(
        name="index_", count=group.num_layers, limit=None,
        flop_per_key=2.0 * width, bytes_per_key=float(group.index_head_dim),  # FP8 keys
    )  # fmt: skip
    sizes = (group.q_lora_rank or hidden, width)
    project = gemm("index_query", group.num_layers, step.tokens, sizes, precision.gemm)
    return [project, *score_and_mix(score, step)]


def compressed_operators(
    hidden: int, group: CompressedAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """Window plus compressed keys. The one shared head is replicated; queries and outputs are split."""
    heads, layers, fmt, rows = group.num_heads / plan.tp, group.num_layers, precision.gemm, step.tokens
    key_bytes = group.head_dim * dtype(precision.kv).bytes_per_element
    label = f"compressed{group.ratio}_"
    near = Score(
        name=f"{label}window_", count=layers, limit=group.window_tokens,
        flop_per_key=4.0 * heads * group.head_dim, bytes_per_key=key_bytes,
    )  # fmt: skip
    scored = score_and_mix(near, step)
    if group.ratio:
        far = replace(
            step,
            prefill_context_tokens=np.asarray(step.prefill_context_tokens) / group.ratio,
            decode_context_tokens=np.asarray(step.decode_context_tokens) / group.ratio,
        )
        scored += score_and_mix(replace(near, name=label, limit=group.index_topk), far)
        if group.index_heads:
            width = group.index_heads * group.index_head_dim
            index = Score(
                name=f"{label}index_", count=layers, limit=None,
                flop_per_key=2.0 * width, bytes_per_key=float(group.index_head_dim),
            )  # fmt: skip
            scored += score_and_mix(index, far)
    inner = group.o_groups * group.o_lora_rank / plan.tp
    grouped = heads * group.head_dim / group.o_groups * plan.tp  # columns that one group reads
    return [
        gemm(f"{label}down", layers, rows, (hidden, group.shared_params(hidden) / hidden), fmt),
        gemm(f"{label}query_up", layers, rows, (group.q_lora_rank, heads * group.head_dim), fmt),
        *scored,
        gemm(f"{label}out_down", layers, rows, (grouped, inner), fmt),
        gemm(f"{label}out_up", layers, rows, (inner, hidden), fmt),
    ]
