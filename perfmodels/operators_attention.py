"""Operators of one attention group: projections and the attention itself."""

import numpy as np

from perfmodels.dtypes import Precision, dtype
from perfmodels.families.attention_variant import AttentionVariant
from perfmodels.operators_latent import compressed_operators, mla_operators
from perfmodels.operators_linear import linear_operators
from perfmodels.operators_score import Score, score_and_mix
from perfmodels.opspec import Operator, gemm
from perfmodels.parallel import PlanArray
from perfmodels.shape import AttentionGroup, CompressedAttention, GqaAttention, LinearAttention, MlaAttention
from perfmodels.step import Step


def attention_operators(
    hidden: int, group: AttentionGroup, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """All operators of the group's layers."""
    if isinstance(group, MlaAttention):
        return mla_operators(hidden, group, precision, plan, step)
    if isinstance(group, CompressedAttention):
        return compressed_operators(hidden, group, precision, plan, step)
    if isinstance(group, LinearAttention):
        return linear_operators(hidden, group, precision, plan, step)
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
    kernel = AttentionVariant(
        attn="bf16", kv=precision.kv, head_dim=(group.head_dim + group.v_head_dim) // 2,
        windowed=group.window_tokens is not None,
    )  # fmt: skip
    score = Score(
        name=label,
        count=group.num_layers,
        limit=group.window_tokens or group.topk_tokens,
        flop_per_key=2.0 * heads * (group.head_dim + group.v_head_dim),
        bytes_per_key=kv_heads * kv_width * dtype(precision.kv).bytes_per_element,
        heads=heads,
        kv_heads=kv_heads,
        variant=kernel.name,
    )
    return [
        gemm(f"{label}qkv", group.num_layers, step.tokens, (hidden, width), precision.gemm),
        *score_and_mix(score, step),
        gemm(
            f"{label}attention_out", group.num_layers, step.tokens,
            (heads * group.v_head_dim, hidden), precision.gemm,
        ),
    ]  # fmt: skip
