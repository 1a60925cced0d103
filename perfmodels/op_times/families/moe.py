"""Routed experts on one rank: grouping of tokens, both grouped products, weighted sum.

num_tokens counts the tokens of the whole expert-parallel group; the time is that of the busiest of
its `ep` ranks, each of which holds experts / ep experts, split over moe_tp ranks along the inner width.

A variant is "<format>[:<kind>]/<load>". Kind "ungated" has two matrices per expert instead of three;
other kinds, and "ungated_<kernel>", name the kernel where an engine has more than one for a format.
Load is how tokens spread over experts: balanced, or power_law_<exponent>.
"""

from collections.abc import Sequence

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.family import Dims, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

UNGATED = "ungated"
BALANCED = "balanced"
_SIZES = ("num_tokens", "hidden", "inter", "topk", "experts", "moe_tp", "ep")

_WEIGHTS = tuple(2.0**power for power in (15, 17.5, 20, 22.5, 25, 27.5, 30, 32.5, 35))
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)
_INNER = (32, 128, 512, 2048, 16384)
_RANKS = (1, 4, 32, 256)

# Share of the experts within reach that balanced measurements touch at least: routing in groups of
# experts (DeepSeek) reaches 0.58 of them where every expert could get a token.
_SPREAD = 0.5


def moe_variant(fmt: str, load: str, kind: str = "") -> str:
    """The variant of a format, a load distribution and, where it is not the usual one, a kind."""
    return f"{fmt}:{kind}/{load}" if kind else f"{fmt}/{load}"


def _parts(variant: str) -> tuple[str, str, str]:
    """Format, kind (may be empty), load."""
    weights, _, load = variant.partition("/")
    fmt, _, kind = weights.partition(":")
    return fmt, kind, load


def _slots(dims: Dims) -> tuple[FloatArray, FloatArray]:
    """Token-expert pairs on one rank on average, and how many experts they reach when spread evenly."""
    tokens, topk, experts, ep = columns(dims, "num_tokens", "topk", "experts", "ep")
    slots = tokens * topk / ep
    return slots, np.minimum(experts / ep, slots)


def _coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """Weights in use (memory), rows per expert in use (arithmetic), inner width (tiles), ranks.

    ranks stands for what grows with the group rather than the rank: grouping of all tokens, summing
    up, and how far the busiest rank is above the mean.
    """
    hidden, inter, moe_tp, ep = columns(dims, "hidden", "inter", "moe_tp", "ep")
    slots, reached = _slots(dims)
    used = np.maximum(reached, 1.0)  # the busiest rank has at least one expert to run
    inner = inter / moe_tp
    return used * hidden * inner, np.maximum(slots / used, 1.0), inner, ep


def _sizes_at(at: Sequence[FloatArray]) -> Dims:
    """As many experts as a hidden width of 4096 makes of the weights, one expert to a token."""
    weights, rows, inner, ranks = at
    used = np.maximum(weights / (4096.0 * inner), 1.0)
    one = np.ones_like(used)
    return {
        "num_tokens": rows * used * ranks, "hidden": weights / (used * inner), "inter": inner, "topk": one,
        "experts": used * ranks, "moe_tp": one, "ep": ranks,
    }  # fmt: skip


def _least_experts(dims: Dims, load: str) -> FloatArray:
    """Experts a rank reads at the very least.

    Any one token reaches topk different experts; its busiest rank holds the mean share of them or more.
    Spread evenly, many tokens reach more.
    """
    topk, experts, ep = columns(dims, "topk", "experts", "ep")
    _, reached = _slots(dims)
    of_one = np.minimum(np.minimum(topk, experts) / ep, reached)
    return np.maximum(of_one, _SPREAD * reached) if load == BALANCED else of_one


def _work(dims: Dims, variant: str) -> Work:
    """Every expert in use is read once, every token on the rank read and written once."""
    fmt, kind, load = _parts(variant)
    stored = dtype(fmt)
    hidden, inter, topk, moe_tp = columns(dims, "hidden", "inter", "topk", "moe_tp")
    experts, ep = columns(dims, "experts", "ep")
    slots, _ = _slots(dims)
    matrices = 2.0 if kind.startswith(UNGATED) else 3.0
    per_expert = matrices * hidden * inter / moe_tp
    tokens = slots / np.minimum(topk, experts / ep)
    read = _least_experts(dims, load) * per_expert * stored.bytes_per_element
    activations = tokens * hidden * (2.0 + min(2.0, stored.bytes_per_element))
    return Work(flop=2.0 * slots * per_expert, hbm_bytes=read + activations)


def _compute(variant: str) -> str:
    return dtype(_parts(variant)[0]).compute


MOE = OpFamily(
    name="moe",
    kind="moe",
    dims=_SIZES,
    axes=(
        GridAxis(name="weights", knots=_WEIGHTS),
        GridAxis(name="rows", knots=_ROWS),
        GridAxis(name="inner", knots=_INNER, monotone=False, beyond=0.0),
        GridAxis(name="ranks", knots=_RANKS, monotone=False, beyond=0.0),
    ),
    coordinates=_coordinates,
    work=_work,
    compute=_compute,
    shape_dims=("hidden", "inter", "topk", "experts", "moe_tp", "ep"),
    sizes_at=_sizes_at,
)
