"""Turning 16-bit activations of m rows and k columns into 8 bits before a matrix product.

Variants: fp8/scale divides by a known scale; fp8/compute_scale is what finding the scale costs on top.
Dynamic quantisation is the sum of both.
"""

from perfmodels.arrays import FloatLike
from perfmodels.gridmodel import GridAxis
from perfmodels.opfamily import Dims, OpFamily, Work, columns

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


QUANTISE = OpFamily(
    name="quantise",
    dims=("m", "k"),
    axes=(GridAxis(name="m", knots=_ROWS), GridAxis(name="k", knots=_WIDTHS)),
    coordinates=_coordinates,
    work=_work,
    compute=_compute,
    shape_dims=("k",),
)
