"""Sparse attention layers as whole modules: what each kind multiplies and caches, and its time on one GPU."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

# --- What the measured sparse attention layers multiply and cache, from their public model configurations.


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseKind:
    """One architecture's layer.

    shared_params: weights every GPU holds, without the indexer, which short prompts skip.
    head_params: weights per query head.
    pair_flop: FLOP per head, query and kept key, in the cheaper of the two ways to order the products.
    kept_tokens: the most keys a query attends to, beyond which it selects.
    kv_elements: least cached elements read per kept key, over all heads.
    """

    hidden: int
    shared_params: int
    head_params: int
    pair_flop: float
    kept_tokens: int
    kv_elements: int


def _latent(hidden: int, q_rank: int, head_dims: tuple[int, int, int], topk: int) -> SparseKind:
    """Multi-head latent attention with latent 512 and rotary 64; head_dims: no-position, rotary, value."""
    nope, rope, value = head_dims
    return SparseKind(
        hidden=hidden,
        shared_params=hidden * (q_rank + 512 + rope),
        head_params=q_rank * (nope + rope) + 512 * (nope + value) + value * hidden,
        pair_flop=2.0 * (nope + rope + value),
        kept_tokens=topk,
        kv_elements=512 + rope,
    )


def _compressed(hidden: int, q_rank: int) -> SparseKind:
    """DeepSeek-V4: one key-value head of 512 in a window of 128 tokens, compressed keys beyond.

    Compressed keys count only through the window: the bound keeps no more than that.
    """
    return SparseKind(
        hidden=hidden,
        shared_params=hidden * (q_rank + 512),
        head_params=q_rank * 512 + 512 * 1024,
        pair_flop=4.0 * 512,
        kept_tokens=128,
        kv_elements=512,
    )


_V32 = _latent(7168, 1536, (128, 64, 128), 2048)
_GLM5 = _latent(6144, 2048, (192, 64, 256), 2048)
# One key-value head at least is on every GPU: 4 in the model, replicated beyond 4 GPUs.
_M3 = SparseKind(
    hidden=6144,
    shared_params=6144 * 2 * 128,
    head_params=6144 * 2 * 128,
    pair_flop=4.0 * 128,
    kept_tokens=16 * 128,
    kv_elements=2 * 128,
)

KINDS = MappingProxyType({
    "dsa-deepseek_v32": _V32,
    "dsa-glm5": _GLM5,
    "dsa_skip-glm5": _GLM5,
    "csa-deepseek_v4_pro": _compressed(7168, 1536),
    "csa-deepseek_v4_flash": _compressed(4096, 1024),
    "hca-deepseek_v4_pro": _compressed(7168, 1536),
    "hca-deepseek_v4_flash": _compressed(4096, 1024),
    "msa-minimax_m3": _M3,
})  # fmt: skip


# --- Sparse attention layers as whole modules: projections, indexer, selection and attention on one GPU.
# A variant names the kind of layer, the format of the cache and that of the projections, for example
# dsa-deepseek_v32/kvfp8/fp8_block. Heads are those of one GPU. Kinds: dsa (DeepSeek-V3.2, GLM-5),
# dsa_skip (GLM-5.2 layers that reuse another layer's selection), csa and hca (DeepSeek-V4 layers with
# one key per 4 and per 128 tokens), msa (MiniMax-M3, blocks of 128 keys). Prompts of dsa layers are a
# family of their own (DSA_PREFILL): their time also depends on how many prompts share the tokens.


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


DSA_PREFILL = OpFamily(
    name="dsa_prefill",
    kind="attention",
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

SPARSE_PREFILL = OpFamily(
    name="sparse_prefill",
    kind="attention",
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

SPARSE_DECODE = OpFamily(
    name="sparse_decode",
    kind="attention",
    cache_bound=True,
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
