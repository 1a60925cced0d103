"""Compiled: the event loop of a cluster, and notes of its state."""

from collections.abc import Callable

import numpy as np

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.compiled import entry, fingerprint, inner
from simkit.sim.kernel.group import advance_decodes, begin, end_decodes, finish_prompt, step_under_way_s
from simkit.sim.kernel.kv_transfer import wake
from simkit.sim.kernel.pages import unit_pages
from simkit.sim.kernel.routes import arrive, offer, send
from simkit.sim.kernel.state import State


@inner
def sample(state: State, now_s: float) -> None:
    """Note the state of the cluster; when the places are full every second goes, and notes become rarer."""
    stride = state.counters[c.S_STRIDE]
    places = len(state.samples)
    if state.counters[c.S_SAMPLES] == places:
        for place in range(places // 2):
            for column in range(state.samples.shape[1]):
                state.samples[place, column] = state.samples[2 * place, column]
        state.counters[c.S_SAMPLES], state.counters[c.S_STRIDE] = places // 2, 2 * stride
    if state.counters[c.S_EVENTS] % state.counters[c.S_STRIDE] > 0:
        return
    row = state.samples[state.counters[c.S_SAMPLES]]
    row[0], row[1], row[2], row[3], row[4] = now_s, 0.0, 0.0, 0.0, 0.0
    for lane in range(len(state.lanes)):
        of = state.lanes[lane]
        row[2] += of[c.L_DECODES] + of[c.L_PROMPTS]
        row[1] += of[c.L_LOAD] - of[c.L_DECODES] - of[c.L_PROMPTS]
        row[3] += of[c.L_PRIVATE] + (of[c.L_UNITS] - of[c.L_IDLE]) * unit_pages(state, lane)
        row[4] += of[c.L_IDLE] * unit_pages(state, lane)
    state.counters[c.S_SAMPLES] += 1


# --- Compiled: the event loop of a cluster.
# Three kinds of event: a request is sent, a request (or its cache) reaches an engine, a group of lanes ends
# its steps. Between events nothing changes, so runs of decode steps are walked in one go.


@inner
def _next_group(state: State) -> int:
    """The group whose steps end first."""
    best = 0
    for group in range(1, len(state.groups)):
        if state.groups_f[group, c.GF_END] < state.groups_f[best, c.GF_END]:
            best = group
    return best


@inner
def _next_send_s(state: State, now_s: float) -> float:
    """When the next request is sent: at its time, and under a closed load when a slot is free."""
    following, most = state.counters[c.S_NEXT], state.counters[c.S_CONCURRENCY]
    if following == len(state.requests) or (most > 0 and state.counters[c.S_IN_FLIGHT] >= most):
        return np.inf
    return max(state.requests_f[following, c.RF_ARRIVAL], now_s)


@inner
def _begin_awake(state: State, now_s: float) -> None:
    """Start the next step of every group that ended one or was brought work."""
    state.counters[c.S_AWAKE] = 0
    for group in range(len(state.groups)):
        if state.groups[group, c.G_KIND] == c.AWAKE:
            begin(state, group, now_s)


@inner
def _end(state: State, group: int, now_s: float) -> None:
    """The steps of a group are done: tokens are out, caches have grown, some requests are finished."""
    row = state.groups[group]
    for lane in range(row[c.G_FIRST], row[c.G_FIRST] + row[c.G_LANES]):
        state.lanes_f[lane, c.LF_STEP] = step_under_way_s(state, lane, now_s)
    for lane in range(row[c.G_FIRST], row[c.G_FIRST] + row[c.G_LANES]):
        if state.lanes[lane, c.L_RUNS] == 1:
            advance_decodes(state, lane, row[c.G_STEPS])
            end_decodes(state, lane, now_s)
        _end_prompts(state, lane, now_s)
    state.counters[c.S_STEPS] += row[c.G_STEPS]
    row[c.G_KIND] = c.RESTING
    state.groups_f[group, c.GF_END] = np.inf
    wake(state, group)
    sample(state, now_s)


@inner
def _end_prompts(state: State, lane: int, now_s: float) -> None:
    """Book the chunks of a step; what is complete leaves the list, the rest keeps its order."""
    kept = 0
    for place in range(state.lanes[lane, c.L_PROMPTS]):
        request = state.prompts[lane, place]
        row = state.requests[request]
        row[c.R_DONE] += state.chunks[lane, place]
        if row[c.R_DONE] < row[c.R_TARGET]:
            state.prompts[lane, kept] = request
            kept += 1
        elif finish_prompt(state, lane, request, now_s):
            offer(state, request, now_s)
    state.lanes[lane, c.L_PROMPTS] = kept


@inner
def _serve(state: State, now_s: float, last: bool) -> float:
    """Serve the requests; returns the time reached.

    last: to the end. Otherwise it stops when the next request to be sent is not among those at hand.
    """
    while True:
        if not last and state.counters[c.S_NEXT] == len(state.requests):
            return now_s
        send_s, arrive_s = _next_send_s(state, now_s), np.inf
        if state.counters[c.S_COMING] > 0:
            arrive_s = state.coming_s[0]
        group = _next_group(state)
        end_s = state.groups_f[group, c.GF_END]
        soonest_s = min(send_s, arrive_s, end_s)
        if soonest_s > now_s and state.counters[c.S_AWAKE] > 0:  # all that happens now has happened
            _begin_awake(state, now_s)
            continue
        if soonest_s == np.inf:
            return now_s
        now_s = max(now_s, soonest_s)
        state.counters[c.S_EVENTS] += 1
        if end_s <= soonest_s:
            _end(state, group, now_s)
        elif send_s <= soonest_s:
            send(state, now_s)
        else:
            arrive(state, now_s)


def _made(version: int) -> Callable[[State, float, bool], float]:
    @entry
    def run(state: State, now_s: float, last: bool) -> float:
        return _serve(state, now_s, last) if version >= 0 else now_s

    return run


run = _made(fingerprint(c))
