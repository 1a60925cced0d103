"""Compiled: sequences of one lane: its queue, its batch, and preemption when pages run out."""

from simkit.sim.kernel import kinds
from simkit.sim.kernel.compiled import ONE, ZERO, inner
from simkit.sim.kernel.layout import PoolRow, RequestRow
from simkit.sim.kernel.pages import available, decoding_pages, first_crossing, needed_pages, pages_of, release
from simkit.sim.kernel.state import State


@inner
def enqueue(state: State, place: int, number: int) -> None:
    """Put a request at the end of a lane's queue."""
    lane, request = state.lanes[place], state.requests[number]
    request.stage, request.next = kinds.WAITING, -1
    if lane.head < 0:
        lane.head = number
    else:
        state.requests[lane.tail].next = number
    lane.tail = number


@inner
def _requeue(state: State, place: int, number: int) -> None:
    """Put a request at the beginning of a lane's queue."""
    lane, request = state.lanes[place], state.requests[number]
    request.stage, request.next = kinds.WAITING, lane.head
    if lane.head < 0:
        lane.tail = number
    lane.head = number


@inner
def dequeue(state: State, place: int) -> None:
    """Take the first request out of a lane's queue."""
    lane = state.lanes[place]
    lane.head = state.requests[lane.head].next
    if lane.head < 0:
        lane.tail = -1
        lane.gate = -1


@inner
def join_decodes(state: State, place: int, number: int) -> None:
    """A sequence whose cache is complete decodes from the next step on."""
    request, lane = state.requests[number], state.lanes[place]
    rules = state.pools[lane.pool]
    request.stage, request.joined = kinds.DECODING, lane.clock
    state.decoding[place, lane.decodes] = number
    state.ends[place, lane.decodes] = lane.clock + request.steps - request.walked
    state.crossings[place, (lane.clock + first_crossing(rules, request)) % rules.page_steps] += 1
    lane.decodes += 1
    lane.context += request.target
    lane.declared += request.declared - request.walked


@inner
def leave_decodes(state: State, place: int, index: int) -> int:
    """A sequence stops decoding and gives its pages back; returns its request."""
    lane, number = state.lanes[place], state.decoding[place, index]
    request, rules = state.requests[number], state.pools[lane.pool]
    steps, last = lane.clock - request.joined, lane.decodes - 1
    release(state, place, request, decoding_pages(rules, lane, request))
    state.crossings[place, (request.joined + first_crossing(rules, request)) % rules.page_steps] -= 1
    lane.context -= request.target + rules.growth * steps
    lane.declared -= request.declared - request.walked - rules.growth * steps
    request.walked += steps
    state.decoding[place, index], state.ends[place, index] = (
        state.decoding[place, last],
        state.ends[place, last],
    )
    lane.decodes = last
    if last == 0:  # sums of many floats end where they began
        lane.context, lane.declared = 0.0, 0.0
    return number


@inner
def _preempt(state: State, place: int) -> None:
    """Take the cache of one sequence away; what it had is computed again later.

    The last admitted goes, or where the rules say so the one with the least output (prompts under way
    have none).
    """
    lane = state.lanes[place]
    rules = state.pools[lane.pool]
    if lane.prompts > 0:
        lane.prompts -= 1
        number = state.prompts[place, lane.prompts]
        request = state.requests[number]
        release(state, place, request, pages_of(rules, request.target))
    else:
        number = leave_decodes(state, place, _victim(state, place))
        request = state.requests[number]
        request.target = request.isl + int(rules.growth * request.walked) + 1
    request.done = 0
    request.preemptions += 1
    request.eligible_s = 0.0
    _requeue(state, place, number)


@inner
def _victim(state: State, place: int) -> int:
    """Which of those who decode is preempted first."""
    lane, victim = state.lanes[place], ZERO
    for index in range(1, lane.decodes):
        one = state.requests[state.decoding[place, index]]
        if _goes_before(state.pools[lane.pool], one, state.requests[state.decoding[place, victim]]):
            victim = index
    return victim


@inner
def _goes_before(rules: PoolRow, one: RequestRow, two: RequestRow) -> bool:
    if rules.least_output == 1:
        first, second = one.walked - one.joined, two.walked - two.joined
        if first != second:
            return first < second
    return one.order > two.order


@inner
def make_room(state: State, place: int) -> bool:
    """Preempt until every sequence that decodes finds the page of its next token, and once that is
    needed those of some steps more; whether any was preempted.
    """
    lane, preempted, steps = state.lanes[place], False, ONE
    rules = state.pools[lane.pool]
    while lane.decodes > 0 and needed_pages(state, place, steps) > available(rules, lane):
        if preempted and lane.decodes == 1 and lane.prompts == 0:
            steps = ONE  # the last one stays if it can take a step
            if needed_pages(state, place, steps) <= available(rules, lane):
                break
        _preempt(state, place)
        preempted, steps = True, rules.headroom
    return preempted


@inner
def prompt_tokens(state: State, place: int) -> int:
    """Prompt tokens of the lane's next step."""
    tokens = 0
    for index in range(state.lanes[place].prompts):
        tokens += state.chunks[place, index]
    return tokens
