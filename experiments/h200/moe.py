"""Mixture of experts: our grouped product with gather, torch's own without, the sorting, the whole layer."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from cases import Call, Case, Settings
from layers import MIXTURE
from ops import kernels_for
from routing import align, random_choices
from torch import Tensor

TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
ROUTINGS = 8  # different choices in rotation: at one token they touch 8 experts each


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The layer measured."""

    experts: int
    topk: int
    hidden: int
    inter: int

    def columns(self, tokens: int) -> dict[str, float]:
        """The sizes as columns of the table."""
        return {
            "num_tokens": tokens,
            "hidden": self.hidden,
            "inter": self.inter,
            "topk": self.topk,
            "experts": self.experts,
        }


Weights = Callable[[], tuple[Tensor, Tensor]]


def _weights(sizes: Sizes, device: str) -> Weights:
    """(gate and up (experts, 2 inter, hidden), down (experts, hidden, inter)), made at the first use."""

    @functools.cache
    def made() -> tuple[Tensor, Tensor]:
        wide = (sizes.experts, 2 * sizes.inter, sizes.hidden)
        narrow = (sizes.experts, sizes.hidden, sizes.inter)
        gate_up = torch.randn(wide, device=device, dtype=torch.bfloat16) * 0.02
        return gate_up, torch.randn(narrow, device=device, dtype=torch.bfloat16) * 0.02

    return made


def _choices(settings: Settings, sizes: Sizes, tokens: int) -> list[Tensor]:
    return [random_choices(tokens, sizes.experts, sizes.topk, settings.device) for _ in range(ROUTINGS)]


def _rows_in(settings: Settings, rows: int, width: int) -> Tensor:
    return torch.randn(rows, width, device=settings.device, dtype=torch.bfloat16)


def _product_call(
    settings: Settings, sizes: Sizes, weights: Weights, tokens: int, down: bool, option: int
) -> Call:
    """One grouped product over choices sorted beforehand; down starts from one row per choice."""
    kernels = kernels_for(settings.device)
    matrix = weights()[int(down)]
    rows = tokens * sizes.topk if down else tokens
    a = _rows_in(settings, rows, sizes.inter if down else sizes.hidden)
    choices = _choices(settings, sizes, tokens)
    scale = torch.rand(tokens, sizes.topk, device=settings.device) if down else None
    if not hasattr(kernels, "moe_gemm_aligned"):
        return lambda index: kernels.moe_gemm(a, matrix, choices[index % ROUTINGS], scale)
    tiles = kernels.candidate_tiles(tokens * sizes.topk / sizes.experts)[option]
    aligned = [align(chosen, sizes.experts, tiles.block_m) for chosen in choices]
    slots = tokens * sizes.topk
    return lambda index: kernels.moe_gemm_aligned(a, matrix, aligned[index % ROUTINGS], slots, tiles, scale)


def _torch_call(settings: Settings, sizes: Sizes, weights: Weights, tokens: int, down: bool) -> Call:
    """torch._grouped_mm over rows gathered beforehand."""
    matrix = weights()[int(down)].transpose(1, 2)
    a = _rows_in(settings, tokens * sizes.topk, matrix.shape[1])
    ends = []
    for chosen in _choices(settings, sizes, tokens):
        counts = torch.bincount(chosen.flatten(), minlength=sizes.experts)
        ends.append(counts.cumsum(0).int())
    return lambda index: torch._grouped_mm(a, matrix, offs=ends[index % ROUTINGS])


def _expert_layer(sizes: Sizes, gate_up: Tensor, down: Tensor, option: int) -> Callable[..., Tensor]:
    """(x, chosen, scale) -> one row per choice: sorts once, multiplies twice."""
    kernels = kernels_for(gate_up.device.type)

    def apply(x: Tensor, chosen: Tensor, scale: Tensor) -> Tensor:
        if not hasattr(kernels, "moe_gemm_aligned"):
            return kernels.moe_gemm(
                kernels.silu_mul(kernels.moe_gemm(x, gate_up, chosen)), down, chosen, scale
            )
        slots = chosen.numel()
        tiles = kernels.candidate_tiles(slots / sizes.experts)[option]
        aligned = align(chosen, sizes.experts, tiles.block_m)
        wide = kernels.moe_gemm_aligned(x, gate_up, aligned, slots, tiles)
        return kernels.moe_gemm_aligned(kernels.silu_mul(wide), down, aligned, slots, tiles, scale)

    return apply


def _layer_call(settings: Settings, sizes: Sizes, weights: Weights, tokens: int, option: int) -> Call:
    """Routing, both products, activation and sum: all that follows the router's logits."""
    apply = _expert_layer(sizes, *weights(), option)
    x = _rows_in(settings, tokens, sizes.hidden)
    logits = [torch.randn(tokens, sizes.experts, device=settings.device) for _ in range(ROUTINGS)]

    def call(index: int) -> Any:
        scale, chosen = logits[index % ROUTINGS].softmax(-1).topk(sizes.topk, dim=-1)
        return apply(x, chosen, scale).view(tokens, sizes.topk, sizes.hidden).sum(1)

    return call


def _align_call(settings: Settings, sizes: Sizes, tokens: int) -> Call:
    choices = _choices(settings, sizes, tokens)
    return lambda index: align(choices[index % ROUTINGS], sizes.experts, 16)


def _sizes(settings: Settings) -> Sizes:
    if settings.quick:
        return Sizes(experts=4, topk=2, hidden=128, inter=128)
    return Sizes(experts=MIXTURE.experts, topk=MIXTURE.topk, hidden=MIXTURE.hidden, inter=MIXTURE.inter)


def moe_cases(settings: Settings) -> Iterator[Case]:
    """Qwen3-30B-A3B's expert layers; choices are random, so the load on the experts is nearly even."""
    sizes = _sizes(settings)
    weights = _weights(sizes, settings.device)
    label = kernels_for(settings.device).LABEL
    for tokens in settings.pick(TOKENS, (1, 8)):
        case = partial(Case, family="moe", sizes=sizes.columns(tokens))
        for name, down in (("gate_up", False), ("down", True)):
            for option in (0, 1):
                make = partial(_product_call, settings, sizes, weights, tokens, down, option)
                note = f"bf16; {label}, gather included, sorting not; tile choice {option}, use the faster"
                yield case(name=name, variant=f"triton_grouped_{option}", make=make, note=note)
            if settings.on_gpu:
                make = partial(_torch_call, settings, sizes, weights, tokens, down)
                note = "bf16; torch._grouped_mm, rows gathered beforehand"
                yield case(name=name, variant="torch_grouped", make=make, note=note)
        for option in (0, 1):
            make = partial(_layer_call, settings, sizes, weights, tokens, option)
            note = f"bf16; {label}; all after the router; tile choice {option}, use the faster"
            yield case(name="layer", variant=f"triton_grouped_{option}", make=make, note=note)
        sort = partial(_align_call, settings, sizes, tokens)
        yield case(name="sort_slots", variant="torch", make=sort, note="several torch kernels")
