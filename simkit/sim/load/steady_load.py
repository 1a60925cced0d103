"""A steady load as single requests, without the burst at the beginning of a benchmark.

A closed loop of equal requests that starts with all slots at once stays in step for ever, and TTFT is
that of the burst. Here the slots open at random moments over the time that one request takes: requests are
out of step from the start, which is what a closed form of the steady state speaks of.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from simkit.core.errors import InputError
from simkit.core.workload import Workload
from simkit.sim.load.arrivals import OpenLoop
from simkit.sim.load.lengths import spread_length
from simkit.sim.load.prefixes import SharedPrefixes
from simkit.sim.requests import Requests

ROUNDS = 10  # how often every slot is used while requests count
MOST_REQUESTS = 8_000  # in all; but every slot counts at least _LEAST_ROUNDS times
_LEAST_ROUNDS = 2
_FEWEST = {"closed": 200, "open": 1_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyLoad:
    """Requests of which those from `first` to one before `last` count; concurrency None: at their times."""

    requests: Requests
    first: int
    last: int
    concurrency: int | None


def steady_load(workload: Workload, expected: tuple[float, float], rng: np.random.Generator) -> SteadyLoad:
    """Enough requests for ten times those in flight, two times as many to settle and one to run out.

    expected is (requests in flight, seconds a request takes); of a closed loop the workload says the first,
    rounded to whole slots. No more than MOST_REQUESTS in all, unless two rounds take more. Raises
    InputError without a load.
    """
    closed = workload.concurrency is not None
    if not closed and workload.request_rate_per_s is None:
        raise InputError("no load to simulate: give --concurrency or --request-rate")
    slots = max(round(workload.concurrency or expected[0]), 1)
    settle = 2 * slots
    room = max(MOST_REQUESTS - settle - slots, _LEAST_ROUNDS * slots)
    counted = min(max(ROUNDS * slots, _FEWEST["closed" if closed else "open"]), room)
    total = settle + counted + slots
    osl = spread_length(max(round(workload.osl_tokens), 1), workload.length_spread).draw(rng, total)
    isl = spread_length(max(round(workload.isl_tokens), 1), workload.length_spread).draw(rng, total)
    arrival_s = np.zeros(total)
    if closed:
        arrival_s[:slots] = np.sort(rng.random(slots)) * expected[1]
        arrival_s[slots:] = arrival_s[slots - 1]
    else:
        arrivals = OpenLoop(rate_per_s=workload.request_rate_per_s or math.nan)
        arrival_s = np.cumsum(arrivals.gaps(rng, total))
    requests = Requests.unshared(arrival_s=arrival_s, isl_tokens=isl, osl_tokens=osl)
    prefixes = SharedPrefixes.of_workload(workload)
    if prefixes is not None:
        ids, starts = prefixes.draw(rng, total)
        requests = replace(requests, block_ids=ids, block_starts=starts, block_tokens=prefixes.block_tokens)
    return SteadyLoad(
        requests=requests, first=settle, last=settle + counted, concurrency=slots if closed else None
    )
