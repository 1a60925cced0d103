"""Compiled: cache that sequences may still take, under rules that admit nobody without room for it."""

import numpy as np

from simkit.sim import columns as c
from simkit.sim.compiled import inner
from simkit.sim.kernel_pages import decoding_pages, pages_of
from simkit.sim.state import State


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
