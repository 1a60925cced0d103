"""Compiled: how requests and caches reach engines."""

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.group import interrupt, step_under_way_s
from simkit.sim.kernel.kv_transfer import pop, push, receive, wake
from simkit.sim.kernel.lane import enqueue
from simkit.sim.kernel.state import State


@inner
def _route(state: State, pool: int) -> int:
    """The lane that takes a request: in turn over replicas and then their lanes, or the least loaded."""
    rules = state.rules[pool]
    first, replicas, lanes = rules[c.P_FIRST_LANE], rules[c.P_REPLICAS], rules[c.P_LANES]
    turn = state.counters[c.S_TURN + pool]
    state.counters[c.S_TURN + pool] = turn + 1
    count, best = replicas * lanes, -1
    if state.counters[c.S_ROUTER] == 0:
        return first + (turn % replicas) * lanes + (turn // replicas) % lanes
    for index in range(count):  # ties go in turn, or the first lane would take them all
        lane = first + (turn + index) % count
        if best < 0 or state.lanes[lane, c.L_LOAD] < state.lanes[best, c.L_LOAD]:
            best = lane
    return best


@inner
def send(state: State, now_s: float) -> None:
    """A client sends the next request; it reaches its engine once the host has prepared it."""
    request = state.counters[c.S_NEXT]
    lane = _route(state, 0)
    replica, host = state.lanes[lane, c.L_REPLICA], state.rules_f[0]
    state.requests[request, c.R_LANE], state.requests[request, c.R_STAGE] = lane, c.COMING
    state.requests_f[request, c.RF_SENT] = now_s
    # Those of the opening burst pass the host's serial part one after the other; later ones that finish
    # in the same step do not meet there again, or equal lengths would keep the burst alive for ever.
    last_s, behind_s = state.serial_free_s[replica, 0], state.serial_free_s[replica, 1]
    behind_s = behind_s + host[c.PF_SERIAL] if last_s == now_s and state.counters[c.S_FINISHED] == 0 else 0.0
    state.serial_free_s[replica, 0], state.serial_free_s[replica, 1] = now_s, behind_s
    ready_s = now_s + behind_s + host[c.PF_HOST] + host[c.PF_TOKEN] * state.requests[request, c.R_ISL]
    state.lanes[lane, c.L_LOAD] += 1
    state.counters[c.S_NEXT] += 1
    state.counters[c.S_IN_FLIGHT] += 1
    push(state, ready_s, request)


@inner
def offer(state: State, request: int, now_s: float) -> None:
    """A prompt is prefilled: a decoding engine is asked, at this moment, to take it on."""
    row, lane = state.requests[request], _route(state, 1)
    state.lanes[row[c.R_LANE], c.L_LOAD] -= 1
    state.lanes[lane, c.L_LOAD] += 1
    row[c.R_SOURCE], row[c.R_LANE], row[c.R_STAGE] = row[c.R_LANE], lane, c.COMING
    push(state, now_s, request)


@inner
def arrive(state: State, now_s: float) -> None:
    """A request reaches its engine and waits to be scheduled, or for its cache to arrive."""
    request = pop(state)
    lane, late_s = state.requests[request, c.R_LANE], 0.0
    group, first = state.lanes[lane, c.L_GROUP], True
    if state.requests[request, c.R_STAGE] == c.MOVING:
        receive(state, request)
    else:
        if state.lanes[lane, c.L_DECODES] > 0:
            late_s = state.rules_f[state.lanes[lane, c.L_POOL], c.PF_ADMISSION]
            late_s *= step_under_way_s(state, lane, now_s)
        state.requests_f[request, c.RF_ELIGIBLE] = now_s + late_s
        first = state.lanes[lane, c.L_HEAD] < 0
        enqueue(state, lane, request, False)
    if first:
        interrupt(state, group, now_s + late_s)
    wake(state, group)
