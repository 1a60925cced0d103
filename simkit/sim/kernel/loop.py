"""Compiled: the event loop of a cluster, and notes of its state."""

from collections.abc import Callable

import numpy as np

from simkit.sim.kernel import kinds
from simkit.sim.kernel.admit import compose
from simkit.sim.kernel.compiled import entry, fingerprint, inner
from simkit.sim.kernel.group import advance_decodes, begin, end_decodes, finish_prompt, step_under_way_s
from simkit.sim.kernel.kv_transfer import wake
from simkit.sim.kernel.pages import used_pages
from simkit.sim.kernel.routes import arrive, offer, send
from simkit.sim.kernel.shared import shared
from simkit.sim.kernel.state import State


@inner
def _sample(state: State, now_s: float) -> None:
    """Note the state of the cluster; when the places are full every second goes, and notes become rarer."""
    run, places = state.run[0], len(state.samples)
    if run.samples == places:
        for place in range(places // 2):
            state.samples[place] = state.samples[2 * place]
        run.samples, run.stride = places // 2, 2 * run.stride
    if run.events % run.stride > 0:
        return
    now = state.samples[run.samples]
    now.time_s, now.waiting, now.running, now.used, now.idle = now_s, 0.0, 0.0, 0.0, 0.0
    for place in range(len(state.lanes)):
        lane = state.lanes[place]
        rules = state.pools[lane.pool]
        now.running += lane.decodes + lane.prompts
        now.waiting += lane.load - lane.decodes - lane.prompts
        now.used += used_pages(rules, lane)
        now.idle += lane.idle * rules.unit_pages
    run.samples += 1


# --- Compiled: the event loop of a cluster.
# Three kinds of event: a request is sent, a request (or its cache) reaches an engine, a group of lanes ends
# its steps. Between events nothing changes, so runs of decode steps are walked in one go.


@inner
def _next_group(state: State) -> int:
    """The group whose steps end first."""
    best = 0
    for group in range(1, len(state.groups)):
        if state.groups[group].end_s < state.groups[best].end_s:
            best = group
    return best


@inner
def _next_send_s(state: State, now_s: float) -> float:
    """When the next request is sent: at its time, and under a closed load when a slot is free."""
    run = state.run[0]
    if run.next == len(state.requests) or (run.concurrency > 0 and run.in_flight >= run.concurrency):
        return np.inf
    return max(state.requests[run.next].arrival_s, now_s)


@inner
def _compose_awake(state: State, now_s: float) -> None:
    """Decide the next step of every lane whose group ended one or was brought work."""
    for place in range(len(state.lanes)):
        if state.groups[state.lanes[place].group].kind == kinds.AWAKE:
            compose(state, place, now_s)


@inner
def _begin_awake(state: State, now_s: float) -> None:
    """Start those steps."""
    for place in range(len(state.groups)):
        if state.groups[place].kind == kinds.AWAKE:
            begin(state, place, now_s)
    state.run[0].awake = 0


@inner
def _end(state: State, at: int, now_s: float) -> None:
    """The steps of a group are done: tokens are out, caches have grown, some requests are finished."""
    group = state.groups[at]
    for place in range(group.first, group.first + group.lanes):
        lane = state.lanes[place]
        lane.step_s = step_under_way_s(state, lane, now_s)
    for place in range(group.first, group.first + group.lanes):
        if state.lanes[place].runs == 1:
            advance_decodes(state, place, group.steps)
            end_decodes(state, place, now_s)
        _end_prompts(state, place, now_s)
    state.run[0].steps += group.steps
    group.kind = kinds.RESTING
    group.end_s = np.inf
    wake(state, at)
    _sample(state, now_s)


@inner
def _end_prompts(state: State, place: int, now_s: float) -> None:
    """Book the chunks of a step; what is complete leaves the list, the rest keeps its order."""
    lane, kept = state.lanes[place], 0
    for index in range(lane.prompts):
        number = state.prompts[place, index]
        request = state.requests[number]
        request.done += state.chunks[place, index]
        if request.done < request.target:
            state.prompts[place, kept] = number
            kept += 1
        elif finish_prompt(state, place, number, now_s):
            offer(state, number, now_s)
    lane.prompts = kept


@inner
def _happen(state: State, now_s: float, soonest_s: float, send_s: float, place: int) -> None:
    """One event: of those at the same moment the end of steps comes first, arrivals last."""
    state.run[0].events += 1
    if state.groups[place].end_s <= soonest_s:
        _end(state, place, now_s)
    elif send_s <= soonest_s:
        send(state, now_s)
    else:
        arrive(state, now_s)


def _made(version: int) -> Callable[[State, float, bool], float]:
    @entry
    def run(arrays: State, now_s: float, last: bool) -> float:
        """Serve the requests; returns the time reached.

        last: to the end. Otherwise it stops when the next request to be sent is not among those at hand.
        """
        state = shared(*arrays)
        while version >= 0:
            if not last and state.run[0].next == len(state.requests):
                break
            send_s, arrive_s = _next_send_s(state, now_s), np.inf
            if state.run[0].coming > 0:
                arrive_s = state.coming_s[0]
            group = _next_group(state)
            soonest_s = min(send_s, arrive_s, state.groups[group].end_s)
            if soonest_s > now_s and state.run[0].awake > 0:  # all that happens now has happened
                _compose_awake(state, now_s)
                _begin_awake(state, now_s)
                continue
            if soonest_s == np.inf:
                break
            now_s = max(now_s, soonest_s)
            _happen(state, now_s, soonest_s, send_s, group)
        return now_s

    return run


run = _made(fingerprint(State._fields, kinds))
