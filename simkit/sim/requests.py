"""Requests that go into a simulated cluster, their times that come out, and batches of both."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray

# --- What goes into a simulated cluster and what comes out of it: requests, and when each of them ran.


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


# --- Requests and their times cut, joined and moved.


def part(requests: Requests, start: int, stop: int) -> Requests:
    """Requests start to stop - 1."""
    edges = requests.block_starts[start : stop + 1]
    return Requests(
        arrival_s=requests.arrival_s[start:stop],
        isl_tokens=requests.isl_tokens[start:stop],
        osl_tokens=requests.osl_tokens[start:stop],
        block_ids=requests.block_ids[edges[0] : edges[-1]],
        block_starts=edges - edges[0],
        block_tokens=requests.block_tokens,
    )


def selected(requests: Requests, index: NDArray[np.intp]) -> Requests:
    """The requests at these positions, in the order of `index` (integers)."""
    starts, ends = requests.block_starts[index], requests.block_starts[index + 1]
    counts = ends - starts
    edges = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(edges[-1]) - np.repeat(edges[:-1], counts)
    return replace(
        requests,
        arrival_s=requests.arrival_s[index],
        isl_tokens=requests.isl_tokens[index],
        osl_tokens=requests.osl_tokens[index],
        block_ids=requests.block_ids[np.repeat(starts, counts) + within],
        block_starts=edges,
    )


def joined(parts: Sequence[Requests]) -> Requests:
    """All parts one after the other; they count blocks in the same size."""
    sizes = np.cumsum([0, *(len(item.block_ids) for item in parts)])
    offsets = [item.block_starts[:-1] + size for item, size in zip(parts, sizes, strict=False)]
    return Requests(
        arrival_s=np.concatenate([item.arrival_s for item in parts]),
        isl_tokens=np.concatenate([item.isl_tokens for item in parts]),
        osl_tokens=np.concatenate([item.osl_tokens for item in parts]),
        block_ids=np.concatenate([item.block_ids for item in parts]),
        block_starts=np.concatenate([*offsets, sizes[-1:]]),
        block_tokens=parts[0].block_tokens,
    )


def times_part(times: RequestTimes, start: int, stop: int | None = None) -> RequestTimes:
    """Times of requests start to stop - 1."""
    return times_where(times, slice(start, stop))


def times_where(times: RequestTimes, chosen: slice | NDArray[np.bool_] | NDArray[np.intp]) -> RequestTimes:
    """Times of the chosen requests."""
    return RequestTimes(**{field.name: getattr(times, field.name)[chosen] for field in fields(times)})


def times_joined(parts: Sequence[RequestTimes]) -> RequestTimes:
    """Times of all parts, one after the other."""
    names = [field.name for field in fields(RequestTimes)]
    return RequestTimes(**{name: np.concatenate([getattr(item, name) for item in parts]) for name in names})
