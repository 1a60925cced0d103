"""Sparse attention layers as whole modules: projections, indexer, selection and attention on one GPU.

A variant names the kind of layer, the format of the cache and that of the projections, for example
dsa-deepseek_v32/kvfp8/fp8_block. Heads are those of one GPU. Kinds: dsa (DeepSeek-V3.2, GLM-5),
dsa_skip (GLM-5.2 layers that reuse another layer's selection), csa and hca (DeepSeek-V4 layers with
one key per 4 and per 128 tokens), msa (MiniMax-M3, blocks of 128 keys). Prompts of dsa layers are a
family of their own (DSA_PREFILL): their time also depends on how many prompts share the tokens.
"""

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.dtypes import dtype
from perfmodels.families.sparse_kinds import KINDS, SparseKind
from perfmodels.gridmodel import GridAxis
from perfmodels.opfamily import Dims, OpFamily, Work, columns

_TOKENS = (1, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 262144)
_CONTEXT = (1, 64, 512, 1024, 2048, 4096, 8192, 16384, 32768, 131072, 1048576)
_HEADS = (1, 8, 16, 32, 64, 128)
_DSA_TOKENS = (1, 32, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536)
_DSA_CONTEXT = (1, 64, 512, 1024, 2048, 2049, 4096, 8192, 18432, 67584, 2097152)
_DSA_HEADS = (1, 16, 32, 64, 128)
_PROMPTS = (1, 8, 64, 512)
_DENSE_CONTEXT = 2048  # tokens up to which every key is kept anyway ...
_DENSE_KEYS = 131072  # ... and over all prompts, up to which SGLang then attends densely
_SEQS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_DECODE_CONTEXT = (1, 64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 1048576)


def sparse_variant(kind: str, kv: str, gemm: str) -> str:
    """Name of the variant: kind of layer, format of the cache, format of the projections."""
    return f"{kind}/kv{dtype(kv).name}/{dtype(gemm).name}"


def _parts(variant: str) -> tuple[SparseKind, float, float]:
    """Kind, bytes per cached element, bytes per weight."""
    kind, kv, gemm = variant.split("/")
    return KINDS[kind], dtype(kv.removeprefix("kv")).bytes_per_element, dtype(gemm).bytes_per_element


def _compute(variant: str) -> str:
    """The fastest unit any part may use, so that work over peak stays a lower bound."""
    _, kv, gemm = variant.split("/")
    units = {dtype(kv.removeprefix("kv")).compute, dtype(gemm).compute}
    return next(unit for unit in ("fp4", "fp8", "bf16") if unit in units)


def _kept_pairs(cached: FloatArray, new: FloatArray, limit: float) -> FloatArray:
    """Query-key pairs of one prompt when a query sees its past, but `limit` keys at most."""
    growing = np.clip(limit - cached, 0.0, new)
    return growing * cached + growing * (growing + 1.0) / 2.0 + (new - growing) * limit


def _prefill_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """Tokens of the step, the mean context they see, and heads."""
    prompts, new, cached, heads = columns(dims, "prompts", "new_tokens", "cached_tokens", "heads")
    return prompts * new, cached + (new + 1.0) / 2.0, heads


def _dsa_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """As above, with contexts of the sparse kernels set apart from those of the dense one, and prompts.

    Prompts count because keys are gathered, and for the dense kernel rebuilt, once per prompt.
    """
    tokens, context, heads = _prefill_coordinates(dims)
    apart = np.where(attends_densely(dims), context, _DENSE_CONTEXT + 2.0 * np.asarray(context))
    return tokens, apart, heads, dims["prompts"]


def attends_densely(dims: Dims) -> NDArray[np.bool_]:
    """Where SGLang takes the dense kernel; at the switch time may fall although work grows."""
    prompts, new, cached = columns(dims, "prompts", "new_tokens", "cached_tokens")
    found: NDArray[np.bool_] = (cached + new <= _DENSE_CONTEXT) & (prompts * (cached + new) <= _DENSE_KEYS)
    return found


def _decode_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "seqs", "context", "heads")


def _module_work(
    variant: str, heads: FloatArray, tokens: FloatArray, kept_pairs: FloatArray, kept_bytes: FloatArray
) -> Work:
    """Projections and attention over the kept keys; the indexer's scoring is left out.

    It runs in whatever format the engine likes, so that it has no common peak.
    """
    kind, _, weight_bytes = _parts(variant)
    weights = kind.shared_params + kind.head_params * heads
    return Work(
        flop=2.0 * tokens * weights + kept_pairs * heads * kind.pair_flop,
        hbm_bytes=weights * weight_bytes + tokens * kind.hidden * 4.0 + kept_bytes,
    )


def _prefill_work(dims: Dims, variant: str) -> Work:
    prompts, new, cached, heads = columns(dims, "prompts", "new_tokens", "cached_tokens", "heads")
    limit = _parts(variant)[0].kept_tokens
    pairs = prompts * _kept_pairs(cached, new, limit)
    return _module_work(variant, heads, prompts * new, pairs, np.zeros_like(pairs))


def _decode_work(dims: Dims, variant: str) -> Work:
    """Beside the work, each sequence's kept entries are read from the cache."""
    seqs, context, heads = columns(dims, "seqs", "context", "heads")
    kind, kv_bytes, _ = _parts(variant)
    pairs = seqs * np.minimum(context, kind.kept_tokens)
    return _module_work(variant, heads, seqs, pairs, pairs * kind.kv_elements * kv_bytes)


SPARSE_PREFILL = OpFamily(
    name="sparse_prefill",
    dims=("prompts", "new_tokens", "cached_tokens", "heads"),
    axes=(
        GridAxis(name="tokens", knots=_TOKENS),
        GridAxis(name="mean_context", knots=_CONTEXT),
        GridAxis(name="heads", knots=_HEADS, monotone=False),  # kernels are chosen, and padded, by heads
    ),
    coordinates=_prefill_coordinates,
    work=_prefill_work,
    compute=_compute,
    shape_dims=("prompts", "new_tokens", "heads"),
)

DSA_PREFILL = OpFamily(
    name="dsa_prefill",
    dims=("prompts", "new_tokens", "cached_tokens", "heads"),
    axes=(
        GridAxis(name="tokens", knots=_DSA_TOKENS),
        GridAxis(name="mean_context", knots=_DSA_CONTEXT, monotone=False),  # two kernels, side by side
        GridAxis(name="heads", knots=_DSA_HEADS, monotone=False),
        GridAxis(name="prompts", knots=_PROMPTS, beyond=0.0),
    ),
    coordinates=_dsa_coordinates,
    work=_prefill_work,
    compute=_compute,
    shape_dims=("prompts", "new_tokens", "heads"),
)

SPARSE_DECODE = OpFamily(
    name="sparse_decode",
    dims=("seqs", "context", "heads"),
    axes=(
        GridAxis(name="seqs", knots=_SEQS),
        GridAxis(name="context", knots=_DECODE_CONTEXT),
        GridAxis(name="heads", knots=_HEADS, monotone=False),
    ),
    coordinates=_decode_coordinates,
    work=_decode_work,
    compute=_compute,
    shape_dims=("seqs", "heads"),
)
