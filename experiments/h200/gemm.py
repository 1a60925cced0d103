"""Dense matrix products in bf16 and fp8: weights cold, inputs as the layer before left them (warm)."""

import functools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from cases import Call, Case, Settings
from layers import Product, distinct_products
from timing import rotation
from torch import Tensor

ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
HEAD_ROWS = 512  # the output head sees one row per sequence
EAGER_ROWS = (1, 64, 1024)
EAGER_SHAPES = 4
FP8_VARIANTS = ("fp8_rowwise", "fp8")
Weights = Callable[[], list[Tensor]]


def _random_fp8(rows: int, cols: int, device: str) -> Tensor:
    return torch.randn(rows, cols, device=device, dtype=torch.bfloat16).to(torch.float8_e4m3fn)


def _weights(product: Product, device: str, fp8: bool) -> Weights:
    """Enough copies of the weights (n, k) to be cold at each use, made at the first one."""
    sets = rotation(product.n * product.k * (1 if fp8 else 2)) if device == "cuda" else 1

    @functools.cache
    def made() -> list[Tensor]:
        if fp8:
            return [_random_fp8(product.n, product.k, device) for _ in range(sets)]
        shape = (product.n, product.k)
        return [torch.randn(shape, device=device, dtype=torch.bfloat16) * 0.02 for _ in range(sets)]

    return made


def _bf16_call(weights: Weights, m: int, k: int, device: str) -> Call:
    sets = weights()
    x = torch.randn(m, k, device=device, dtype=torch.bfloat16)
    return lambda index: torch.nn.functional.linear(x, sets[index % len(sets)])


def _fp8_call(weights: Weights, m: int, k: int, device: str, variant: str) -> Call:
    """torch._scaled_mm: inputs in fp8 already; one scale per tensor, or per row and column."""
    sets = weights()
    x = _random_fp8(m, k, device)
    rowwise = variant == "fp8_rowwise"
    scale_x = torch.full((m, 1) if rowwise else (), 0.5, device=device)
    scale_w = torch.full((1, sets[0].shape[0]) if rowwise else (), 0.5, device=device)

    def call(index: int) -> Any:
        return torch._scaled_mm(
            x,
            sets[index % len(sets)].t(),
            scale_a=scale_x,
            scale_b=scale_w,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )

    return call


def _rows(product: Product, settings: Settings) -> Iterator[int]:
    for m in settings.pick(ROWS, (1, 16)):
        if product.name != "lm_head" or m <= HEAD_ROWS:
            yield m


def _products(settings: Settings) -> list[Product]:
    if settings.quick:
        return [Product(name="qkv", origin="rehearsal", n=64, k=32), Product(name="o", origin="", n=32, k=32)]
    return distinct_products()


def bf16_cases(settings: Settings) -> Iterator[Case]:
    """torch.nn.functional.linear in bf16 (cuBLAS), a few also eagerly."""
    for order, product in enumerate(_products(settings)):
        weights = _weights(product, settings.device, fp8=False)
        for m in _rows(product, settings):
            eager = order < EAGER_SHAPES and m in EAGER_ROWS
            yield Case(
                family="gemm",
                name=product.name,
                variant="bf16",
                sizes={"m": m, "n": product.n, "k": product.k},
                make=partial(_bf16_call, weights, m, product.k, settings.device),
                modes=("graph", "eager") if eager else ("graph",),
                note=f"{product.origin}; weights cold",
            )


def fp8_cases(settings: Settings) -> Iterator[Case]:
    """torch._scaled_mm in fp8 e4m3 with bf16 results; making the inputs fp8 is not counted."""
    for product in _products(settings):
        if product.name in ("router", "lm_head"):
            continue  # engines keep these in bf16
        weights = _weights(product, settings.device, fp8=True)
        for variant in FP8_VARIANTS if settings.on_gpu else ("fp8",):  # a CPU has no row-wise form
            for m in _rows(product, settings):
                yield Case(
                    family="gemm",
                    name=product.name,
                    variant=variant,
                    sizes={"m": m, "n": product.n, "k": product.k},
                    make=partial(_fp8_call, weights, m, product.k, settings.device, variant),
                    note=f"{product.origin}; weights cold; inputs in fp8 already",
                )
