"""Requests and their times cut, joined and moved."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from simkit.sim.requests import Requests, RequestTimes


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
