"""Conversations of a trace: a turn is sent some time after the answer to the one before it.

When that answer is there only the simulation knows, so it is run until the times agree.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.sim.requests import RequestTimes, selected
from simkit.verbs.loads import OfferedLoad

_MOST_RUNS = 40
_CLOSE_S = 1e-3


def with_turns(load: OfferedLoad, run: Callable[[OfferedLoad], RequestTimes]) -> OfferedLoad:
    """The load with every turn sent its delay after the answer before it; as it is without conversations."""
    trace = load.trace
    if trace is None or trace.after is None or trace.delay_s is None or load.recorded is None:
        return load
    after, delay_s, requests = trace.after, trace.delay_s, load.recorded
    arrival_s, later = requests.arrival_s, after >= 0
    current = load
    for _ in range(_MOST_RUNS):
        order = np.argsort(arrival_s, kind="stable")
        sent = replace(selected(requests, order), arrival_s=arrival_s[order])
        current = replace(load, recorded=sent)
        finished = np.empty(len(order))
        finished[order] = _finished(run(current), arrival_s[order])
        moved = np.where(later, finished[np.maximum(after, 0)] + delay_s, arrival_s)
        if np.max(np.abs(moved - arrival_s)) < _CLOSE_S:
            break
        arrival_s = moved
    return current


def _finished(times: RequestTimes, arrival_s: FloatArray) -> FloatArray:
    """When each answer was there; requests that an engine refuses answer at once."""
    if len(times) != len(arrival_s):
        return arrival_s
    return times.finished_s
