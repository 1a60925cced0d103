"""Counts that follow from a shape: parameters, bytes of cache per token, bytes of state."""

from perfmodels.model.dtypes import dtype
from perfmodels.model.shape import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    MlaAttention,
    ModelShape,
    MoeFfn,
)


def embedding_params(shape: ModelShape) -> int:
    """Weights of the token embedding and, unless tied, the output head."""
    return shape.vocab_size * shape.hidden_size * (1 if shape.tied_embeddings else 2)


def attention_params(shape: ModelShape) -> int:
    """Attention weights of all layers."""
    return sum(g.num_layers * g.params_per_layer(shape.hidden_size) for g in shape.attention)


def total_params(shape: ModelShape) -> int:
    """Parameters of the text model without the MTP head: what model cards publish."""
    ffn = sum(g.num_layers * g.params_per_layer(shape.hidden_size) for g in shape.ffn)
    norms = 2 * shape.num_layers * shape.hidden_size + shape.hidden_size
    return embedding_params(shape) + attention_params(shape) + ffn + norms


def active_params(shape: ModelShape) -> int:
    """Parameters one token passes through, embeddings included as model cards count them."""
    idle = sum(
        g.num_layers * (g.num_experts - g.top_k) * g.params_per_expert(shape.hidden_size)
        for g in shape.ffn
        if isinstance(g, MoeFfn)
    )
    return total_params(shape) - idle


def kv_bytes_per_token(shape: ModelShape, kv_dtype: str) -> float:
    """Cache one more token of an unbounded context needs over all layers [bytes], one copy.

    Sliding-window layers stop growing at their window and are left out; see window_kv_bytes.
    """
    element = dtype(kv_dtype).bytes_per_element
    return sum(
        g.num_layers * _cached_bytes(g, element)
        for g in shape.attention
        if not (isinstance(g, GqaAttention) and g.window_tokens)
    )


def _cached_bytes(group: AttentionGroup, element: float) -> float:
    if isinstance(group, MlaAttention):
        return group.cached_bytes_per_token(element)
    return group.kv_elements_per_token * element


def kv_bytes_per_token_full(shape: ModelShape, kv_dtype: str) -> float:
    """Cache per token while the context is still inside every window [bytes], one copy."""
    element = dtype(kv_dtype).bytes_per_element
    window = sum(
        g.num_layers * g.head_dim * element for g in shape.attention if isinstance(g, CompressedAttention)
    )
    return window + sum(g.num_layers * _cached_bytes(g, element) for g in shape.attention)
