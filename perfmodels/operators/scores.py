"""The attention itself: queries against keys, for the prompts and for the decodes of a step."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.operators.record import Operator
from perfmodels.step import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One kind of attention: work per query-key pair, bytes per cached key, and its learned kernel.

    limit is the most keys a query reads. An empty variant has no learned kernel.
    """

    name: str
    count: int
    limit: int | None
    flop_per_key: FloatLike
    bytes_per_key: FloatLike
    heads: FloatLike = 1.0
    kv_heads: FloatLike = 1.0
    variant: str = ""
    prefill_family: str = "attention_prefill"
    decode_family: str = "attention_decode"


def score_and_mix(score: Score, step: Step) -> list[Operator]:
    """Prefill and decode attention."""
    return [prefill_score(score, step), decode_score(score, step)]


def prefill_score(score: Score, step: Step) -> Operator:
    """Attention of the step's prompt tokens."""
    seen = mean_keys_within(step.prefill_context_tokens, float(score.limit or np.inf))
    tokens = np.asarray(step.prefill_tokens, dtype=np.float64)
    # a chunk that finishes no prompt still belongs to one
    prompts = np.maximum(np.asarray(step.prefill_seqs, dtype=np.float64), 1.0)
    # FlashAttention reads the cached keys once per block of about 128 queries and writes its own.
    read = tokens * (seen / 128.0 + 1.0) * score.bytes_per_key
    return Operator(
        name=f"{score.name}attention_prefill", family=score.prefill_family, count=score.count,
        flop=tokens * seen * score.flop_per_key, hbm_bytes=read, variant=score.variant,
        dims={
            "prompts": prompts, "new_tokens": tokens / prompts, "keys_per_query": seen,
            "heads": score.heads, "kv_heads": score.kv_heads,
        },
    )  # fmt: skip


def decode_score(score: Score, step: Step) -> Operator:
    """Attention of the step's decoding sequences.

    Several queries of one sequence (a draft that is verified) read its keys once, as more heads would.
    """
    kept = np.minimum(step.decode_context_tokens, float(score.limit or np.inf))
    seqs = np.asarray(step.decode_seqs, dtype=np.float64)
    return Operator(
        name=f"{score.name}attention_decode", family=score.decode_family, count=score.count,
        flop=seqs * kept * score.flop_per_key * step.decode_queries,
        hbm_bytes=seqs * kept * score.bytes_per_key,
        variant=score.variant,
        dims={
            "seqs": seqs, "keys": kept, "heads": score.heads * step.decode_queries,
            "kv_heads": score.kv_heads,
        },
    )  # fmt: skip


def mean_keys_within(mean_context: FloatLike, limit: float) -> FloatArray:
    """Mean number of keys a prompt token reads when it may read at most the last `limit`.

    Contexts run evenly from 0 to twice their mean c: the mean of min(i, w) is w - w^2/(4c) once 2c > w.
    """
    context = np.asarray(mean_context, dtype=np.float64)
    if not np.isfinite(limit):
        return context
    bounded = limit - limit**2 / (4.0 * np.maximum(context, limit / 2.0))
    return np.where(2.0 * context <= limit, context, bounded)
