"""Do our kernels compute what the plain torch forms compute? One row per kernel and size, no times."""

from collections.abc import Callable, Iterator
from functools import partial

import reference
import torch
from cases import Case, Settings
from elementwise import rope_table
from ops import kernels_for
from routing import random_choices
from torch import Tensor

Findings = dict[str, str]


def _compare(found: Tensor, wanted: Tensor) -> Findings:
    """The largest error over the largest value, and the norm of the error over the norm."""
    gap = found.double() - wanted.double()
    largest = float(gap.abs().max() / wanted.double().abs().max())
    norm = float(gap.norm() / wanted.double().norm())
    return {"max_rel_error": f"{largest:.2e}", "norm_rel_error": f"{norm:.2e}"}


def _random(settings: Settings, *shape: int) -> Tensor:
    """In bf16 as measured; in fp16 on a CPU, where Triton's interpreter multiplies bf16 wrongly."""
    dtype = torch.bfloat16 if settings.on_gpu else torch.float16
    return torch.randn(*shape, device=settings.device, dtype=dtype)


def _norm(settings: Settings, tokens: int, hidden: int) -> Findings:
    args = _random(settings, tokens, hidden), _random(settings, tokens, hidden), _random(settings, hidden)
    found, wanted = kernels_for(settings.device).rms_norm(*args), reference.rms_norm(*args)
    return _compare(torch.cat(found), torch.cat(wanted))


def _silu(settings: Settings, tokens: int, inter: int) -> Findings:
    x = _random(settings, tokens, 2 * inter)
    return _compare(kernels_for(settings.device).silu_mul(x), reference.silu_mul(x))


def _rope(settings: Settings, tokens: int, heads: int) -> Findings:
    x, table = _random(settings, tokens, heads, 128), rope_table(settings, 300)
    positions = torch.randint(0, 300, (tokens,), device=settings.device)
    wanted = reference.rope(x.clone(), table, positions)
    return _compare(kernels_for(settings.device).rope(x, table, positions), wanted)


def _decode(settings: Settings, heads: int, kv_heads: int, longest: int) -> Findings:
    """Sequences of different lengths, down to one key."""
    seqs, page = 5, 16
    pages_each = -(-longest // page)
    shape = (seqs * pages_each + 3, page, kv_heads, 128)
    cache_k, cache_v = _random(settings, *shape), _random(settings, *shape)
    order = torch.randperm(shape[0], device=settings.device, dtype=torch.int32)
    pages = order[: seqs * pages_each].view(seqs, pages_each)
    lengths = torch.tensor([longest, longest - 1, longest // 2 + 1, 17, 1], dtype=torch.int32)
    args = (_random(settings, seqs, heads, 128), cache_k, cache_v, pages, lengths.to(settings.device))
    return _compare(kernels_for(settings.device).paged_decode(*args), reference.paged_decode(*args))


def _moe(settings: Settings, tokens: int, experts: int, sizes: tuple[int, int], scaled: bool) -> Findings:
    """Every tile that may be timed at this number of rows; the worst is reported."""
    kernels, (n, k), topk = kernels_for(settings.device), sizes, 2
    weights = _random(settings, experts, n, k) * 0.1
    chosen = random_choices(tokens, experts, topk, settings.device)
    a = _random(settings, tokens * topk if scaled else tokens, k)
    scale = torch.rand(tokens, topk, device=settings.device) if scaled else None
    wanted = reference.moe_gemm(a, weights, chosen, scale)
    if not hasattr(kernels, "moe_gemm_aligned"):
        return _compare(kernels.moe_gemm(a, weights, chosen, scale), wanted)
    found = []
    for tiles in kernels.candidate_tiles(chosen.numel() / experts):
        aligned = kernels.align(chosen, experts, tiles.block_m)
        out = kernels.moe_gemm_aligned(a, weights, aligned, chosen.numel(), tiles, scale)
        found.append(_compare(out, wanted))
    return max(found, key=lambda entry: float(entry["max_rel_error"]))


def check_cases(settings: Settings) -> Iterator[Case]:
    """Sizes that do not fit the tiles, so that the masks are exercised too."""
    kernels = kernels_for(settings.device)
    long = settings.pick(5000, 600)
    checks: list[tuple[str, str, Callable[[Settings], Findings]]] = [
        ("add_rms_norm", "7x5120", partial(_norm, tokens=7, hidden=5120)),
        ("silu_mul", "5x1500", partial(_silu, tokens=5, inter=1500)),
        ("rope", "9x40", partial(_rope, tokens=9, heads=40)),
        ("paged_decode", "32/8 heads", partial(_decode, heads=32, kv_heads=8, longest=long)),
        ("paged_decode", "8/2 heads", partial(_decode, heads=8, kv_heads=2, longest=130)),
        ("paged_decode", "20/1 heads", partial(_decode, heads=20, kv_heads=1, longest=300)),
    ]
    for tokens, experts in settings.pick(((3, 16), (77, 8), (600, 4)), ((3, 16), (77, 8), (270, 4))):
        for scaled in (False, True):
            check = partial(_moe, tokens=tokens, experts=experts, sizes=(200, 256), scaled=scaled)
            checks.append(("moe_gemm", f"{tokens} tokens, {experts} experts, scaled {scaled}", check))
    for name, variant, check in checks:
        make = partial(check, settings)
        yield Case(family="check", name=name, variant=variant, make=make, modes=(), note=kernels.LABEL)
