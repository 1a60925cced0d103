"""Compiled: what one lane does in its next step, as the engine's scheduler decides it.

The scheduler sees prompts, what was generated so far and what a request declares as its most; never how
long an answer turns out.
"""

import numpy as np

from simkit.sim.kernel import kinds
from simkit.sim.kernel.compiled import ONE, ZERO, inner
from simkit.sim.kernel.kv_transfer import begin_transfer, join_placed, spare_page
from simkit.sim.kernel.lane import dequeue, make_room, prompt_tokens
from simkit.sim.kernel.layout import LaneRow, PoolRow
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
)
from simkit.sim.kernel.state import State


@inner
def _gate_open(state: State, rules: PoolRow, lane: LaneRow, now_s: float) -> bool:
    """Whether the first waiting request may be scheduled now; without decodes it is at once."""
    if lane.head < 0 or lane.full == 1:
        return False
    if lane.decodes == 0:
        return True
    if state.requests[lane.head].eligible_s > now_s:
        return False
    if lane.gate < 0:
        late = (-lane.clock) % rules.poll if rules.poll > 0 else 0
        lane.gate = lane.clock + late + rules.hold
    return lane.clock >= lane.gate


@inner
def may_admit(rules: PoolRow, lane: LaneRow) -> bool:
    """Whether a lane has a sequence and tokens to spare, and no request was found too large for it."""
    spare = rules.budget - (lane.decodes if rules.mixed == 1 else 0)
    return lane.full == 0 and lane.decodes + lane.prompts < rules.max_seqs and spare > 0


@inner
def _room_for(state: State, place: int, number: int, units: int) -> int:
    """Pages a waiting request takes at once, -1 where the rules do not admit it yet."""
    request, lane = state.requests[number], state.lanes[place]
    rules = state.pools[lane.pool]
    pages = pages_of(rules, request.target) - units * rules.unit_pages
    free = available(rules, lane) - idle_units(state, place, request, units) * rules.unit_pages
    if request.done == request.target:
        pages += spare_page(rules, request)
    others = lane.decodes + lane.prompts + lane.held
    if rules.own_frac > 0 and others > 0:
        free -= promised_pages(state, place) + own_promise(rules, request)
    return pages if pages <= free else -1


@inner
def _admit(state: State, place: int, now_s: float) -> bool:
    """Start the first waiting request, if there is cache for it."""
    lane, number = state.lanes[place], state.lanes[place].head
    request = state.requests[number]
    units = found_units(state, place, request)
    pages = _room_for(state, place, number, units)
    if pages < 0:
        lane.full = 1
        return False
    dequeue(state, place)
    if request.done == request.target:  # another engine has its cache
        take_pages(state, place, pages)
        begin_transfer(state, place, number, now_s)
        return True
    refer(state, place, request, units)
    take_pages(state, place, pages)
    state.run[0].order += 1
    request.order, request.stage = state.run[0].order, kinds.PREFILLING
    request.done = units * state.pools[lane.pool].unit
    if np.isnan(request.start_s):
        request.start_s, request.cached = now_s, request.done
    state.prompts[place, lane.prompts], state.chunks[place, lane.prompts] = number, 0
    lane.prompts += 1
    return True


@inner
def _give_chunks(state: State, place: int, start: int, budget: int) -> int:
    """Divide the budget among prompts from `start` on, first come first served; what is left."""
    lane = state.lanes[place]
    early = state.pools[lane.pool].early == 1
    for index in range(start, lane.prompts):
        request = state.requests[state.prompts[place, index]]
        chunk = min(request.target - request.done, budget)
        state.chunks[place, index] = chunk
        budget -= chunk
        if early:
            share_prompt(state, place, request, request.done + chunk)
    return budget


@inner
def compose(state: State, place: int, now_s: float) -> None:
    """Decide a lane's next step: how much each prompt prefills, and whether sequences decode."""
    lane = state.lanes[place]
    rules = state.pools[lane.pool]
    mixed = rules.mixed == 1
    join_placed(state, place, now_s)
    preempted = make_room(state, place) if mixed else False
    budget = rules.budget - (lane.decodes if mixed else 0)
    budget = _give_chunks(state, place, ZERO, max(budget, 0))
    if not preempted and _gate_open(state, rules, lane, now_s):
        _admit_more(state, place, now_s, budget)
    prompts = prompt_tokens(state, place)
    if not mixed and prompts == 0:
        make_room(state, place)
    lane.runs = 1 if lane.decodes > 0 and (mixed or prompts == 0) else 0


@inner
def _admit_more(state: State, place: int, now_s: float, budget: int) -> None:
    lane = state.lanes[place]
    rules = state.pools[lane.pool]
    while lane.head >= 0 and lane.decodes + lane.prompts < rules.max_seqs and budget > 0:
        if lane.decodes > 0 and state.requests[lane.head].eligible_s > now_s:
            break
        before = lane.prompts
        promised = rules.reserve_frac >= 1.0  # the next step's pages are among them
        reserved = needed_pages(state, place, ONE) if lane.decodes > 0 and not promised else 0
        lane.private += reserved  # pages of the next decode step are not for newcomers
        admitted = _admit(state, place, now_s)
        lane.private -= reserved
        if not admitted:
            break
        budget = _give_chunks(state, place, before, budget)
