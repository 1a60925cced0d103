"""Norms, activations, rotary embedding, look-up, and choosing the next token."""

import functools
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from cases import Call, Case, Settings
from layers import MODELS
from ops import kernels_for

TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
HIDDEN = (1024, 2048, 4096, 5120)
INTER = (768, 3072, 12288, 14336, 25600)
ROPE_HEADS = ((32, 8), (64, 8), (32, 4), (16, 8))
HEAD_DIM = 128
MAX_POSITION = 40960
SAMPLED = (1, 8, 32, 128, 256)
TOP_P = 0.9


def _random(settings: Settings, *shape: int) -> Any:
    return torch.randn(*shape, device=settings.device, dtype=torch.bfloat16)


def _norm_call(settings: Settings, tokens: int, hidden: int) -> Call:
    x, residual = _random(settings, tokens, hidden), _random(settings, tokens, hidden)
    weight = _random(settings, hidden)
    norm = kernels_for(settings.device).rms_norm
    return lambda _: norm(x, residual, weight)


def _silu_call(settings: Settings, tokens: int, inter: int) -> Call:
    x = _random(settings, tokens, 2 * inter)
    silu_mul = kernels_for(settings.device).silu_mul
    return lambda _: silu_mul(x)


def rope_table(settings: Settings, positions: int) -> Any:
    """Cosines, then sines, of every position: (positions, head_dim), float32."""
    rate = 1e6 ** (-torch.arange(0, HEAD_DIM, 2, device=settings.device) / HEAD_DIM)
    angle = torch.arange(positions, device=settings.device)[:, None] * rate[None, :]
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


def _rope_call(settings: Settings, tokens: int, heads: int) -> Call:
    limit = settings.pick(MAX_POSITION, 64)
    table = rope_table(settings, limit)
    positions = torch.randint(0, limit, (tokens,), device=settings.device)
    x = _random(settings, tokens, heads, HEAD_DIM)
    rope = kernels_for(settings.device).rope
    return lambda _: rope(x, table, positions)


def _embedding_call(settings: Settings, tokens: int, vocab: int, hidden: int) -> Call:
    table = _random(settings, vocab, hidden)
    ids = [torch.randint(0, vocab, (tokens,), device=settings.device) for _ in range(16)]
    return lambda index: torch.nn.functional.embedding(ids[index % 16], table)


def elementwise_cases(settings: Settings) -> Iterator[Case]:
    """Operations on activations that the layer before has just written: warm in L2 where they fit."""
    label = kernels_for(settings.device).LABEL
    for tokens in settings.pick(TOKENS, (1, 4)):
        case = partial(Case, family="elementwise")
        for hidden in settings.pick(HIDDEN, (64,)):
            sizes = {"num_tokens": tokens, "hidden": hidden}
            make: Any = partial(_norm_call, settings, tokens, hidden)
            yield case(name="add_rms_norm", variant="bf16", sizes=sizes, make=make, note=f"{label}; warm")
            make = partial(_embedding_call, settings, tokens, settings.pick(MODELS[0].vocab, 100), hidden)
            yield case(name="embedding", variant="bf16", sizes=sizes, make=make, note="torch embedding")
        for inter in settings.pick(INTER, (96,)):
            sizes = {"num_tokens": tokens, "inter": inter}
            make = partial(_silu_call, settings, tokens, inter)
            yield case(name="silu_mul", variant="bf16", sizes=sizes, make=make, note=f"{label}; warm")
        for heads, kv_heads in settings.pick(ROPE_HEADS, ((4, 2),)):
            sizes = {"num_tokens": tokens, "heads": heads, "kv_heads": kv_heads, "head_dim": HEAD_DIM}
            make = partial(_rope_call, settings, tokens, heads + kv_heads)
            yield case(name="rope", variant="bf16", sizes=sizes, make=make, note=f"{label}; q and k at once")


def _greedy_call(settings: Settings, seqs: int, head: Any, hidden: int) -> Call:
    x = _random(settings, seqs, hidden)
    weight = head()
    return lambda _: torch.nn.functional.linear(x, weight).argmax(-1)


def _argmax_call(settings: Settings, seqs: int, vocab: int) -> Call:
    logits = [_random(settings, seqs, vocab) for _ in range(4)]
    return lambda index: logits[index % 4].argmax(-1)


def _top_p_call(settings: Settings, seqs: int, vocab: int) -> Call:
    """Sort, keep the likeliest tokens up to TOP_P, draw one by exponential noise (no read-back)."""
    logits = torch.randn(seqs, vocab, device=settings.device)

    def call(_: int) -> Any:
        likely, order = logits.softmax(-1).sort(dim=-1, descending=True)
        kept = likely.masked_fill(likely.cumsum(-1) - likely > TOP_P, 0.0)
        noise = torch.empty_like(kept).exponential_()
        return order.gather(-1, (kept / noise).argmax(-1, keepdim=True))

    return call


def sampling_cases(settings: Settings) -> Iterator[Case]:
    """The output head with the most likely token, and choosing alone; n is the vocabulary."""
    heads = sorted({(model.hidden, model.vocab) for model in MODELS})
    for hidden, vocab in settings.pick(heads, ((32, 200),)):
        head = functools.cache(partial(_random, settings, vocab, hidden))
        for seqs in settings.pick(SAMPLED, (1, 4)):
            make: Any = partial(_greedy_call, settings, seqs, head, hidden)
            sizes = {"seqs": seqs, "hidden": hidden, "m": seqs, "n": vocab, "k": hidden}
            case = partial(Case, family="sampling", variant="torch")
            yield case(name="lm_head_argmax", sizes=sizes, make=make, note="bf16 logits")
    for vocab in settings.pick((128256, 151936), (200,)):
        for seqs in settings.pick(SAMPLED, (1, 4)):
            case = partial(Case, family="sampling", variant="torch", sizes={"seqs": seqs, "n": vocab})
            yield case(name="argmax", make=partial(_argmax_call, settings, seqs, vocab), note="bf16 logits")
            make = partial(_top_p_call, settings, seqs, vocab)
            yield case(name="top_p", make=make, note="float32 logits; torch sort, not a fused sampler")
