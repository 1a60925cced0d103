"""Loads: when requests are sent, how long they are and what they share, drawn in chunks.

The same seed gives the same requests whatever the size of the chunks: every quantity has a stream of
random numbers of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError
from simkit.sim.load.lengths import LengthDistribution
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.requests import IntArray, Requests

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """A fixed number of slots; each sends its next request when its last one is answered."""

    concurrency: int

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= 10**7:
            raise InputError(f"concurrency must be from 1 to 10,000,000 slots, got {self.concurrency:g}")

    def gaps(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Nothing waits for the clock."""
        return np.zeros(count)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoop:
    """Requests at a mean rate, whether or not earlier ones are answered.

    burstiness is the shape of gamma-distributed gaps, as in vLLM's benchmark (--burstiness) and
    AIPerf (--arrival-smoothness): 1 is Poisson, below it comes in bursts, above it is more even; None
    is a constant rate. The coefficient of variation of the gaps is 1 / sqrt(burstiness).
    """

    rate_per_s: float
    burstiness: float | None = 1.0

    def __post_init__(self) -> None:
        if not 1e-9 <= self.rate_per_s <= 1e9:
            raise InputError(f"request rate must be from 1e-9 to 1e9 per second, got {self.rate_per_s:g}")
        if self.burstiness is not None and not 1e-3 <= self.burstiness <= 1e6:
            raise InputError(f"burstiness must be from 0.001 to 1e6, got {self.burstiness:g}")

    def gaps(self, rng: np.random.Generator, count: int) -> FloatArray:
        """`count` times between requests [s]."""
        if self.burstiness is None:
            return np.full(count, 1.0 / self.rate_per_s)
        if self.burstiness == 1.0:
            return rng.exponential(1.0 / self.rate_per_s, size=count)
        return rng.gamma(self.burstiness, 1.0 / (self.rate_per_s * self.burstiness), size=count)


Arrivals = ClosedLoop | OpenLoop


def burstiness_of_cv(cv: float) -> float | None:
    """The shape whose gaps have this coefficient of variation; 0 is a constant rate."""
    if not 0 <= cv <= 30:
        raise InputError(f"coefficient of variation of gaps must be from 0 to 30, got {cv:g}")
    return None if cv == 0 else 1.0 / cv**2


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticLoad:
    """`count` requests that are counted, after `warmup` that are not."""

    arrivals: Arrivals
    isl: LengthDistribution
    osl: LengthDistribution
    count: int
    warmup: int = 0
    prefixes: SharedPrefixes | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 10**10:
            raise InputError(f"number of requests must be from 1 to 1e10, got {self.count:g}")
        if not 0 <= self.warmup <= 10**9:
            raise InputError(f"number of warm-up requests must be from 0 to 1e9, got {self.warmup:g}")
        shared = self.prefixes.total_tokens if self.prefixes else 0
        if shared >= self.isl.shortest_tokens:
            raise InputError(
                f"{shared:,} shared tokens fill the shortest prompt of {self.isl.shortest_tokens:,}; "
                "the prefix is part of the input length: raise --isl or share less"
            )

    @property
    def total(self) -> int:
        """Requests in all."""
        return self.count + self.warmup


def chunks(load: SyntheticLoad, rng: np.random.Generator, size: int = CHUNK) -> Iterator[Requests]:
    """The load's requests, `size` at a time, in the order in which they are sent."""
    streams = rng.spawn(4)
    clock, sent = 0.0, 0
    while sent < load.total:
        count = min(size, load.total - sent)
        arrival_s = _times(load.arrivals, streams[0], (count, clock))
        clock = float(arrival_s[-1])
        ids, starts = _blocks(load.prefixes, streams[3], count)
        yield Requests(
            arrival_s=arrival_s,
            isl_tokens=load.isl.draw(streams[1], count),
            osl_tokens=load.osl.draw(streams[2], count),
            block_ids=ids,
            block_starts=starts,
            block_tokens=load.prefixes.block_tokens if load.prefixes else 512,
        )
        sent += count


def _times(arrivals: Arrivals, rng: np.random.Generator, span: tuple[int, float]) -> FloatArray:
    """The next `span[0]` moments of sending after `span[1]` [s].

    A constant rate is summed too: a run as long as 1e7 requests is off by 1e-9 of its length.
    """
    gaps = arrivals.gaps(rng, span[0])
    gaps[0] += span[1]
    return np.cumsum(gaps)


def _blocks(
    prefixes: SharedPrefixes | None, rng: np.random.Generator, count: int
) -> tuple[IntArray, IntArray]:
    if prefixes is None:
        return np.zeros(0, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    return prefixes.draw(rng, count)
