"""Collectives and expert-parallel exchange: time by message size and number of ranks.

message_bytes is the largest buffer of the call on one GPU: the vector summed (all_reduce), what is there
after gathering (all_gather) or before scattering (reduce_scatter), all that one rank hands out
(all_to_all). tokens are those of one rank, before dispatch.
"""

from collections.abc import Callable, Sequence

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis
from perfmodels.op_times.link import least_share

_MESSAGES = tuple(float(1 << power) for power in range(8, 31))
_GROUPS = (2, 4, 8, 16, 32, 64, 72)
_TOKENS = (
    1, 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072,
)  # fmt: skip
_FANOUT = (1024, 4096, 8192, 12288, 16384, 24576, 32768, 49152, 65536, 98304)  # elements a token
_EP = (2, 4, 8, 16, 32, 64)
_EXPERTS = (64, 128, 256, 512)
_LOW_LATENCY_FANOUT = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
_LOW_LATENCY_TOKENS = (1, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# DeepEP's low-latency dispatch gives every expert a block: fewer experts than this leave SMs idle.
_EXPERTS_TO_FILL = 80.0
_EXCHANGE_DIMS = ("tokens", "hidden", "topk", "experts", "ep")
# Copies of a token are counted among as many ranks whatever ep is, so that ep has an axis of its own.
_REFERENCE_RANKS = 8.0
# Least bytes of one element on the wire, by format; what is not listed counts as the smallest.
_WIRE_BYTES = {"bf16": 2.0, "fp8": 1.0, "nvfp4": 0.5}


def copies_per_token(topk: FloatLike, ranks: float = _REFERENCE_RANKS) -> FloatArray:
    """Ranks one token is sent to on average, its own included, if its experts are drawn evenly."""
    reached: FloatArray = ranks * (1.0 - (1.0 - 1.0 / ranks) ** np.asarray(topk, dtype=np.float64))
    return reached


def _message(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "message_bytes", "group")


def _exchange(dims: Dims) -> tuple[FloatLike, ...]:
    """Tokens, elements sent for one of them (a copy per rank), ranks."""
    tokens, hidden, topk, ep = columns(dims, "tokens", "hidden", "topk", "ep")
    return tokens, hidden * copies_per_token(topk), ep


def _low_latency_combine(dims: Dims) -> tuple[FloatLike, ...]:
    """Tokens, elements sent for one of them (a copy per expert), experts to poll, ranks."""
    tokens, hidden, topk, experts, ep = columns(dims, *_EXCHANGE_DIMS)
    return tokens, hidden * topk, experts, ep


def _low_latency_dispatch(dims: Dims) -> tuple[FloatLike, ...]:
    """As for combine, more where too few experts leave SMs without work."""
    tokens, fanout, experts, ep = _low_latency_combine(dims)
    return tokens, fanout * np.maximum(1.0, _EXPERTS_TO_FILL / np.asarray(experts)), experts, ep


def _message_sizes(at: Sequence[FloatArray]) -> Dims:
    message, group = at
    return {"message_bytes": message, "group": group}


def _message_work(operation: str) -> Callable[[Dims, str], Work]:
    def work(dims: Dims, variant: str) -> Work:
        """What must enter each GPU even if switches add up on the way; HBM holds the buffer once."""
        message, group = columns(dims, "message_bytes", "group")
        return Work(wire_bytes=least_share(operation, group) * message)

    return work


def _exchange_work(dims: Dims, variant: str) -> Work:
    """With evenly loaded experts, and each token's on as few ranks as can hold them, in one copy each."""
    tokens, hidden, topk, experts, ep = columns(dims, *_EXCHANGE_DIMS)
    copies = np.maximum(1.0, topk * ep / experts)
    element = _WIRE_BYTES.get(variant.rpartition(":")[2], min(_WIRE_BYTES.values()))
    return Work(wire_bytes=tokens * hidden * element * copies * (1.0 - 1.0 / ep))


def _no_product(variant: str) -> str:
    return "bf16"


def _message_family(name: str, *, rises_with_group: bool = True) -> OpFamily:
    group = GridAxis(name="group", knots=_GROUPS, monotone=rises_with_group, beyond=0.3)
    return OpFamily(
        name=name,
        kind="comm",
        dims=("message_bytes", "group"),
        axes=(GridAxis(name="message_bytes", knots=_MESSAGES), group),
        coordinates=_message,
        work=_message_work(name),
        compute=_no_product,
        shape_dims=("message_bytes",),
        sizes_at=_message_sizes,
        host_floor_s=30e-6,  # oneCCL and NCCL over many ranks start as slowly inside a graph
    )


def _exchange_family(name: str) -> OpFamily:
    ranks = GridAxis(name="ep", knots=_EP, monotone=False, beyond=0.2)
    axes = (GridAxis(name="tokens", knots=_TOKENS), GridAxis(name="fanout", knots=_FANOUT), ranks)
    return _family(name, axes, _exchange)


def _low_latency_family(name: str, coordinates: Callable[[Dims], tuple[FloatLike, ...]]) -> OpFamily:
    axes = (
        GridAxis(name="tokens", knots=_LOW_LATENCY_TOKENS),
        GridAxis(name="fanout", knots=_LOW_LATENCY_FANOUT),
        GridAxis(name="experts", knots=_EXPERTS, monotone=False, beyond=0.3),
        GridAxis(name="ep", knots=_EP, monotone=False, beyond=0.2),
    )
    return _family(name, axes, coordinates)


def _family(
    name: str, axes: tuple[GridAxis, ...], coordinates: Callable[[Dims], tuple[FloatLike, ...]]
) -> OpFamily:
    return OpFamily(
        name=name,
        kind="comm",
        dims=_EXCHANGE_DIMS,
        axes=axes,
        coordinates=coordinates,
        work=_exchange_work,
        compute=_no_product,
        shape_dims=("hidden", "topk", "experts"),
    )


# Eight GPUs may sum faster than four: switches add up only where the whole group hangs on them.
ALL_REDUCE = _message_family("all_reduce", rises_with_group=False)
ALL_GATHER = _message_family("all_gather")
REDUCE_SCATTER = _message_family("reduce_scatter")
ALL_TO_ALL = _message_family("all_to_all")
EP_DISPATCH = _exchange_family("ep_dispatch")
EP_COMBINE = _exchange_family("ep_combine")
# Kernels for decode steps, which send a copy per expert and can run inside a CUDA graph.
EP_DISPATCH_LL = _low_latency_family("ep_dispatch_ll", _low_latency_dispatch)
EP_COMBINE_LL = _low_latency_family("ep_combine_ll", _low_latency_combine)
