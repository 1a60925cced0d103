"""Compiled: sequences of one lane: its queue, its batch, and preemption when pages run out."""

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.pages import available, decoding_pages, first_crossing, needed_pages, pages_of, release
from simkit.sim.kernel.state import State


@inner
def enqueue(state: State, lane: int, request: int, first: bool) -> None:
    """Put a request into a lane's queue, at its end or (first) at its beginning."""
    row = state.lanes[lane]
    state.requests[request, c.R_STAGE] = c.WAITING
    state.requests[request, c.R_NEXT] = row[c.L_HEAD] if first else -1
    if row[c.L_HEAD] < 0:
        row[c.L_HEAD], row[c.L_TAIL] = request, request
    elif first:
        row[c.L_HEAD] = request
    else:
        state.requests[row[c.L_TAIL], c.R_NEXT] = request
        row[c.L_TAIL] = request


@inner
def dequeue(state: State, lane: int) -> int:
    """Take the first request out of a lane's queue."""
    request = state.lanes[lane, c.L_HEAD]
    state.lanes[lane, c.L_HEAD] = state.requests[request, c.R_NEXT]
    if state.lanes[lane, c.L_HEAD] < 0:
        state.lanes[lane, c.L_TAIL] = -1
        state.lanes[lane, c.L_GATE] = -1
    return request


@inner
def join_decodes(state: State, lane: int, request: int) -> None:
    """A sequence whose cache is complete decodes from the next step on."""
    row, place = state.requests[request], state.lanes[lane, c.L_DECODES]
    clock = state.lanes[lane, c.L_CLOCK]
    row[c.R_STAGE], row[c.R_JOINED] = c.DECODING, clock
    state.decoding[lane, place] = request
    state.ends[lane, place] = clock + row[c.R_STEPS] - row[c.R_WALKED]
    period = state.rules[state.lanes[lane, c.L_POOL], c.P_PAGE_STEPS]
    state.crossings[lane, (clock + first_crossing(state, lane, request)) % period] += 1
    state.lanes[lane, c.L_DECODES] += 1
    state.lanes_f[lane, c.LF_CONTEXT] += row[c.R_TARGET]
    state.lanes_f[lane, c.LF_DECLARED] += row[c.R_DECLARED] - row[c.R_WALKED]


@inner
def leave_decodes(state: State, lane: int, place: int) -> int:
    """A sequence stops decoding and gives its pages back; returns its request."""
    request, last = state.decoding[lane, place], state.lanes[lane, c.L_DECODES] - 1
    row, pool = state.requests[request], state.lanes[lane, c.L_POOL]
    period, growth = state.rules[pool, c.P_PAGE_STEPS], state.rules_f[pool, c.PF_GROWTH]
    steps = state.lanes[lane, c.L_CLOCK] - row[c.R_JOINED]
    release(state, lane, request, decoding_pages(state, lane, request))
    state.crossings[lane, (row[c.R_JOINED] + first_crossing(state, lane, request)) % period] -= 1
    state.lanes_f[lane, c.LF_CONTEXT] -= row[c.R_TARGET] + growth * steps
    state.lanes_f[lane, c.LF_DECLARED] -= row[c.R_DECLARED] - row[c.R_WALKED] - growth * steps
    row[c.R_WALKED] += steps
    state.decoding[lane, place], state.ends[lane, place] = state.decoding[lane, last], state.ends[lane, last]
    state.lanes[lane, c.L_DECODES] = last
    if last == 0:  # sums of many floats end where they began
        state.lanes_f[lane, c.LF_CONTEXT], state.lanes_f[lane, c.LF_DECLARED] = 0.0, 0.0
    return request


@inner
def _preempt(state: State, lane: int) -> None:
    """Take the cache of one sequence away; what it had is computed again later.

    The last admitted goes, or where the rules say so the one with the least output (prompts under way
    have none).
    """
    pool = state.lanes[lane, c.L_POOL]
    count = state.lanes[lane, c.L_PROMPTS]
    if count > 0:
        request = state.prompts[lane, count - 1]
        state.lanes[lane, c.L_PROMPTS] = count - 1
        release(state, lane, request, pages_of(state, lane, state.requests[request, c.R_TARGET]))
    else:
        victim = 0
        for place in range(1, state.lanes[lane, c.L_DECODES]):
            if _goes_before(state, lane, place, victim):
                victim = place
        request = leave_decodes(state, lane, victim)
        row = state.requests[request]
        row[c.R_TARGET] = row[c.R_ISL] + int(state.rules_f[pool, c.PF_GROWTH] * row[c.R_WALKED]) + 1
    state.requests[request, c.R_DONE] = 0
    state.requests[request, c.R_PREEMPTIONS] += 1
    state.requests_f[request, c.RF_ELIGIBLE] = 0.0
    enqueue(state, lane, request, True)


@inner
def _goes_before(state: State, lane: int, place: int, other: int) -> bool:
    one, two = state.requests[state.decoding[lane, place]], state.requests[state.decoding[lane, other]]
    if state.rules[state.lanes[lane, c.L_POOL], c.P_LEAST_OUTPUT] == 1:
        first, second = one[c.R_WALKED] - one[c.R_JOINED], two[c.R_WALKED] - two[c.R_JOINED]
        if first != second:
            return first < second
    return one[c.R_ORDER] > two[c.R_ORDER]


@inner
def make_room(state: State, lane: int) -> bool:
    """Preempt until every sequence that decodes finds the page of its next token, and once that is
    needed those of some steps more; whether any was preempted.
    """
    preempted, steps = False, 1
    while state.lanes[lane, c.L_DECODES] > 0 and needed_pages(state, lane, steps) > available(state, lane):
        if preempted and state.lanes[lane, c.L_DECODES] == 1 and state.lanes[lane, c.L_PROMPTS] == 0:
            steps = 1  # the last one stays if it can take a step
            if needed_pages(state, lane, 1) <= available(state, lane):
                break
        _preempt(state, lane)
        preempted, steps = True, state.rules[state.lanes[lane, c.L_POOL], c.P_HEADROOM]
    return preempted


@inner
def prompt_tokens(state: State, lane: int) -> int:
    """Prompt tokens of the lane's next step."""
    tokens = 0
    for place in range(state.lanes[lane, c.L_PROMPTS]):
        tokens += state.chunks[lane, place]
    return tokens
