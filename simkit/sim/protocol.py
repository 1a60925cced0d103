"""The benchmark's procedure around a simulator: a warm-up that is answered before what counts is sent."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from simkit.sim.batches import part
from simkit.sim.requests import Requests, RequestTimes

Simulator = Callable[[Requests], RequestTimes]


def after_warmup(simulate: Simulator, requests: Requests, warmup: int) -> Requests:
    """The requests such that none after the first `warmup` is sent before all of those are answered.

    The engines are empty then and only caches are warm. When the warm-up ends is found by simulating it
    alone: a simulator knows no future, so it goes the same way when the rest follows.
    """
    if warmup == 0 or warmup >= len(requests):
        return requests
    first = simulate(part(requests, 0, warmup))
    begin_s = float(np.max(first.finished_s))
    later_s = requests.arrival_s[warmup:] - requests.arrival_s[warmup - 1]
    return replace(requests, arrival_s=np.concatenate([requests.arrival_s[:warmup], begin_s + later_s]))


def settled(times: RequestTimes, concurrency: int | None) -> tuple[int, int]:
    """First and one past the last request of a steady state: without opening burst and running out.

    Of a closed loop, one round of its slots at either end; of an open one a tenth at the beginning and
    what was sent in the last tenth. (0, 0) where less than half is left.
    """
    count = len(times)
    margin = concurrency if concurrency is not None else count // 10
    return (margin, count - margin) if count >= 4 * margin else (0, 0)
