"""Attention over cached keys and values (multi-head, grouped, multi-query), with or without window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

# --- Names of the measured attention kernels: number formats, head size, window or none.
# bf16/fp8/d128/full multiplies in bf16, keeps keys and values in fp8, has heads of 128 and sees every key.


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionVariant:
    """Formats of the arithmetic and of the cache; head size [elements]; whether a window limits the keys."""

    attn: str
    kv: str
    head_dim: int
    windowed: bool = False

    @property
    def name(self) -> str:
        """The variant's name, as measured tables and models carry it."""
        reach = "window" if self.windowed else "full"
        return f"{dtype(self.attn).name}/{dtype(self.kv).name}/d{self.head_dim}/{reach}"

    @property
    def compute(self) -> str:
        """Fastest unit that may multiply: kernels with an fp8 cache may also turn queries into fp8."""
        formats = {dtype(self.attn).compute, dtype(self.kv).compute}
        return "fp8" if "fp8" in formats else dtype(self.attn).compute


def parse_variant(name: str) -> AttentionVariant:
    """The variant called `name`. Raises ValueError where it is no such name."""
    parts = name.split("/")
    if len(parts) != 4 or not parts[2].startswith("d") or parts[3] not in ("full", "window"):
        raise ValueError(f"attention variant {name!r}: expected <arithmetic>/<cache>/d<head>/full|window")
    return AttentionVariant(
        attn=parts[0], kv=parts[1], head_dim=int(parts[2][1:]), windowed=parts[3] == "window"
    )


# Prefill: `prompts` sequences add `new_tokens` each, whose queries see `keys_per_query` keys on average.
# Decode: `seqs` sequences add one token each and read `keys` keys. Heads are those of one GPU. All sizes
# may be fractional: a step holds averages.


_STREAMS = tuple(float(2**i) for i in range(15))
_LENGTHS = (1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_KEYS = (1, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
# Queries that share keys fill a tile of a tensor core, so more of them can even take less time.
# Decode kernels made for groups end at 32 queries a key; TensorRT-LLM's others are up to 20 times slower.
_PREFILL_GROUPS = (1, 2, 4, 8, 16, 64)
_DECODE_GROUPS = (1, 2, 8, 16, 32, 33, 128)


def equal_causal(
    prompts: FloatArray, new_tokens: FloatArray, keys_per_query: FloatArray, streams: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Number and length [tokens] of fresh causal prompts that take the same work in equally long chains.

    The longest chain of one query is all its keys: prefix and new tokens, or about two means with a
    window. Tables hold prompts without prefix only, and windows of few sizes; this carries them over.
    A few new tokens after a long prefix would be less than one of `streams` (heads with keys of their
    own) of one prompt; they count as one stream, shorter, as if the kernel split the chain.
    """
    new = np.maximum(new_tokens, 1.0)
    mean = np.maximum(keys_per_query, 1.0)
    chain = np.maximum(np.minimum(2.0 * mean - 1.0, mean + (new - 1.0) / 2.0), 1.0)
    pairs = prompts * new * mean
    one_stream = (np.sqrt(1.0 + 8.0 * pairs * streams) - 1.0) / 2.0
    length = np.maximum(np.minimum(chain, one_stream), 1.0)
    return pairs / (length * (length + 1.0) / 2.0), length


def distinct_keys(new_tokens: FloatArray, keys_per_query: FloatArray) -> FloatArray:
    """Least keys [tokens] a prompt must read: its own, or its prefix too where queries see more."""
    least: FloatArray = np.maximum(new_tokens, keys_per_query + (new_tokens - 1.0) / 2.0)
    return least


def _prefill_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    prompts, new, keys = columns(dims, "prompts", "new_tokens", "keys_per_query")
    heads, kv_heads = columns(dims, "heads", "kv_heads")
    count, length = equal_causal(prompts, new, keys, kv_heads)
    return count * heads, length, heads / kv_heads


def _decode_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    seqs, keys, heads, kv_heads = columns(dims, "seqs", "keys", "heads", "kv_heads")
    return seqs * kv_heads, keys, heads / kv_heads


def _prefill_sizes(at: Sequence[FloatArray]) -> Dims:
    """One fresh prompt with so many heads."""
    heads, length, group = at
    one = np.ones_like(heads)
    keys = (length + 1.0) / 2.0
    return {"prompts": one, "new_tokens": length, "keys_per_query": keys, "heads": heads,
            "kv_heads": heads / group}  # fmt: skip


def _decode_sizes(at: Sequence[FloatArray]) -> Dims:
    """Sequences with one head of keys each."""
    streams, keys, group = at
    return {"seqs": streams, "keys": keys, "heads": group, "kv_heads": np.ones_like(group)}


def _edge_bytes(kind: AttentionVariant) -> float:
    """Bytes of a query and an output element together."""
    return 2.0 * min(2.0, dtype(kind.attn).bytes_per_element)


def _prefill_work(dims: Dims, variant: str) -> Work:
    """Two products per query and key; queries, outputs, keys and values cross memory once."""
    kind = parse_variant(variant)
    prompts, new, keys = columns(dims, "prompts", "new_tokens", "keys_per_query")
    heads, kv_heads = columns(dims, "heads", "kv_heads")
    rows = prompts * heads * new
    cached = 2.0 * prompts * kv_heads * distinct_keys(new, keys) * dtype(kind.kv).bytes_per_element
    return Work(
        flop=4.0 * rows * keys * kind.head_dim, hbm_bytes=kind.head_dim * (rows * _edge_bytes(kind) + cached)
    )


def _decode_work(dims: Dims, variant: str) -> Work:
    kind = parse_variant(variant)
    seqs, keys, heads, kv_heads = columns(dims, "seqs", "keys", "heads", "kv_heads")
    cached = 2.0 * seqs * kv_heads * keys * dtype(kind.kv).bytes_per_element
    return Work(
        flop=4.0 * seqs * heads * keys * kind.head_dim,
        hbm_bytes=kind.head_dim * (seqs * heads * _edge_bytes(kind) + cached),
    )


def _compute(variant: str) -> str:
    return parse_variant(variant).compute


ATTENTION_PREFILL = OpFamily(
    name="attention_prefill",
    kind="attention",
    dims=("prompts", "new_tokens", "keys_per_query", "heads", "kv_heads"),
    axes=(
        GridAxis(name="head_prompts", knots=_STREAMS),
        GridAxis(name="length", knots=_LENGTHS, beyond=2.0),
        GridAxis(name="group", knots=_PREFILL_GROUPS, monotone=False, beyond=0.0),
    ),
    coordinates=_prefill_coordinates,
    work=_prefill_work,
    compute=_compute,
    shape_dims=("heads", "kv_heads"),
    sizes_at=_prefill_sizes,
)

ATTENTION_DECODE = OpFamily(
    name="attention_decode",
    kind="attention",
    cache_bound=True,
    dims=("seqs", "keys", "heads", "kv_heads"),
    axes=(
        GridAxis(name="streams", knots=_STREAMS),
        GridAxis(name="keys", knots=_KEYS),
        GridAxis(name="group", knots=_DECODE_GROUPS, monotone=False, beyond=0.0),
    ),
    coordinates=_decode_coordinates,
    work=_decode_work,
    compute=_compute,
    shape_dims=("heads", "kv_heads"),
    sizes_at=_decode_sizes,
)
