"""Hyper-connections of DeepSeek-V4: mixing the four residual streams around one block.

Variants: pre (streams to the block's input) and post (the block's output back to the streams).
Time is that of one site; a layer has two, around attention and around the feed-forward part.
"""

from perfmodels.arrays import FloatLike
from perfmodels.gridmodel import GridAxis
from perfmodels.opfamily import Dims, OpFamily, Work, columns

NUM_STREAMS = 4
_BF16 = 2.0
_ELEMENTS = tuple(4096 * 2**i for i in range(20))


def _coordinates(dims: Dims) -> tuple[FloatLike, ...]:
    """Elements of one stream: both kernels only stream through them."""
    num_tokens, hidden = columns(dims, "num_tokens", "hidden")
    return (num_tokens * hidden,)


def _work(dims: Dims, variant: str) -> Work:
    """pre reads the streams and writes one; post reads the streams and one, and writes the streams."""
    num_tokens, hidden = columns(dims, "num_tokens", "hidden")
    passes = NUM_STREAMS + 1 if variant == "pre" else 2 * NUM_STREAMS + 1
    return Work(hbm_bytes=num_tokens * hidden * _BF16 * passes)


def _compute(variant: str) -> str:
    return "bf16"


MHC = OpFamily(
    name="mhc",
    dims=("num_tokens", "hidden"),
    axes=(GridAxis(name="elements", knots=_ELEMENTS),),
    coordinates=_coordinates,
    work=_work,
    compute=_compute,
    shape_dims=("hidden",),
)
