"""What goes into a simulated cluster and what comes out of it: requests, and when each of them ran."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests in the order in which they are sent; arrays [requests].

    arrival_s is the moment a request is sent under an open load; under a closed one it is sent as soon
    as a slot is free, and not before arrival_s (zeros, usually). osl_tokens is the true output length,
    which no scheduler may look at. Request i's prompt starts with the blocks
    block_ids[block_starts[i]:block_starts[i + 1]], each of block_tokens tokens (the last may be
    partial); equal ids mean equal content of the whole prefix up to there. No blocks: nothing is
    shared with any other request.
    """

    arrival_s: FloatArray
    isl_tokens: IntArray
    osl_tokens: IntArray
    block_ids: IntArray
    block_starts: IntArray
    block_tokens: int = 512

    @classmethod
    def unshared(cls, arrival_s: FloatArray, isl_tokens: IntArray, osl_tokens: IntArray) -> "Requests":
        """Requests whose prompts have nothing in common."""
        return cls(
            arrival_s=arrival_s,
            isl_tokens=isl_tokens,
            osl_tokens=osl_tokens,
            block_ids=np.zeros(0, dtype=np.int64),
            block_starts=np.zeros(len(arrival_s) + 1, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.arrival_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTimes:
    """When each request ran; arrays [requests], in the order of the requests.

    sent_s: handed to the cluster; start_s: first scheduled (of the prefill pool, if there are two);
    first_token_s and finished_s: as a client sees them. cached_tokens: prompt tokens taken from the
    prefix cache; preemptions: how often the cache was taken away and recomputed; replica: which
    (decoding) replica served it.
    """

    sent_s: FloatArray
    start_s: FloatArray
    first_token_s: FloatArray
    finished_s: FloatArray
    isl_tokens: IntArray
    osl_tokens: IntArray
    cached_tokens: IntArray
    preemptions: IntArray
    replica: IntArray

    def __len__(self) -> int:
        return len(self.sent_s)

    @property
    def ttft_s(self) -> FloatArray:
        """Sent to first token."""
        return self.first_token_s - self.sent_s

    @property
    def itl_s(self) -> FloatArray:
        """Mean gap between a request's tokens, nan for requests of one token."""
        gaps = np.where(self.osl_tokens > 1, self.osl_tokens - 1.0, np.nan)
        return (self.finished_s - self.first_token_s) / gaps
