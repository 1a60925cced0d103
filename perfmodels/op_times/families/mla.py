"""Multi-head latent attention (DeepSeek-V2/V3, Kimi K2): kernels, their per-head products, whole modules.

Sizes are those of DeepSeek-V3; heads are those of one GPU and may be fractional, as may all sizes.
Variants: kernels <arithmetic>/<cache>, modules <arithmetic>/<cache>/<projections>, products
<weights>/pre or /post (before and after attention). Modules hold everything from hidden state to hidden
state: projections, attention over the cache, output projection, without all-reduce.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.families.attention import distinct_keys, equal_causal
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

_PROMPTS = tuple(float(2**i) for i in range(9))
_SEQS = tuple(float(2**i) for i in range(11))
_LENGTHS = (1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
_KEYS = (*_LENGTHS, 65536, 131072)
_HEADS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (1, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192, 20480)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Elements: latent of a token, its rotary part, parts of a head, hidden state, rank of the queries."""

    latent: int = 512
    rope: int = 64
    nope: int = 128
    value: int = 128
    hidden: int = 7168
    query_rank: int = 1536

    @property
    def shared_weights(self) -> int:
        """Weights of a module that do not depend on heads."""
        return self.hidden * (self.query_rank + self.latent + self.rope)

    @property
    def head_weights(self) -> int:
        """Weights of one head: queries, keys and values, output."""
        into = self.query_rank * (self.nope + self.rope) + self.latent * (self.nope + self.value)
        return into + self.value * self.hidden


_S = _Sizes()


def mla_variant(attn: str, kv: str, gemm: str | None = None) -> str:
    """Name of a kernel's variant, or of a module's where `gemm` is the format of its projections."""
    names = (attn, kv) if gemm is None else (attn, kv, gemm)
    return "/".join(dtype(name).name for name in names)


def mla_bmm_variant(weights: str, *, before: bool) -> str:
    """Name of the per-head products before (queries into the latent) or after attention."""
    return f"{dtype(weights).name}/{'pre' if before else 'post'}"


def _compute(variant: str) -> str:
    """The fastest unit any part may use, so that work over peak stays a lower bound."""
    units = {dtype(name).compute for name in variant.split("/") if name not in ("pre", "post")}
    return next(unit for unit in ("fp4", "fp8", "bf16") if unit in units)


def _prefill_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """Fresh prompts of equal work; less than one prompt is one prompt on fewer heads.

    A module with a prefix so counts its shared projections for the prefix too, as engines do which
    expand the cached latents again.
    """
    prompts, new, keys, heads = columns(dims, "prompts", "new_tokens", "keys_per_query", "heads")
    count, length = equal_causal(prompts, new, keys, heads)
    return np.maximum(count, 1.0), length, heads * np.minimum(count, 1.0)


def _decode_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "seqs", "keys", "heads")


def _prefill_sizes(at: Sequence[FloatArray]) -> Dims:
    prompts, length, heads = at
    return {"prompts": prompts, "new_tokens": length, "keys_per_query": (length + 1.0) / 2.0, "heads": heads}


def _decode_sizes(at: Sequence[FloatArray]) -> Dims:
    seqs, keys, heads = at
    return {"seqs": seqs, "keys": keys, "heads": heads}


def _bmm_sizes(at: Sequence[FloatArray]) -> Dims:
    tokens, heads = at
    return {"tokens": tokens, "heads": heads}


def _bmm_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "tokens", "heads")


def _prefill_work(dims: Dims, variant: str) -> Work:
    """Products over expanded heads; of the cache at least the latents are read."""
    prompts, new, keys, heads = columns(dims, "prompts", "new_tokens", "keys_per_query", "heads")
    rows = prompts * new * heads
    head = _S.nope + _S.rope + _S.value
    kv = dtype(variant.split("/")[1]).bytes_per_element
    latents = prompts * distinct_keys(new, keys) * (_S.latent + _S.rope) * kv
    return Work(flop=2.0 * rows * keys * head, hbm_bytes=rows * head * _activation(variant) + latents)


def _decode_work(dims: Dims, variant: str) -> Work:
    """All heads of a sequence share its latents, which serve as keys and values."""
    seqs, keys, heads = columns(dims, "seqs", "keys", "heads")
    width = 2.0 * _S.latent + _S.rope
    kv = dtype(variant.split("/")[1]).bytes_per_element
    latents = seqs * keys * (_S.latent + _S.rope) * kv
    edges = seqs * heads * width * _activation(variant)
    return Work(flop=2.0 * seqs * heads * keys * width, hbm_bytes=edges + latents)


def _activation(variant: str) -> float:
    """Least bytes of an activation element at the kernel's edges."""
    return 1.0 if _compute(variant) != "bf16" else 2.0


def _with_projections(attention: Work, tokens: FloatArray, heads: FloatArray, variant: str) -> Work:
    """The module around the kernel: weights once, hidden states in and out; the rest may stay on chip."""
    weights = _S.shared_weights + heads * _S.head_weights
    moved = weights * dtype(variant.split("/")[2]).bytes_per_element + 4.0 * tokens * _S.hidden
    return Work(flop=attention.flop + 2.0 * tokens * weights, hbm_bytes=moved + attention.hbm_bytes)


def _module_prefill_work(dims: Dims, variant: str) -> Work:
    prompts, new, heads = columns(dims, "prompts", "new_tokens", "heads")
    return _with_projections(_prefill_work(dims, variant), prompts * new, heads, variant)


def _module_decode_work(dims: Dims, variant: str) -> Work:
    seqs, heads = columns(dims, "seqs", "heads")
    return _with_projections(_decode_work(dims, variant), seqs, heads, variant)


def _bmm_work(dims: Dims, variant: str) -> Work:
    """One [tokens x 128] by [128 x 512] product a head, or the reverse."""
    tokens, heads = columns(dims, "tokens", "heads")
    weights = dtype(variant.split("/", maxsplit=1)[0]).bytes_per_element * heads * _S.nope * _S.latent
    edges = tokens * heads * (_S.nope + _S.latent) * _activation(variant)
    return Work(flop=2.0 * tokens * heads * _S.nope * _S.latent, hbm_bytes=weights + edges)


_PREFILL_AXES = (
    GridAxis(name="prompts", knots=_PROMPTS),
    GridAxis(name="length", knots=_LENGTHS, beyond=2.0),
    GridAxis(name="heads", knots=_HEADS),
)
_DECODE_AXES = (
    GridAxis(name="seqs", knots=_SEQS),
    GridAxis(name="keys", knots=_KEYS),
    GridAxis(name="heads", knots=_HEADS),
)

MLA_PREFILL = OpFamily(
    name="mla_prefill",
    kind="attention",
    dims=("prompts", "new_tokens", "keys_per_query", "heads"),
    axes=_PREFILL_AXES,
    coordinates=_prefill_coordinates,
    work=_prefill_work,
    compute=_compute,
    shape_dims=("prompts", "heads"),
    sizes_at=_prefill_sizes,
)
MLA_DECODE = OpFamily(
    name="mla_decode",
    kind="attention",
    cache_bound=True,
    dims=("seqs", "keys", "heads"),
    axes=_DECODE_AXES,
    coordinates=_decode_coordinates,
    work=_decode_work,
    compute=_compute,
    shape_dims=("seqs", "heads"),
    sizes_at=_decode_sizes,
)
MLA_BMM = OpFamily(
    name="mla_bmm",
    kind="gemm",
    dims=("tokens", "heads"),
    axes=(GridAxis(name="tokens", knots=_TOKENS), GridAxis(name="heads", knots=_HEADS)),
    coordinates=_bmm_coordinates,
    work=_bmm_work,
    compute=_compute,
    shape_dims=("heads",),
    sizes_at=_bmm_sizes,
)

MLA_MODULE_PREFILL = OpFamily(
    name="mla_module_prefill",
    kind="attention",
    dims=("prompts", "new_tokens", "keys_per_query", "heads"),
    axes=_PREFILL_AXES,
    coordinates=_prefill_coordinates,
    work=_module_prefill_work,
    compute=_compute,
    shape_dims=("prompts", "heads"),
    host_floor_s=50e-6,
)
MLA_MODULE_DECODE = OpFamily(
    name="mla_module_decode",
    kind="attention",
    cache_bound=True,
    dims=("seqs", "keys", "heads"),
    axes=_DECODE_AXES,
    coordinates=_decode_coordinates,
    work=_module_decode_work,
    compute=_compute,
    shape_dims=("seqs", "heads"),
    host_floor_s=50e-6,
)
