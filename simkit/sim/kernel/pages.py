"""Compiled: pages of KV cache, shared prefixes, and pages reserved for running sequences."""

import numpy as np

from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.layout import LaneRow, PoolRow, RequestRow
from simkit.sim.kernel.state import State

# --- Compiled: pages of KV cache and prefixes that several requests share.
# A lane has so many pages. Each is private to a sequence, part of a cached prefix unit (a block of a
# request's block_ids, several pages), or free. A unit without references stays until its pages are
# needed; the longest unused goes first, the end of a prefix before its beginning.


@inner
def pages_of(rules: PoolRow, tokens: int) -> int:
    """Pages that hold so many tokens."""
    return (tokens + rules.page - 1) // rules.page


@inner
def used_pages(rules: PoolRow, lane: LaneRow) -> int:
    """Pages that sequences use, their own and those of shared prefixes."""
    return lane.private + (lane.units - lane.idle) * rules.unit_pages


@inner
def available(rules: PoolRow, lane: LaneRow) -> int:
    """Pages that are free or would be after eviction of idle prefixes."""
    return rules.pages - used_pages(rules, lane)


@inner
def _unlink(state: State, place: int, unit: int) -> None:
    older, newer = state.older[place], state.newer[place]
    newer[older[unit]], older[newer[unit]] = newer[unit], older[unit]


@inner
def _rest(state: State, place: int, unit: int) -> None:
    """Put an idle unit behind all others: the last to be evicted."""
    older, newer = state.older[place], state.newer[place]
    ring = len(older) - 1
    last = older[ring]
    newer[last], older[unit], newer[unit], older[ring] = unit, last, ring, unit


@inner
def take_pages(state: State, place: int, pages: int) -> None:
    """Make pages private to sequences, evicting prefixes where none are free; they must be available."""
    lane = state.lanes[place]
    rules, refs = state.pools[lane.pool], state.refs[place]
    lane.private += pages
    while lane.private + lane.units * rules.unit_pages > rules.pages and lane.idle > 0:
        unit = state.newer[place, len(refs) - 1]
        _unlink(state, place, unit)
        refs[unit] = -1
        lane.units -= 1
        lane.idle -= 1
    lane.peak = max(lane.peak, used_pages(rules, lane))


@inner
def found_units(state: State, place: int, request: RequestRow) -> int:
    """Leading units of a prompt that the lane holds; at least one token is left to compute."""
    rules, refs = state.pools[state.lanes[place].pool], state.refs[place]
    if rules.caching == 0:
        return 0
    most = min(request.units, (request.target - 1) // rules.unit)
    count = 0
    while count < most and refs[state.block_ids[request.block + count]] >= 0:
        count += 1
    return count


@inner
def idle_units(state: State, place: int, request: RequestRow, count: int) -> int:
    """How many of the first units have no reference."""
    refs, idle = state.refs[place], 0
    for index in range(request.block, request.block + count):
        idle += refs[state.block_ids[index]] == 0
    return idle


@inner
def refer(state: State, place: int, request: RequestRow, count: int) -> None:
    """A request uses the first units of its prompt."""
    refs, lane = state.refs[place], state.lanes[place]
    for index in range(request.block, request.block + count):
        unit = state.block_ids[index]
        if refs[unit] == 0:
            _unlink(state, place, unit)
            lane.idle -= 1
        refs[unit] += 1
    request.shared = count


@inner
def share_prompt(state: State, place: int, request: RequestRow, tokens: int) -> None:
    """The first tokens of a prompt become a prefix for others; copies of known units stay private."""
    lane, refs = state.lanes[place], state.refs[place]
    rules = state.pools[lane.pool]
    if rules.caching == 0:
        return
    for count in range(request.shared, min(request.units, tokens // rules.unit)):
        unit = state.block_ids[request.block + count]
        if refs[unit] >= 0:
            return
        refs[unit] = 1
        lane.units += 1
        lane.private -= rules.unit_pages
        request.shared = count + 1
        lane.full = 0


@inner
def release(state: State, place: int, request: RequestRow, pages: int) -> None:
    """A request gives back its pages, `pages` in all; its units may become idle, the last one first."""
    lane, refs = state.lanes[place], state.refs[place]
    lane.private -= pages - request.shared * state.pools[lane.pool].unit_pages
    for index in range(request.block + request.shared - 1, request.block - 1, -1):
        unit = state.block_ids[index]
        refs[unit] -= 1
        if refs[unit] == 0:
            _rest(state, place, unit)
            lane.idle += 1
    request.shared = 0
    lane.full = 0


@inner
def first_crossing(rules: PoolRow, request: RequestRow) -> int:
    """Decode steps after joining before which a sequence needs its first further page."""
    left = (-request.target) % rules.page
    return int(left / rules.growth) % rules.page_steps


@inner
def decoding_pages(rules: PoolRow, lane: LaneRow, request: RequestRow) -> int:
    """Pages of a decoding sequence: those of what was prefilled, and one per crossing since."""
    steps = lane.clock - request.joined
    crossed = max(steps - first_crossing(rules, request) + rules.page_steps - 1, 0) // rules.page_steps
    return pages_of(rules, request.target) + crossed


@inner
def needed_pages(state: State, place: int, steps: int) -> int:
    """Pages that the next decode steps take."""
    lane, crossings = state.lanes[place], state.crossings[place]
    period = state.pools[lane.pool].page_steps
    pages = (steps // period) * lane.decodes
    for later in range(steps % period):
        pages += crossings[(lane.clock + later) % period]
    return pages


@inner
def steps_that_fit(state: State, place: int, most: int) -> int:
    """How many decode steps, up to `most`, the available pages allow."""
    lane, crossings = state.lanes[place], state.crossings[place]
    rules = state.pools[lane.pool]
    period, free = rules.page_steps, available(rules, lane)
    rounds = free // lane.decodes
    steps, free = rounds * period, free - rounds * lane.decodes
    while steps < most:
        free -= crossings[(lane.clock + steps) % period]
        if free < 0:
            return steps
        steps += 1
    return most


# --- Compiled: cache that sequences may still take, under rules that admit a sequence only with room for it.


@inner
def own_promise(rules: PoolRow, request: RequestRow) -> int:
    """Pages for the reserved share of what a request may still put out, beyond those of its prefill."""
    tokens = rules.own_frac * (request.declared - request.walked)
    most = pages_of(rules, request.target + int(np.ceil(max(tokens, 0.0))))
    return most - pages_of(rules, request.target)


@inner
def promised_pages(state: State, place: int) -> int:
    """Pages that all who have some may still take."""
    lane = state.lanes[place]
    rules, pages = state.pools[lane.pool], lane.promised
    for index in range(lane.prompts):
        pages += own_promise(rules, state.requests[state.prompts[place, index]])
    if rules.reserve_frac < 1.0:  # a share of a sum, in tokens
        tokens = rules.reserve_frac * max(lane.declared, 0.0)
        return pages + lane.decodes + int(np.ceil(tokens / rules.page))
    for index in range(lane.decodes):
        request = state.requests[state.decoding[place, index]]
        made = rules.growth * (lane.clock - request.joined)
        left = max(request.declared - request.walked - made, 0.0)
        most = pages_of(rules, request.target + int(np.ceil(made + left)))
        # Drafts are accepted by chance: pages are counted by the mean, a sequence may need one more.
        most += 1 if rules.growth > 1.0 else 0
        pages += max(most - decoding_pages(rules, lane, request), 0)
    return pages
