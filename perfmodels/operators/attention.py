"""Operators of one attention group: projections, the attention itself, and layers with a fixed-size state."""

from typing import Literal

import numpy as np

from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.shape import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    LinearAttention,
    MlaAttention,
)
from perfmodels.op_times.families.attention import AttentionVariant
from perfmodels.operators.latent import compressed_operators, mla_operators
from perfmodels.operators.record import Operator, gemm
from perfmodels.operators.scores import Score, score_and_mix
from perfmodels.parallel import PlanArray
from perfmodels.step import Step

# --- Operators of layers whose past is a fixed-size state.


_BF16 = dtype("bf16").bytes_per_element
_CHUNK_TOKENS = 64.0  # of the parallel form of a recurrence
_MEASURED_RECURRENCES = ("gdn", "kda")


def linear_operators(
    hidden: int, group: LinearAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """A recurrent mixer: every token updates the state; decode reads and writes it once per step."""
    rows = np.asarray(step.tokens, dtype=np.float64)
    return [
        gemm("linear_in", group.num_layers, rows, (hidden, group.in_width / plan.tp), precision.gemm),
        _recurrence("prefill", group, plan, step),
        _recurrence("decode", group, plan, step),
        gemm("linear_out", group.num_layers, rows, (group.out_width / plan.tp, hidden), precision.gemm),
    ]


def _recurrence(
    phase: Literal["prefill", "decode"], group: LinearAttention, plan: PlanArray, step: Step
) -> Operator:
    """Decode reads and writes each state once; prefill once per chunk of the parallel form."""
    state = group.state_elements / plan.tp
    prefilling = phase == "prefill"
    tokens = np.asarray(step.prefill_tokens if prefilling else step.decode_tokens, dtype=np.float64)
    seqs = np.maximum(np.asarray(step.prefill_seqs, dtype=np.float64), 1.0) if prefilling else tokens
    passes = tokens / _CHUNK_TOKENS if prefilling else tokens
    mixed = tokens * group.out_width / plan.tp * 4.0 * _BF16
    return Operator(
        name=f"linear_{phase}", family="linear_prefill" if prefilling else "linear_decode",
        count=group.num_layers,
        flop=tokens * 6.0 * state, hbm_bytes=passes * 2.0 * 4.0 * state + mixed,
        variant=group.kind if group.kind in _MEASURED_RECURRENCES else "",
        dims={
            "seqs": seqs, "new_tokens": tokens / np.maximum(seqs, 1.0),
            "heads": group.num_heads / plan.tp, "conv_channels": group.conv_channels / plan.tp,
        },
    )  # fmt: skip


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
