"""The arrays that the compiled loop works on: made in a cluster, handed to the kernel together."""

from typing import NamedTuple

from perfmodels.arrays import FloatArray
from simkit.sim.kernel.layout import GroupRow, HostRow, LaneRow, PoolRow, RequestRow, Rows, RunRow, SampleRow
from simkit.sim.requests import IntArray


class State(NamedTuple):
    """Everything that changes, the rules, and step times.

    decoding and ends [lanes, seqs]: sequences and the clock at which each ends; prompts and chunks
    [lanes, seqs]: those prefilled in the step under way and how many tokens; crossings [lanes, steps]:
    how many sequences need a page at clocks of that remainder. refs, older, newer [lanes, units + 1]:
    the prefix cache: references (-1 absent) and a ring of idle units by age through the last place.
    coming_s, coming [requests]: a heap of requests on their way.

    Step times, the first axis is the pool: decode_s [pools, batches, contexts] over decode_batch and
    decode_context, prefill_s [pools, tokens, contexts] over prefill_tokens and prefill_context; padded
    [pools, sequences]: batch that is computed when so many sequences decode.
    """

    run: Rows[RunRow]  # one row
    pools: Rows[PoolRow]
    groups: Rows[GroupRow]
    lanes: Rows[LaneRow]
    hosts: Rows[HostRow]
    requests: Rows[RequestRow]
    samples: Rows[SampleRow]
    block_ids: IntArray
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
    decode_batch: FloatArray
    decode_context: FloatArray
    decode_s: FloatArray
    prefill_tokens: FloatArray
    prefill_context: FloatArray
    prefill_s: FloatArray
    padded: FloatArray
