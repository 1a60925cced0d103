"""Compiled: KV caches in transfer from a prefill engine to a decode engine, the soonest first."""

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.lane import join_decodes
from simkit.sim.kernel.pages import first_crossing, own_promise, pages_of, release
from simkit.sim.kernel.state import State

# --- Compiled: requests on their way, the soonest on top; at equal times the one sent first.


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


# --- Compiled: caches on their way from the engine that prefilled them to the one that decodes.
# As in vLLM, SGLang and TensorRT-LLM the decoding engine sets pages aside first; then the cache moves,
# and the prefilling engine keeps its pages until it has. docs/simulation.md names the sources.


@inner
def wake(state: State, group: int) -> None:
    """Let a group that rests compose its next step once all events of this moment are known."""
    if state.groups[group, c.G_KIND] == c.RESTING:
        state.groups[group, c.G_KIND] = c.AWAKE
        state.counters[c.S_AWAKE] += 1


@inner
def begin_transfer(state: State, lane: int, request: int, now_s: float) -> None:
    """Pages are set aside; an engine sends one cache after the other."""
    row, times = state.requests[request], state.requests_f[request]
    source = row[c.R_SOURCE]
    end_s = max(state.lanes_f[source, c.LF_LINK_FREE], now_s) + times[c.RF_TRANSFER]
    state.lanes_f[source, c.LF_LINK_FREE] = end_s
    row[c.R_STAGE] = c.MOVING
    state.lanes[lane, c.L_HELD] += 1
    state.lanes[lane, c.L_PROMISED] += own_promise(state, lane, request)
    push(state, end_s, request)


@inner
def receive(state: State, request: int) -> None:
    """A cache has come: its source may forget it, and the sequence decodes from the next step on."""
    row = state.requests[request]
    source, lane = row[c.R_SOURCE], state.lanes[row[c.R_LANE]]
    release(state, source, request, pages_of(state, source, row[c.R_TARGET]))
    wake(state, state.lanes[source, c.L_GROUP])
    row[c.R_NEXT] = -1
    if lane[c.L_PLACED] < 0:
        lane[c.L_PLACED] = request
    else:
        state.requests[lane[c.L_LAST_PLACED], c.R_NEXT] = request
    lane[c.L_LAST_PLACED] = request


@inner
def spare_page(state: State, lane: int, request: int) -> int:
    """A page set aside for the first token, where the prompt fills its last one: 1, else 0."""
    return 1 if first_crossing(state, lane, request) == 0 else 0


@inner
def join_placed(state: State, lane: int, now_s: float) -> None:
    """Sequences whose KV cache has arrived join the batch, as far as it has room."""
    row = state.lanes[lane]
    most = state.rules[row[c.L_POOL], c.P_MAX_SEQS]
    while row[c.L_PLACED] >= 0 and row[c.L_DECODES] + row[c.L_PROMPTS] < most:
        request = row[c.L_PLACED]
        row[c.L_PLACED] = state.requests[request, c.R_NEXT]
        row[c.L_HELD] -= 1
        row[c.L_PROMISED] -= own_promise(state, lane, request)
        row[c.L_PRIVATE] -= spare_page(state, lane, request)
        state.counters[c.S_ORDER] += 1
        state.requests[request, c.R_ORDER] = state.counters[c.S_ORDER]
        state.requests_f[request, c.RF_FIRST] = now_s
        join_decodes(state, lane, request)
