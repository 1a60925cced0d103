"""Compiled: KV caches in transfer from a prefill engine to a decode engine, the soonest first."""

from simkit.sim.kernel import kinds
from simkit.sim.kernel.compiled import ZERO, inner
from simkit.sim.kernel.lane import join_decodes
from simkit.sim.kernel.layout import PoolRow, RequestRow
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
def push(state: State, time_s: float, number: int) -> None:
    """Add a request that arrives at time_s."""
    run, place = state.run[0], state.run[0].coming
    state.coming_s[place], state.coming[place] = time_s, number
    run.coming += 1
    while place > 0 and _sooner(state, place, (place - 1) // 2):
        _swap(state, place, (place - 1) // 2)
        place = (place - 1) // 2


@inner
def pop(state: State) -> int:
    """Take the soonest."""
    run, soonest = state.run[0], state.coming[0]
    run.coming -= 1
    last, place, best = run.coming, run.coming, ZERO
    state.coming_s[0], state.coming[0] = state.coming_s[last], state.coming[last]
    while place != best:
        place = best
        for child in (2 * place + 1, 2 * place + 2):
            if child < last and _sooner(state, child, best):
                best = child
        if best != place:
            _swap(state, place, best)
    return soonest


# --- Compiled: caches on their way from the engine that prefilled them to the one that decodes.
# As in vLLM, SGLang and TensorRT-LLM the decoding engine sets pages aside first; then the cache moves,
# and the prefilling engine keeps its pages until it has. docs/simulation.md names the sources.


@inner
def wake(state: State, place: int) -> None:
    """Let a group that rests compose its next step once all events of this moment are known."""
    group = state.groups[place]
    if group.kind == kinds.RESTING:
        group.kind = kinds.AWAKE
        state.run[0].awake += 1


@inner
def begin_transfer(state: State, place: int, number: int, now_s: float) -> None:
    """Pages are set aside; an engine sends one cache after the other."""
    request, lane = state.requests[number], state.lanes[place]
    source = state.lanes[request.source]
    source.link_free_s = max(source.link_free_s, now_s) + request.transfer_s
    request.stage = kinds.MOVING
    lane.held += 1
    lane.promised += own_promise(state.pools[lane.pool], request)
    push(state, source.link_free_s, number)


@inner
def receive(state: State, number: int) -> None:
    """A cache has come: its source may forget it, and the sequence decodes from the next step on."""
    request = state.requests[number]
    source, lane = state.lanes[request.source], state.lanes[request.lane]
    release(state, request.source, request, pages_of(state.pools[source.pool], request.target))
    wake(state, source.group)
    request.next = -1
    if lane.placed < 0:
        lane.placed = number
    else:
        state.requests[lane.last_placed].next = number
    lane.last_placed = number


@inner
def spare_page(rules: PoolRow, request: RequestRow) -> int:
    """A page set aside for the first token, where the prompt fills its last one: 1, else 0."""
    return 1 if first_crossing(rules, request) == 0 else 0


@inner
def join_placed(state: State, place: int, now_s: float) -> None:
    """Sequences whose KV cache has arrived join the batch, as far as it has room."""
    lane = state.lanes[place]
    rules = state.pools[lane.pool]
    while lane.placed >= 0 and lane.decodes + lane.prompts < rules.max_seqs:
        number = lane.placed
        request = state.requests[number]
        lane.placed = request.next
        lane.held -= 1
        lane.promised -= own_promise(rules, request)
        lane.private -= spare_page(rules, request)
        state.run[0].order += 1
        request.order, request.first_s = state.run[0].order, now_s
        join_decodes(state, place, number)
