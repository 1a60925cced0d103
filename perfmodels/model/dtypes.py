"""Number formats: bytes per stored element and the arithmetic unit that multiplies them."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class DType:
    """One storage format.

    bytes_per_element includes the block scales that travel with the weights
    (MX formats: one byte per 32 elements; NVFP4: one per 16; fp8_block: one float32 per 128x128).
    compute names the peak of a Device that applies when the hardware has native support.
    """

    name: str
    bytes_per_element: float
    compute: str


_TABLE = (
    DType(name="fp32", bytes_per_element=4.0, compute="tf32"),
    DType(name="bf16", bytes_per_element=2.0, compute="bf16"),
    DType(name="fp16", bytes_per_element=2.0, compute="fp16"),
    DType(name="fp8", bytes_per_element=1.0, compute="fp8"),
    DType(name="fp8_block", bytes_per_element=1.0 + 4 / (128 * 128), compute="fp8"),
    DType(name="mxfp8", bytes_per_element=1.0 + 1 / 32, compute="fp8"),
    DType(name="int8", bytes_per_element=1.0, compute="int8"),
    DType(name="int8_wo", bytes_per_element=1.0 + 3 / 128, compute="bf16"),  # scales and zero points
    DType(name="int4_wo", bytes_per_element=0.5 + 2 / 128, compute="bf16"),
    DType(name="w4a8", bytes_per_element=0.5 + 2 / 128, compute="fp8"),
    DType(name="nvfp4", bytes_per_element=0.5 + 1 / 16, compute="fp4"),
    DType(name="mxfp4", bytes_per_element=0.5 + 1 / 32, compute="fp4"),
    DType(name="mxfp4_mxfp8", bytes_per_element=0.5 + 1 / 32, compute="fp8"),
)

DTYPES = MappingProxyType({entry.name: entry for entry in _TABLE})

_ALIASES = MappingProxyType({
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32",
    "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "float8_e4m3fn": "fp8", "fp8_static": "fp8",
    "fp8_blockwise": "fp8_block", "fp4": "nvfp4", "int4": "int4_wo", "w4a16": "int4_wo",
    "w8a16": "int8_wo", "w8a8": "int8", "awq": "int4_wo", "gptq": "int4_wo",
    "w4a16_mxfp4": "mxfp4", "w4afp8": "w4a8", "w4a8_mxfp4_mxfp8": "mxfp4_mxfp8",
})  # fmt: skip


# Weights in 8-bit floating point; "fp8" alone may mean any of them, which the checkpoint then says.
FP8_WEIGHTS = frozenset({"fp8", "fp8_block", "mxfp8"})


def dtype(name: str) -> DType:
    """The format called `name`, aliases included (`bfloat16`, `fp8_e4m3`, `awq`, ...).

    Raises KeyError with the known names when there is none.
    """
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    if key not in DTYPES:
        raise KeyError(f"unknown number format {name!r}; known: {', '.join(DTYPES)}")
    return DTYPES[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Which format each part of a model is stored in."""

    gemm: str = "bf16"  # attention projections, dense feed-forward, shared experts
    moe: str = "bf16"  # routed experts
    kv: str = "bf16"  # KV cache
    other: str = "bf16"  # embeddings, head, router, norms, activations

    def __post_init__(self) -> None:
        for field in ("gemm", "moe", "kv", "other"):
            object.__setattr__(self, field, dtype(getattr(self, field)).name)
