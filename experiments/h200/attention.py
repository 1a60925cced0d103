"""Attention of prompts (torch's flash and cuDNN kernels) and of single new tokens over a paged cache."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from cases import Call, Case, Settings
from ops import kernels_for
from timing import rotation
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right

HEAD_DIM = 128
PAGE = 16
PREFILL_HEADS = ((32, 8), (64, 8), (32, 4), (16, 8), (8, 2), (16, 2))
CUDNN_HEADS = ((32, 8), (64, 8))
PROMPTS = (
    *((1, new, 0) for new in (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)),
    *((16, 128, 0), (4, 512, 0), (16, 1024, 0), (4, 2048, 0)),
    *((1, 512, 3584), (1, 2048, 6144), (1, 2048, 14336), (1, 512, 32256)),  # chunks after cached keys
)
DECODE_HEADS = ((32, 8), (64, 8), (32, 4), (16, 8), (8, 2), (16, 2))
SEQS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
KEYS = (128, 512, 1024, 2048, 4096, 8192, 32768)
CACHE_BYTES = 12 << 30


def _backend(settings: Settings, variant: str) -> Any:
    if not settings.on_gpu:
        return contextlib.nullcontext()
    return sdpa_kernel(SDPBackend.CUDNN_ATTENTION if variant == "cudnn" else SDPBackend.FLASH_ATTENTION)


def _prefill_call(
    settings: Settings, variant: str, prompt: tuple[int, int, int], heads: int, kv_heads: int
) -> Call:
    """Laid out as a projection leaves it: (tokens, heads, head_dim), seen as (heads, tokens, head_dim)."""
    prompts, new, cached = prompt

    def tensor(tokens: int, count: int) -> Tensor:
        shape = (prompts, tokens, count, HEAD_DIM)
        return torch.randn(shape, device=settings.device, dtype=torch.bfloat16).transpose(1, 2)

    q, k, v = tensor(new, heads), tensor(new + cached, kv_heads), tensor(new + cached, kv_heads)
    mask = causal_lower_right(new, new + cached) if cached else None
    attend = partial(torch.nn.functional.scaled_dot_product_attention, q, k, v, enable_gqa=True)

    def call(_: int) -> Any:
        with _backend(settings, variant):
            return attend(attn_mask=mask) if cached else attend(is_causal=True)

    return call


def prefill_cases(settings: Settings) -> Iterator[Case]:
    """Causal attention of new tokens to themselves and to cached keys; keys_per_query is the mean."""
    for heads, kv_heads in settings.pick(PREFILL_HEADS, ((4, 2),)):
        for prompt in settings.pick(PROMPTS, ((1, 16, 0), (2, 8, 8))):
            prompts, new, cached = prompt
            whole = prompts == 1 and not cached and (heads, kv_heads) in CUDNN_HEADS
            for variant in ("flash2", "cudnn") if whole else ("flash2",):
                yield Case(
                    family="attention_prefill",
                    name="sdpa_causal",
                    variant=variant,
                    sizes={
                        "prompts": prompts,
                        "new_tokens": new,
                        "keys_per_query": cached + (new + 1) / 2,
                        "keys": new + cached,
                        "heads": heads,
                        "kv_heads": kv_heads,
                        "head_dim": HEAD_DIM,
                    },
                    make=partial(_prefill_call, settings, variant, prompt, heads, kv_heads),
                    note="bf16; torch SDPA",
                )


Cache = Callable[[], tuple[Tensor, Tensor]]


def _cache(kv_heads: int, settings: Settings) -> Cache:
    """Keys and values of all sequences, (pages, page, kv_heads, head_dim) each, made at the first use."""
    per_page = PAGE * kv_heads * HEAD_DIM * 2
    pages = settings.pick(CACHE_BYTES // 2 // per_page, 64)

    @functools.cache
    def made() -> tuple[Tensor, Tensor]:
        shape = (pages, PAGE, kv_heads, HEAD_DIM)
        keys = torch.randn(shape, device=settings.device, dtype=torch.bfloat16)
        return keys, torch.randn(shape, device=settings.device, dtype=torch.bfloat16)

    return made


def _cold_sets(cache: Tensor, seqs: int, pages_each: int) -> int:
    """How many disjoint batches of sequences to rotate among: cold, and no more than the cache holds."""
    bytes_each = 2.0 * seqs * pages_each * cache[0].numel() * cache.element_size()
    return max(1, min(rotation(bytes_each), cache.shape[0] // (seqs * pages_each)))


def _paged_call(settings: Settings, cache: Cache, seqs: int, keys: int, heads: int) -> Call:
    cache_k, cache_v = cache()
    pages_each = -(-keys // PAGE)
    sets = _cold_sets(cache_k, seqs, pages_each)
    shuffled = torch.randperm(cache_k.shape[0], device=settings.device, dtype=torch.int32)
    tables = shuffled[: sets * seqs * pages_each].view(sets, seqs, pages_each)
    lengths = torch.full((seqs,), keys, device=settings.device, dtype=torch.int32)
    q = torch.randn(seqs, heads, HEAD_DIM, device=settings.device, dtype=torch.bfloat16)
    decode = kernels_for(settings.device).paged_decode
    return lambda index: decode(q, cache_k, cache_v, tables[index % sets], lengths)


def _contiguous_call(settings: Settings, cache: Cache, seqs: int, keys: int, heads: int) -> Call:
    """torch SDPA over keys side by side: what the same work costs without pages."""
    cache_k, cache_v = cache()
    kv_heads = cache_k.shape[2]
    sets = _cold_sets(cache_k, seqs, -(-keys // PAGE))

    def views(stored: Tensor) -> Tensor:
        flat = stored.flatten(0, 1)[: sets * seqs * keys]
        return flat.view(sets, seqs, keys, kv_heads, HEAD_DIM).transpose(2, 3)

    all_k, all_v = views(cache_k), views(cache_v)
    q = torch.randn(seqs, heads, 1, HEAD_DIM, device=settings.device, dtype=torch.bfloat16)
    attend = torch.nn.functional.scaled_dot_product_attention

    def call(index: int) -> Any:
        with _backend(settings, "flash2"):
            return attend(q, all_k[index % sets], all_v[index % sets], enable_gqa=True)

    return call


def decode_cases(settings: Settings) -> Iterator[Case]:
    """One new token per sequence, all sequences of one length, keys cold in the L2 cache."""
    label = kernels_for(settings.device).LABEL
    kinds = (
        ("triton_split_paged16", _paged_call, f"{label}, pages of {PAGE} at random"),
        ("sdpa_flash2_contiguous", _contiguous_call, "torch SDPA, keys not paged"),
    )
    for heads, kv_heads in settings.pick(DECODE_HEADS, ((4, 2),)):
        cache = _cache(kv_heads, settings)
        for seqs in settings.pick(SEQS, (1, 2)):
            for keys in settings.pick(KEYS, (16, 40)):
                if 4 * seqs * keys * kv_heads * HEAD_DIM > CACHE_BYTES:
                    continue
                sizes = {"seqs": seqs, "keys": keys, "heads": heads, "kv_heads": kv_heads}
                for variant, make, note in kinds:
                    yield Case(
                        family="attention_decode",
                        name="decode",
                        variant=variant,
                        sizes={**sizes, "head_dim": HEAD_DIM},
                        make=partial(make, settings, cache, seqs, keys, heads),
                        note=f"bf16; {note}",
                    )
