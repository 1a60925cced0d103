"""Mixers whose past is a fixed-size state: short convolution and recurrence of one layer together.

Sizes are those of one GPU: value heads and the channels the short convolution runs over. Projections
are matrix products and not part of it. Variants: gdn and kda (heads of 128 keys and 128 values), and
mamba2_conv, which is Mamba-2's convolution alone: its state-space scan has never been measured.
"""

from collections.abc import Sequence

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

HEAD_WIDTH = 128  # of keys and of values, in every model measured
_BF16 = 2.0

_NEW_TOKENS = (1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_DECODE_UNITS = (*_UNITS, 16384, 32768, 65536)
_CHANNELS_PER_HEAD = (64, 96, 192, 256, 384)


def _channels_per_head(dims: Dims) -> FloatArray:
    channels, heads = columns(dims, "conv_channels", "heads")
    return channels / heads


def _prefill_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """The recurrence runs along a prompt and in parallel over prompts and heads."""
    seqs, new_tokens, heads = columns(dims, "seqs", "new_tokens", "heads")
    return new_tokens, seqs * heads, _channels_per_head(dims)


def _decode_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """States are read and written whole: how many there are decides, not whose."""
    seqs, heads = columns(dims, "seqs", "heads")
    return seqs * heads, _channels_per_head(dims)


def _prefill_sizes(at: Sequence[FloatArray]) -> Dims:
    """One prompt with so many heads."""
    new_tokens, units, channels = at
    return {"seqs": np.ones_like(units), "new_tokens": new_tokens, "heads": units,
            "conv_channels": channels * units}  # fmt: skip


def _decode_sizes(at: Sequence[FloatArray]) -> Dims:
    """Sequences with one head each."""
    units, channels = at
    return {"seqs": units, "heads": np.ones_like(units), "conv_channels": channels}


def _recurrence(variant: str) -> float:
    """1 where the recurrence is part of the measured time, else 0."""
    return 0.0 if variant == "mamba2_conv" else 1.0


def _token_bytes(dims: Dims, variant: str) -> FloatArray:
    """Least traffic per token [bytes]: channels in, values out (all channels where nothing follows)."""
    channels, heads = columns(dims, "conv_channels", "heads")
    out = heads * HEAD_WIDTH if _recurrence(variant) else channels
    return _BF16 * (channels + out)


def _prefill_work(dims: Dims, variant: str) -> Work:
    """Each token updates and reads every head's state; states are written once, in 16 bits at least."""
    seqs, new_tokens, heads = columns(dims, "seqs", "new_tokens", "heads")
    state = _recurrence(variant) * heads * HEAD_WIDTH**2
    tokens = seqs * new_tokens
    return Work(
        flop=4.0 * tokens * state,
        hbm_bytes=tokens * _token_bytes(dims, variant) + seqs * state * _BF16,
    )


def _decode_work(dims: Dims, variant: str) -> Work:
    """Every sequence's state is read and written once, in 16 bits at least."""
    seqs, heads = columns(dims, "seqs", "heads")
    state = _recurrence(variant) * heads * HEAD_WIDTH**2
    moved = _token_bytes(dims, variant) + 2.0 * _BF16 * state
    return Work(flop=4.0 * seqs * state, hbm_bytes=seqs * moved)


def _compute(variant: str) -> str:
    return "bf16"


LINEAR_PREFILL = OpFamily(
    name="linear_prefill",
    kind="attention",
    dims=("seqs", "new_tokens", "heads", "conv_channels"),
    axes=(
        GridAxis(name="new_tokens", knots=_NEW_TOKENS),
        GridAxis(name="units", knots=_UNITS),
        GridAxis(name="channels_per_head", knots=_CHANNELS_PER_HEAD),
    ),
    coordinates=_prefill_coordinates,
    work=_prefill_work,
    compute=_compute,
    shape_dims=("heads", "conv_channels"),
    sizes_at=_prefill_sizes,
)

LINEAR_DECODE = OpFamily(
    name="linear_decode",
    kind="attention",
    dims=("seqs", "heads", "conv_channels"),
    axes=(
        GridAxis(name="units", knots=_DECODE_UNITS),
        GridAxis(name="channels_per_head", knots=_CHANNELS_PER_HEAD),
    ),
    coordinates=_decode_coordinates,
    work=_decode_work,
    compute=_compute,
    shape_dims=("heads", "conv_channels"),
    sizes_at=_decode_sizes,
)
