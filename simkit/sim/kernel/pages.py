"""Compiled: pages of KV cache, shared prefixes, and pages reserved for running sequences."""

import numpy as np

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.state import State

# --- Compiled: pages of KV cache and prefixes that several requests share.
# A lane has so many pages. Each is private to a sequence, part of a cached prefix unit (a block of a
# request's block_ids, several pages), or free. A unit without references stays until its pages are
# needed; the longest unused goes first, the end of a prefix before its beginning.


@inner
def pages_of(state: State, lane: int, tokens: int) -> int:
    """Pages that hold so many tokens."""
    page = state.rules[state.lanes[lane, c.L_POOL], c.P_PAGE]
    return (tokens + page - 1) // page


@inner
def unit_pages(state: State, lane: int) -> int:
    """Pages of one unit of the prefix cache."""
    pool = state.lanes[lane, c.L_POOL]
    return state.rules[pool, c.P_UNIT] // state.rules[pool, c.P_PAGE]


@inner
def available(state: State, lane: int) -> int:
    """Pages that are free or would be after eviction of idle prefixes."""
    row = state.lanes[lane]
    used = row[c.L_PRIVATE] + (row[c.L_UNITS] - row[c.L_IDLE]) * unit_pages(state, lane)
    return state.rules[row[c.L_POOL], c.P_PAGES] - used


@inner
def _unlink(state: State, lane: int, unit: int) -> None:
    older, newer = state.older[lane], state.newer[lane]
    newer[older[unit]], older[newer[unit]] = newer[unit], older[unit]


@inner
def _rest(state: State, lane: int, unit: int) -> None:
    """Put an idle unit behind all others: the last to be evicted."""
    older, newer = state.older[lane], state.newer[lane]
    ring = len(older) - 1
    last = older[ring]
    newer[last], older[unit], newer[unit], older[ring] = unit, last, ring, unit


@inner
def take_pages(state: State, lane: int, pages: int) -> None:
    """Make pages private to sequences, evicting prefixes where none are free; they must be available."""
    row = state.lanes[lane]
    row[c.L_PRIVATE] += pages
    size, held = unit_pages(state, lane), state.rules[row[c.L_POOL], c.P_PAGES]
    ring = state.newer.shape[1] - 1
    while row[c.L_PRIVATE] + row[c.L_UNITS] * size > held and row[c.L_IDLE] > 0:
        unit = state.newer[lane, ring]
        _unlink(state, lane, unit)
        state.refs[lane, unit] = -1
        row[c.L_UNITS] -= 1
        row[c.L_IDLE] -= 1
    row[c.L_PEAK] = max(row[c.L_PEAK], row[c.L_PRIVATE] + (row[c.L_UNITS] - row[c.L_IDLE]) * size)


@inner
def found_units(state: State, lane: int, request: int) -> int:
    """Leading units of a prompt that the lane holds; at least one token is left to compute."""
    row = state.requests[request]
    pool = state.lanes[lane, c.L_POOL]
    if state.rules[pool, c.P_CACHING] == 0:
        return 0
    most = min(row[c.R_UNITS], (row[c.R_TARGET] - 1) // state.rules[pool, c.P_UNIT])
    count = 0
    while count < most and state.refs[lane, state.block_ids[row[c.R_BLOCK] + count]] >= 0:
        count += 1
    return count


@inner
def idle_units(state: State, lane: int, request: int, count: int) -> int:
    """How many of the first units have no reference."""
    first, idle = state.requests[request, c.R_BLOCK], 0
    for index in range(first, first + count):
        idle += state.refs[lane, state.block_ids[index]] == 0
    return idle


@inner
def refer(state: State, lane: int, request: int, count: int) -> None:
    """A request uses the first units of its prompt."""
    first = state.requests[request, c.R_BLOCK]
    for index in range(first, first + count):
        unit = state.block_ids[index]
        if state.refs[lane, unit] == 0:
            _unlink(state, lane, unit)
            state.lanes[lane, c.L_IDLE] -= 1
        state.refs[lane, unit] += 1
    state.requests[request, c.R_SHARED] = count


@inner
def share_prompt(state: State, lane: int, request: int, tokens: int) -> None:
    """The first tokens of a prompt become a prefix for others; copies of known units stay private."""
    row, pool = state.requests[request], state.lanes[lane, c.L_POOL]
    if state.rules[pool, c.P_CACHING] == 0:
        return
    for count in range(row[c.R_SHARED], min(row[c.R_UNITS], tokens // state.rules[pool, c.P_UNIT])):
        unit = state.block_ids[row[c.R_BLOCK] + count]
        if state.refs[lane, unit] >= 0:
            return
        state.refs[lane, unit] = 1
        state.lanes[lane, c.L_UNITS] += 1
        state.lanes[lane, c.L_PRIVATE] -= unit_pages(state, lane)
        row[c.R_SHARED] = count + 1
        state.lanes[lane, c.L_FULL] = 0


@inner
def release(state: State, lane: int, request: int, pages: int) -> None:
    """A request gives back its pages, `pages` in all; its units may become idle, the last one first."""
    row = state.requests[request]
    state.lanes[lane, c.L_PRIVATE] -= pages - row[c.R_SHARED] * unit_pages(state, lane)
    for index in range(row[c.R_BLOCK] + row[c.R_SHARED] - 1, row[c.R_BLOCK] - 1, -1):
        unit = state.block_ids[index]
        state.refs[lane, unit] -= 1
        if state.refs[lane, unit] == 0:
            _rest(state, lane, unit)
            state.lanes[lane, c.L_IDLE] += 1
    row[c.R_SHARED] = 0
    state.lanes[lane, c.L_FULL] = 0


@inner
def first_crossing(state: State, lane: int, request: int) -> int:
    """Decode steps after joining before which a sequence needs its first further page."""
    pool = state.lanes[lane, c.L_POOL]
    left = (-state.requests[request, c.R_TARGET]) % state.rules[pool, c.P_PAGE]
    return int(left / state.rules_f[pool, c.PF_GROWTH]) % state.rules[pool, c.P_PAGE_STEPS]


@inner
def decoding_pages(state: State, lane: int, request: int) -> int:
    """Pages of a decoding sequence: those of what was prefilled, and one per crossing since."""
    row, period = state.requests[request], state.rules[state.lanes[lane, c.L_POOL], c.P_PAGE_STEPS]
    steps = state.lanes[lane, c.L_CLOCK] - row[c.R_JOINED]
    crossed = max(steps - first_crossing(state, lane, request) + period - 1, 0) // period
    return pages_of(state, lane, row[c.R_TARGET]) + crossed


@inner
def needed_pages(state: State, lane: int, steps: int) -> int:
    """Pages that the next decode steps take."""
    row = state.lanes[lane]
    period = state.rules[row[c.L_POOL], c.P_PAGE_STEPS]
    pages = (steps // period) * row[c.L_DECODES]
    for later in range(steps % period):
        pages += state.crossings[lane, (row[c.L_CLOCK] + later) % period]
    return pages


@inner
def steps_that_fit(state: State, lane: int, most: int) -> int:
    """How many decode steps, up to `most`, the available pages allow."""
    row = state.lanes[lane]
    period, free = state.rules[row[c.L_POOL], c.P_PAGE_STEPS], available(state, lane)
    rounds = free // row[c.L_DECODES]
    steps, free = rounds * period, free - rounds * row[c.L_DECODES]
    while steps < most:
        free -= state.crossings[lane, (row[c.L_CLOCK] + steps) % period]
        if free < 0:
            return steps
        steps += 1
    return most


# --- Compiled: cache that sequences may still take, under rules that admit a sequence only with room for it.


@inner
def own_promise(state: State, lane: int, request: int) -> int:
    """Pages for the reserved share of what a request may still put out, beyond those of its prefill."""
    row, pool = state.requests[request], state.lanes[lane, c.L_POOL]
    tokens = state.rules_f[pool, c.PF_OWN] * (row[c.R_DECLARED] - row[c.R_WALKED])
    most = pages_of(state, lane, row[c.R_TARGET] + int(np.ceil(max(tokens, 0.0))))
    return most - pages_of(state, lane, row[c.R_TARGET])


@inner
def promised_pages(state: State, lane: int) -> int:
    """Pages that all who have some may still take."""
    row = state.lanes[lane]
    rules, growth = state.rules_f[row[c.L_POOL]], state.rules_f[row[c.L_POOL], c.PF_GROWTH]
    pages = row[c.L_PROMISED]
    for place in range(row[c.L_PROMPTS]):
        pages += own_promise(state, lane, state.prompts[lane, place])
    if rules[c.PF_RESERVE] < 1.0:  # a share of a sum, in tokens
        tokens = rules[c.PF_RESERVE] * max(state.lanes_f[lane, c.LF_DECLARED], 0.0)
        return pages + row[c.L_DECODES] + int(np.ceil(tokens / state.rules[row[c.L_POOL], c.P_PAGE]))
    for place in range(row[c.L_DECODES]):
        request = state.decoding[lane, place]
        one = state.requests[request]
        made = growth * (row[c.L_CLOCK] - one[c.R_JOINED])
        left = max(one[c.R_DECLARED] - one[c.R_WALKED] - made, 0.0)
        most = pages_of(state, lane, one[c.R_TARGET] + int(np.ceil(made + left)))
        # Drafts are accepted by chance: pages are counted by the mean, a sequence may need one more.
        most += 1 if growth > 1.0 else 0
        pages += max(most - decoding_pages(state, lane, request), 0)
    return pages
