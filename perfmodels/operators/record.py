"""The record of one operator's work, and the constructor of the commonest one."""

from dataclasses import dataclass, field

import numpy as np

from perfmodels.arrays import FloatLike
from perfmodels.model.dtypes import dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Work of one call on one GPU; a step calls it `count` times.

    family names an operator family (perfmodels.op_times.families), or work that has no table: elementwise
    (bytes over bandwidth) and p2p (one message from stage to stage).
    wire_bytes is the message a rank contributes; group_size how many ranks take part. fmt is the
    stored number format, which decides the peak rate. dims and variant are what the family's learned
    model asks for (perfmodels.op_times.families); without a variant a share of peak is taken. imbalance
    multiplies the time of the slowest rank then. beside names the operator it runs in parallel with.
    """

    name: str
    family: str
    count: int
    flop: FloatLike = 0.0
    hbm_bytes: FloatLike = 0.0
    wire_bytes: FloatLike = 0.0
    group_size: FloatLike = 1.0
    fmt: str = "bf16"
    dims: dict[str, FloatLike] = field(default_factory=dict)
    variant: str = ""
    imbalance: FloatLike = 1.0
    beside: str = ""


def gemm(name: str, count: int, rows: FloatLike, sizes: tuple[FloatLike, FloatLike], fmt: str) -> Operator:
    """A matrix product of [rows, K] by [K, N], sizes = (K, N), weights stored as `fmt`."""
    k, n = (np.asarray(value, dtype=np.float64) for value in sizes)
    m = np.asarray(rows, dtype=np.float64)
    weights = k * n * dtype(fmt).bytes_per_element
    activations = m * (k + n) * dtype("bf16").bytes_per_element
    return Operator(
        name=name,
        family="gemm",
        count=count,
        flop=2.0 * m * k * n,
        hbm_bytes=np.where(m > 0, weights + activations, 0.0),
        fmt=fmt,
        variant=dtype(fmt).name,
        dims={"m": m, "k": k, "n": n},
    )
