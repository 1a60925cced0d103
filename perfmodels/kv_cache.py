"""What one token takes in the KV cache, and how an engine divides its cache between kinds of layers."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.shape import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    LinearAttention,
    MlaAttention,
    ModelShape,
)
from perfmodels.parallel import PlanArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePools:
    """How an engine divides its cache between kinds of layers; the defaults: as sequences need it.

    state_ratio: bytes for recurrent states per byte for keys and values, both fixed at start; states: how
    many of them a sequence holds. window_ratio: window entries per token of the cache in attention over
    compressed keys, state_rows: rows of compressor state per window. unsliced: such a cache holds all layers
    on every pipeline stage, with the draft layer's window and a whole window of compressor state.
    plain_latents: the engine counts sparse latents without their scales.
    """

    state_ratio: float = 0.0
    states: float = 1.0
    window_ratio: float = 0.0
    state_rows: int = 8
    unsliced: bool = False
    plain_latents: bool = False


AS_NEEDED = CachePools()


def kv_bytes_per_token_per_gpu(
    shape: ModelShape,
    precision: Precision,
    plan: PlanArray,
    context_tokens: FloatLike,
    pools: CachePools = AS_NEEDED,
) -> FloatArray:
    """Cache per token of a sequence of `context_tokens` on one GPU, all layers [bytes].

    Windowed layers and recurrent state count at their average over that context. Latent caches are
    replicated over tp; KV heads are split until each rank holds one. Where the engine fixes its pools at
    start, the pool that is full first counts.
    """
    context = np.maximum(np.asarray(context_tokens, dtype=np.float64), 1.0)
    element = dtype(precision.kv).bytes_per_element
    entries = np.zeros(np.broadcast_shapes(np.shape(plan.tp), np.shape(context)))
    states = 0.0 * entries
    for group in shape.attention:
        if isinstance(group, LinearAttention):
            state = (4.0 * group.state_elements + 2.0 * group.conv_elements) / plan.tp
            states = states + group.num_layers * state
        elif not (isinstance(group, CompressedAttention) and pools.window_ratio):
            entry = _entry_elements(group, plan, context) * element
            if isinstance(group, MlaAttention):
                wide = group.cached_bytes_per_token(element)
                entry = entry + group.index_bytes_per_token if pools.plain_latents else wide
            entries = entries + group.num_layers * entry
    if pools.window_ratio:
        entries = entries + _compressed_bytes(shape, plan, context, pools)
    if not (pools.state_ratio and np.any(states)):
        return entries + states / context
    whole = 1.0 + pools.state_ratio
    return np.maximum(entries * whole, pools.states * states * whole / pools.state_ratio / context)


def _entry_elements(group: AttentionGroup, plan: PlanArray, context: FloatArray) -> FloatLike:
    """Elements per token and layer on one GPU."""
    if isinstance(group, CompressedAttention):
        full = np.minimum(context, group.window_tokens) / context * group.head_dim
        return group.kv_elements_per_token + full
    if isinstance(group, GqaAttention):
        kept = np.minimum(context, group.window_tokens or np.inf) / context
        return kept * group.kv_elements_per_token / np.minimum(plan.tp, group.num_kv_heads)
    return group.kv_elements_per_token


def _compressed_bytes(
    shape: ModelShape, plan: PlanArray, context: FloatArray, pools: CachePools
) -> FloatLike:
    """A token's share of all pools of attention over compressed keys [bytes].

    They grow together, so that where short sequences fill the windows first, tokens cost more.
    """
    groups = [group for group in shape.attention if isinstance(group, CompressedAttention)]
    if not groups:
        return 0.0
    window, entry = groups[0].window_tokens, groups[0].entry_bytes
    total = pools.window_ratio * entry * pools.unsliced
    for group in groups:
        rows = pools.state_rows if group.index_heads else window * pools.unsliced
        state = pools.window_ratio * rows / window * group.state_row_bytes
        lasting = (entry + group.index_bytes) / group.ratio if group.ratio else 0.0
        total += group.num_layers * (pools.window_ratio * entry + lasting + state)
    short = np.maximum(np.minimum(context, window) / (pools.window_ratio * context), 1.0)
    result: FloatArray = total * short * (plan.pp if pools.unsliced else 1.0)
    return result
