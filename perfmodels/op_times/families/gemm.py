"""Dense matrix products: m rows, k inputs, n outputs; variant is the format of the weights."""

from collections.abc import Sequence

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.family import Columns, Dims, MeasuredFile, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

_ROWS = (
    1, 2, 4, 8, 16, 32, 48, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512, 768, 1024, 1536, 2048,
    3072, 4096, 8192, 16384, 32768,
)  # fmt: skip
_WIDTHS = (
    32, 64, 128, 256, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768, 65536,
)  # fmt: skip


def _coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "m", "n", "k")


def _work(dims: Dims, variant: str) -> Work:
    """Weights and inputs are read once, outputs written once; activations in 16 bits at the edges."""
    m, n, k = columns(dims, "m", "n", "k")
    fmt = dtype(variant)
    inputs = 2.0 if fmt.compute == "bf16" else min(2.0, np.ceil(fmt.bytes_per_element * 2) / 2)
    moved = n * k * fmt.bytes_per_element + m * k * inputs + 2.0 * m * n
    return Work(flop=2.0 * m * n * k, hbm_bytes=moved)


def _sizes_at(at: Sequence[FloatArray]) -> Dims:
    m, n, k = at
    return {"m": m, "n": n, "k": k}


def _compute(variant: str) -> str:
    return dtype(variant).compute


def _rows(table: Columns) -> Columns:
    return {"variant": table["gemm_dtype"], "m": table["m"], "n": table["n"], "k": table["k"]}


GEMM = OpFamily(
    name="gemm",
    kind="gemm",
    dims=("m", "n", "k"),
    axes=(
        GridAxis(name="m", knots=_ROWS),
        GridAxis(name="n", knots=_WIDTHS),
        GridAxis(name="k", knots=_WIDTHS),
    ),
    coordinates=_coordinates,
    work=_work,
    compute=_compute,
    shape_dims=("n", "k"),
    host_floor_s=10e-6,  # the shortest products take 2-5 us; TensorRT-LLM's FP8 table starts at 12
    files=(MeasuredFile(file="gemm_perf", rows=_rows),),
    sizes_at=_sizes_at,
)
