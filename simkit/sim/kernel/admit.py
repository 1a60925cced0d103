"""Compiled: what one lane does in its next step, as the engine's scheduler decides it.

The scheduler sees prompts, what was generated so far and what a request declares as its most; never how
long an answer turns out.
"""

import numpy as np

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.kv_transfer import begin_transfer, join_placed, spare_page
from simkit.sim.kernel.lane import dequeue, make_room, prompt_tokens
from simkit.sim.kernel.pages import (
    available,
    found_units,
    idle_units,
    needed_pages,
    own_promise,
    pages_of,
    promised_pages,
    refer,
    share_prompt,
    take_pages,
    unit_pages,
)
from simkit.sim.kernel.state import State


@inner
def gate_open(state: State, lane: int, now_s: float) -> bool:
    """Whether the first waiting request may be scheduled now; without decodes it is at once."""
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
    if row[c.R_DONE] == row[c.R_TARGET]:
        pages += spare_page(state, lane, request)
    others = lane_row[c.L_DECODES] + lane_row[c.L_PROMPTS] + lane_row[c.L_HELD]
    if rules[c.PF_OWN] > 0 and others > 0:
        free -= promised_pages(state, lane) + own_promise(state, lane, request)
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
    dequeue(state, lane)
    if row[c.R_DONE] == row[c.R_TARGET]:  # another engine has its cache
        take_pages(state, lane, pages)
        begin_transfer(state, lane, request, now_s)
        return True
    refer(state, lane, request, units)
    take_pages(state, lane, pages)
    state.counters[c.S_ORDER] += 1
    row[c.R_ORDER], row[c.R_STAGE] = state.counters[c.S_ORDER], c.PREFILLING
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
    early = state.rules[state.lanes[lane, c.L_POOL], c.P_EARLY] == 1
    for place in range(start, state.lanes[lane, c.L_PROMPTS]):
        row = state.requests[state.prompts[lane, place]]
        chunk = min(row[c.R_TARGET] - row[c.R_DONE], budget)
        state.chunks[lane, place] = chunk
        budget -= chunk
        if early:
            share_prompt(state, lane, state.prompts[lane, place], row[c.R_DONE] + chunk)
    return budget


@inner
def compose(state: State, lane: int, now_s: float) -> None:
    """Decide a lane's next step: how much each prompt prefills, and whether sequences decode."""
    row = state.lanes[lane]
    pool = row[c.L_POOL]
    mixed = state.rules[pool, c.P_MIXED] == 1
    join_placed(state, lane, now_s)
    preempted = make_room(state, lane) if mixed else False
    budget = state.rules[pool, c.P_BUDGET] - (row[c.L_DECODES] if mixed else 0)
    budget = _give_chunks(state, lane, 0, max(budget, 0))
    if not preempted and gate_open(state, lane, now_s):
        _admit_more(state, lane, now_s, budget)
    prompts = prompt_tokens(state, lane)
    if not mixed and prompts == 0:
        make_room(state, lane)
    row[c.L_RUNS] = 1 if row[c.L_DECODES] > 0 and (mixed or prompts == 0) else 0


@inner
def _admit_more(state: State, lane: int, now_s: float, budget: int) -> None:
    row = state.lanes[lane]
    most = state.rules[row[c.L_POOL], c.P_MAX_SEQS]
    while row[c.L_HEAD] >= 0 and row[c.L_DECODES] + row[c.L_PROMPTS] < most and budget > 0:
        if row[c.L_DECODES] > 0 and state.requests_f[row[c.L_HEAD], c.RF_ELIGIBLE] > now_s:
            break
        before = row[c.L_PROMPTS]
        promised = state.rules_f[row[c.L_POOL], c.PF_RESERVE] >= 1.0  # the next step's pages are among them
        reserved = needed_pages(state, lane, 1) if row[c.L_DECODES] > 0 and not promised else 0
        row[c.L_PRIVATE] += reserved  # pages of the next decode step are not for newcomers
        admitted = _admit(state, lane, now_s)
        row[c.L_PRIVATE] -= reserved
        if not admitted:
            break
        budget = _give_chunks(state, lane, before, budget)
