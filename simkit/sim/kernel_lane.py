"""Compiled: what one lane does in its next step, as the engine's scheduler decides it.

The scheduler sees prompts, what was generated so far and what a request declares as its most; never how
long an answer turns out.
"""

import numpy as np

from simkit.sim import columns as c
from simkit.sim.compiled import inner
from simkit.sim.kernel_pages import (
    available,
    decoding_pages,
    first_crossing,
    found_units,
    idle_units,
    needed_pages,
    pages_of,
    refer,
    release,
    take_pages,
    unit_pages,
)
from simkit.sim.state import State


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
def _dequeue(state: State, lane: int) -> int:
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
def _make_room(state: State, lane: int) -> bool:
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
def gate_open(state: State, lane: int, now_s: float) -> bool:
    """Whether the scheduler turns to the first waiting request now; nobody waits where none decode."""
    row = state.lanes[lane]
    if row[c.L_HEAD] < 0 or row[c.L_FULL] == 1:
        return False
    if row[c.L_DECODES] == 0:
        return True
    if state.requests_f[row[c.L_HEAD], c.RF_ELIGIBLE] > now_s:
        return False
    if row[c.L_GATE] < 0:
        poll, hold = state.rules[row[c.L_POOL], c.P_POLL], state.rules[row[c.L_POOL], c.P_HOLD]
        late = (-row[c.L_CLOCK]) % poll if poll > 0 else 0
        row[c.L_GATE] = row[c.L_CLOCK] + late + hold
    return row[c.L_CLOCK] >= row[c.L_GATE]


@inner
def may_admit(state: State, lane: int) -> bool:
    """Whether a lane has a sequence and tokens to spare, and no request was found too large for it."""
    row = state.lanes[lane]
    rules = state.rules[row[c.L_POOL]]
    spare = rules[c.P_BUDGET] - (row[c.L_DECODES] if rules[c.P_MIXED] == 1 else 0)
    return row[c.L_FULL] == 0 and row[c.L_DECODES] + row[c.L_PROMPTS] < rules[c.P_MAX_SEQS] and spare > 0


@inner
def _room_for(state: State, lane: int, request: int, units: int) -> int:
    """Pages a waiting request takes at once, -1 where the rules do not admit it yet."""
    row, lane_row = state.requests[request], state.lanes[lane]
    size, rules = unit_pages(state, lane), state.rules_f[lane_row[c.L_POOL]]
    pages = pages_of(state, lane, row[c.R_TARGET]) - units * size
    free = available(state, lane) - idle_units(state, lane, request, units) * size
    if row[c.R_DONE] == row[c.R_TARGET] and first_crossing(state, lane, request) == 0:
        free -= 1  # it decodes at once
    others = lane_row[c.L_DECODES] + lane_row[c.L_PROMPTS]
    if rules[c.PF_OWN] > 0 and others > 0:
        promised = rules[c.PF_RESERVE] * max(state.lanes_f[lane, c.LF_DECLARED], 0.0)
        promised += rules[c.PF_OWN] * (row[c.R_DECLARED] - row[c.R_WALKED])
        for place in range(lane_row[c.L_PROMPTS]):
            other = state.requests[state.prompts[lane, place]]
            promised += rules[c.PF_OWN] * (other[c.R_DECLARED] - other[c.R_WALKED])
        page = state.rules[lane_row[c.L_POOL], c.P_PAGE]
        free -= int(np.ceil(promised / page)) + others + 1
    return pages if pages <= free else -1


@inner
def _admit(state: State, lane: int, now_s: float) -> bool:
    """Start the first waiting request, if there is cache for it."""
    request = state.lanes[lane, c.L_HEAD]
    row = state.requests[request]
    units = found_units(state, lane, request)
    pages = _room_for(state, lane, request, units)
    if pages < 0:
        state.lanes[lane, c.L_FULL] = 1
        return False
    arrived = row[c.R_DONE] == row[c.R_TARGET]  # with its cache, from another engine
    _dequeue(state, lane)
    refer(state, lane, request, units)
    take_pages(state, lane, pages)
    state.counters[c.S_ORDER] += 1
    row[c.R_ORDER], row[c.R_STAGE] = state.counters[c.S_ORDER], c.PREFILLING
    if arrived:
        state.requests_f[request, c.RF_FIRST] = now_s
        join_decodes(state, lane, request)
        return True
    row[c.R_DONE] = units * state.rules[state.lanes[lane, c.L_POOL], c.P_UNIT]
    if np.isnan(state.requests_f[request, c.RF_START]):
        state.requests_f[request, c.RF_START] = now_s
        row[c.R_CACHED] = row[c.R_DONE]
    place = state.lanes[lane, c.L_PROMPTS]
    state.prompts[lane, place], state.chunks[lane, place] = request, 0
    state.lanes[lane, c.L_PROMPTS] = place + 1
    return True


@inner
def _give_chunks(state: State, lane: int, start: int, budget: int) -> int:
    """Divide the budget among prompts from `start` on, first come first served; what is left."""
    for place in range(start, state.lanes[lane, c.L_PROMPTS]):
        row = state.requests[state.prompts[lane, place]]
        chunk = min(row[c.R_TARGET] - row[c.R_DONE], budget)
        state.chunks[lane, place] = chunk
        budget -= chunk
    return budget


@inner
def compose(state: State, lane: int, now_s: float) -> None:
    """Decide a lane's next step: who prefills how much, and whether those who decode take part."""
    row = state.lanes[lane]
    pool = row[c.L_POOL]
    mixed = state.rules[pool, c.P_MIXED] == 1
    preempted = _make_room(state, lane) if mixed else False
    budget = state.rules[pool, c.P_BUDGET] - (row[c.L_DECODES] if mixed else 0)
    budget = _give_chunks(state, lane, 0, max(budget, 0))
    if not preempted and gate_open(state, lane, now_s):
        _admit_more(state, lane, now_s, budget)
    prompts = prompt_tokens(state, lane)
    if not mixed and prompts == 0:
        _make_room(state, lane)
    row[c.L_RUNS] = 1 if row[c.L_DECODES] > 0 and (mixed or prompts == 0) else 0


@inner
def prompt_tokens(state: State, lane: int) -> int:
    """Prompt tokens of the lane's next step."""
    tokens = 0
    for place in range(state.lanes[lane, c.L_PROMPTS]):
        tokens += state.chunks[lane, place]
    return tokens


@inner
def _admit_more(state: State, lane: int, now_s: float, budget: int) -> None:
    row = state.lanes[lane]
    most = state.rules[row[c.L_POOL], c.P_MAX_SEQS]
    while row[c.L_HEAD] >= 0 and row[c.L_DECODES] + row[c.L_PROMPTS] < most and budget > 0:
        if row[c.L_DECODES] > 0 and state.requests_f[row[c.L_HEAD], c.RF_ELIGIBLE] > now_s:
            break
        before = row[c.L_PROMPTS]
        reserved = needed_pages(state, lane, 1) if row[c.L_DECODES] > 0 else 0
        row[c.L_PRIVATE] += reserved  # pages of the next decode step are not for newcomers
        admitted = _admit(state, lane, now_s)
        row[c.L_PRIVATE] -= reserved
        if not admitted:
            break
        budget = _give_chunks(state, lane, before, budget)
