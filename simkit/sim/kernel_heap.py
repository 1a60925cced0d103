"""Compiled: requests on their way, the soonest on top; at equal times the one sent first."""

from simkit.sim import columns as c
from simkit.sim.compiled import inner
from simkit.sim.state import State


@inner
def _sooner(state: State, one: int, two: int) -> bool:
    first_s, second_s = state.coming_s[one], state.coming_s[two]
    return first_s < second_s or (first_s == second_s and state.coming[one] < state.coming[two])


@inner
def _swap(state: State, one: int, two: int) -> None:
    times, requests = state.coming_s, state.coming
    times[one], times[two] = times[two], times[one]
    requests[one], requests[two] = requests[two], requests[one]


@inner
def push(state: State, time_s: float, request: int) -> None:
    """Add a request that arrives at time_s."""
    place = state.counters[c.S_COMING]
    state.coming_s[place], state.coming[place] = time_s, request
    state.counters[c.S_COMING] = place + 1
    while place > 0 and _sooner(state, place, (place - 1) // 2):
        _swap(state, place, (place - 1) // 2)
        place = (place - 1) // 2


@inner
def pop(state: State) -> int:
    """Take the soonest."""
    request = state.coming[0]
    last = state.counters[c.S_COMING] - 1
    state.counters[c.S_COMING] = last
    state.coming_s[0], state.coming[0] = state.coming_s[last], state.coming[last]
    place = 0
    while True:
        best = place
        for child in (2 * place + 1, 2 * place + 2):
            if child < last and _sooner(state, child, best):
                best = child
        if best == place:
            return request
        _swap(state, place, best)
        place = best
