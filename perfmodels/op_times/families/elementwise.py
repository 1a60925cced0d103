"""Work on activations alone: quantising them, mixing residual streams (DeepSeek-V4)."""

from collections.abc import Callable

import numpy as np

from perfmodels.arrays import FloatLike
from perfmodels.op_times.family import Columns, Dims, MeasuredFile, OpFamily, Work, columns
from perfmodels.op_times.grid import GridAxis

# --- Turning 16-bit activations of m rows and k columns into 8 bits before a matrix product.
# Variants: fp8/scale divides by a known scale; fp8/compute_scale is what finding the scale costs on top.
# Dynamic quantisation is the sum of both.


_ROWS = (1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
_WIDTHS = (32, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536)


def _coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    return columns(dims, "m", "k")


def _work(dims: Dims, variant: str) -> Work:
    """Two bytes in and one out; a scale found along the way may cost no traffic at all."""
    m, k = columns(dims, "m", "k")
    return Work(hbm_bytes=m * k * (3.0 if variant.endswith("/scale") else 0.0))


def _compute(variant: str) -> str:
    return "bf16"


_RESOLUTION_S = 1e-7  # compute_scale is a difference of two times: below this it is noise


def _rows(step: str, least_s: float) -> Callable[[Columns], Columns]:
    def rows(table: Columns) -> Columns:
        variant = np.asarray([f"{fmt}/{step}" for fmt in table["quant_dtype"]], dtype=object)
        time_s = np.maximum(table["latency"] * 1e-3, least_s)
        return {"variant": variant, "m": table["m"], "k": table["k"], "time_s": time_s}

    return rows


QUANTISE = OpFamily(
    name="quantise",
    kind="gemm",
    dims=("m", "k"),
    axes=(GridAxis(name="m", knots=_ROWS), GridAxis(name="k", knots=_WIDTHS)),
    coordinates=_coordinates,
    work=_work,
    compute=_compute,
    shape_dims=("k",),
    files=(
        MeasuredFile(file="scale_matrix_perf", rows=_rows("scale", 0.0)),
        MeasuredFile(file="computescale_perf", rows=_rows("compute_scale", _RESOLUTION_S)),
    ),
)


# --- Hyper-connections of DeepSeek-V4: mixing the four residual streams around one block.
# Variants: pre (streams to the block's input) and post (the block's output back to the streams).
# Time is that of one site; a layer has two, around attention and around the feed-forward part.


NUM_STREAMS = 4
_BF16 = 2.0
_ELEMENTS = tuple(4096 * 2**i for i in range(20))


def _mhc_coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """Elements of one stream: both kernels only stream through them."""
    num_tokens, hidden = columns(dims, "num_tokens", "hidden")
    return (num_tokens * hidden,)


def _mhc_work(dims: Dims, variant: str) -> Work:
    """pre reads the streams and writes one; post reads the streams and one, and writes the streams."""
    num_tokens, hidden = columns(dims, "num_tokens", "hidden")
    passes = NUM_STREAMS + 1 if variant == "pre" else 2 * NUM_STREAMS + 1
    return Work(hbm_bytes=num_tokens * hidden * _BF16 * passes)


def _mhc_rows(table: Columns) -> Columns:
    """Rows count every site of a layer: at one site, memory would run at half the rate of like kernels."""
    return {
        "variant": table["op_name"],
        "num_tokens": table["num_tokens"],
        "hidden": table["hidden_size"],
        "time_s": table["latency"] * 1e-3 / table["num_sites"],
    }


MHC = OpFamily(
    name="mhc",
    kind="elementwise",
    dims=("num_tokens", "hidden"),
    axes=(GridAxis(name="elements", knots=_ELEMENTS),),
    coordinates=_mhc_coordinates,
    work=_mhc_work,
    compute=_compute,
    shape_dims=("hidden",),
    files=(MeasuredFile(file="mhc_module_perf", rows=_mhc_rows),),
)
