"""The arrays that the compiled loop works on: one tuple, made in a cluster, run by the kernel."""

from typing import NamedTuple

from perfmodels.arrays import FloatArray
from simkit.sim.requests import IntArray


class Tables(NamedTuple):
    """Step times of every pool; the first axis is the pool.

    decode [pools, batches, contexts] over decode_batch and decode_context; prefill [pools, tokens,
    contexts] over prefill_tokens and prefill_context. padded [pools, sequences]: batch that is computed
    when so many sequences decode.
    """

    decode_batch: FloatArray
    decode_context: FloatArray
    decode_s: FloatArray
    prefill_tokens: FloatArray
    prefill_context: FloatArray
    prefill_s: FloatArray
    padded: FloatArray


class State(NamedTuple):
    """Everything that changes, and the rules; columns are named in `columns`.

    decoding and ends [lanes, seqs]: sequences and the clock at which each ends; prompts and chunks
    [lanes, seqs]: those prefilled in the step under way and how many tokens; crossings [lanes, steps]:
    how many sequences need a page at clocks of that remainder. refs, older, newer [lanes, units + 1]:
    the prefix cache: references (-1 absent) and a ring of idle units by age through the last place.
    coming_s, coming [requests]: a heap of requests on their way. samples [places, 5]: time, waiting, running,
    pages in use, pages of idle prefixes.
    """

    tables: Tables
    rules: IntArray
    rules_f: FloatArray
    requests: IntArray
    requests_f: FloatArray
    block_ids: IntArray
    lanes: IntArray
    lanes_f: FloatArray
    groups: IntArray
    groups_f: FloatArray
    decoding: IntArray
    ends: IntArray
    prompts: IntArray
    chunks: IntArray
    crossings: IntArray
    refs: IntArray
    older: IntArray
    newer: IntArray
    coming_s: FloatArray
    coming: IntArray
    serial_free_s: FloatArray
    counters: IntArray
    samples: FloatArray
