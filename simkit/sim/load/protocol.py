"""The benchmark's procedure around a simulator: what engines refuse, and a warm-up that is answered first."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.sim.cluster import Cluster
from simkit.sim.requests import Requests, RequestTimes, joined, part, selected

Simulator = Callable[[Requests], RequestTimes]


class Refusals:
    """Leaves out requests that no engine of the cluster could hold, as engines refuse them, and counts.

    longest_tokens: what an engine takes as prompt and output together, by its own setting, None for no limit
    but its cache.
    """

    def __init__(self, cluster: Cluster, longest_tokens: int | None = None) -> None:
        rooms = [pool.policy.num_pages * pool.policy.page_tokens for pool in cluster.pools]
        self.prompt_tokens = min(rooms)
        self.total_tokens = min(rooms[-1], longest_tokens or rooms[-1])
        self.count = 0

    def pass_on(self, requests: Requests) -> Requests:
        """Those that are served."""
        fits = requests.isl_tokens <= self.prompt_tokens
        fits &= requests.isl_tokens + requests.osl_tokens <= self.total_tokens
        self.count += len(requests) - int(np.count_nonzero(fits))
        return requests if np.all(fits) else selected(requests, np.flatnonzero(fits))


def warmup_end_s(simulate: Simulator, requests: Requests, warmup: int) -> float:
    """When the last of the first `warmup` requests is answered; found by simulating them alone.

    A simulator knows no future, so it goes the same way when the rest follows.
    """
    return float(np.max(simulate(part(requests, 0, warmup)).finished_s))


def held_back(batches: Iterable[Requests], warmup: int, begin_s: float) -> Iterator[Requests]:
    """The requests such that none after the first `warmup` is sent before begin_s; gaps stay as they are."""
    passed, last_s = 0, 0.0
    for batch in batches:
        first = min(max(warmup - passed, 0), len(batch))
        if first:
            last_s = float(batch.arrival_s[first - 1])
        later_s: FloatArray = begin_s + batch.arrival_s[first:] - last_s
        yield replace(batch, arrival_s=np.concatenate([batch.arrival_s[:first], later_s]))
        passed += len(batch)


def first_requests(batches: Iterable[Requests], count: int) -> Requests:
    """At least `count` requests from the beginning, if there are so many."""
    taken: list[Requests] = []
    for batch in batches:
        taken.append(batch)
        if sum(map(len, taken)) >= count:
            break
    return joined(taken)


def settled(times: RequestTimes, concurrency: int | None) -> tuple[int, int]:
    """First and one past the last request of a steady state: without opening burst and running out.

    Of a closed loop, one round of its slots at either end; of an open one a tenth at the beginning and
    what was sent in the last tenth. (0, 0) where less than half is left.
    """
    count = len(times)
    margin = concurrency if concurrency is not None else count // 10
    return (margin, count - margin) if count >= 4 * margin else (0, 0)
