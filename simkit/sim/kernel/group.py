"""Compiled: the steps of a group of lanes that wait for each other (attention-DP ranks, or one lane)."""

import numpy as np

from simkit.sim.kernel import kinds
from simkit.sim.kernel.admit import may_admit
from simkit.sim.kernel.compiled import ONE, ZERO, inner
from simkit.sim.kernel.lane import join_decodes, leave_decodes, prompt_tokens
from simkit.sim.kernel.layout import GroupRow, LaneRow, RequestRow
from simkit.sim.kernel.pages import needed_pages, pages_of, release, share_prompt, steps_that_fit, take_pages
from simkit.sim.kernel.state import State
from simkit.sim.kernel.time import lane_line, prefill_time_s, span_line, walk

_MANY = 1 << 40
_AT_ONCE_S = 1e-12


@inner
def begin(state: State, place: int, now_s: float) -> None:
    """Start a group's next step as its lanes have composed it, or as many as nothing can disturb."""
    group = state.groups[place]
    start, stop = group.first, group.first + group.lanes
    longest_s, prompting, decoding = 0.0, False, False
    for member in range(start, stop):
        decoding = decoding or state.lanes[member].decodes > 0
        prompting = prompting or prompt_tokens(state, member) > 0
    group.begin_s, group.steps = now_s, 1
    group.kind = kinds.PROMPTING if prompting else (kinds.DECODES_ONLY if decoding else kinds.RESTING)
    if prompting:
        for member in range(start, stop):
            longest_s = max(longest_s, _lane_step_s(state, member))
        group.end_s = now_s + longest_s
    elif decoding:
        most, until_s = _undisturbed(state, group, now_s)
        group.steps, longest_s = walk(state, group, most, until_s)
        group.end_s = now_s + longest_s
    else:
        group.end_s = np.inf


@inner
def _lane_step_s(state: State, place: int) -> float:
    """One step of a lane with prompts, or beside lanes that have some."""
    lane, time_s = state.lanes[place], 0.0
    rules = state.pools[lane.pool]
    if lane.decodes > 0:
        lane.step_s = lane_line(state, place, ZERO)[0]
        time_s = lane.step_s if lane.runs == 1 else 0.0
    tokens, keys = prompt_tokens(state, place), 0.0
    for index in range(lane.prompts):
        chunk = state.chunks[place, index]
        keys += chunk * (state.requests[state.prompts[place, index]].done + 0.5 * chunk)
    if tokens == 0:
        return time_s
    alone_s = prefill_time_s(state, lane.pool, float(tokens), keys / tokens)
    if lane.decodes == 0:
        return time_s + alone_s
    added_s = max(alone_s - rules.floor_s, 0.0)  # weights are read once for all
    return time_s + rules.stall_frac * added_s


@inner
def _undisturbed(state: State, group: GroupRow, now_s: float) -> tuple[int, float]:
    """Up to how many decode steps and seconds nothing changes: no end, no lack of pages, no admission."""
    if state.run[0].stepping == 1:
        return 1, np.inf
    steps, until_s = _MANY, np.inf
    for place in range(group.first, group.first + group.lanes):
        lane = state.lanes[place]
        if lane.decodes == 0:
            continue
        for index in range(lane.decodes):
            steps = min(steps, state.ends[place, index] - lane.clock)
        if lane.head >= 0:
            eligible_s = state.requests[lane.head].eligible_s
            if lane.gate > lane.clock:
                steps = min(steps, lane.gate - lane.clock)
            elif eligible_s > now_s:
                until_s = min(until_s, eligible_s - now_s)
            elif may_admit(state.pools[lane.pool], lane):  # a sequence was preempted just now
                steps = 1
        steps = steps_that_fit(state, place, steps)
    return max(steps, 1), until_s


@inner
def step_under_way_s(state: State, lane: LaneRow, now_s: float) -> float:
    """The decode step of a lane's group that is under way or has just ended [s]."""
    group = state.groups[lane.group]
    if group.kind != kinds.DECODES_ONLY:
        return lane.step_s
    steps, _ = walk(state, group, group.steps, now_s - group.begin_s)
    return span_line(state, group, max(steps - 1, 0), ONE)[1]


@inner
def interrupt(state: State, place: int, at_s: float) -> None:
    """A request arrives: the current run of decode steps ends with the step that is running now."""
    group = state.groups[place]
    if group.kind != kinds.DECODES_ONLY or at_s >= group.end_s:
        return
    # With zero KV-transfer time the sequence joins after the step that is running now.
    steps, time_s = walk(state, group, group.steps, max(at_s - group.begin_s, _AT_ONCE_S))
    group.steps = steps
    group.end_s = group.begin_s + time_s


@inner
def advance_decodes(state: State, place: int, steps: int) -> None:
    """Every sequence of a lane takes so many decode steps."""
    lane = state.lanes[place]
    take_pages(state, place, needed_pages(state, place, steps))
    tokens = state.pools[lane.pool].growth * steps * lane.decodes
    lane.context += tokens
    lane.declared -= tokens
    lane.clock += steps


@inner
def finish_prompt(state: State, place: int, number: int, now_s: float) -> bool:
    """A prompt is prefilled and its first token made; whether another engine decodes it."""
    request, lane = state.requests[number], state.lanes[place]
    rules = state.pools[lane.pool]
    share_prompt(state, place, request, request.target)
    if np.isnan(request.first_s):
        request.first_s = now_s
    else:  # recomputed: the token is one of its decode steps
        request.walked += 1
    if request.walked >= request.steps:
        release(state, place, request, pages_of(rules, request.target))
        _close(state, lane, request, now_s)
        return False
    if rules.role != kinds.PREFILLS:
        join_decodes(state, place, number)
    return rules.role == kinds.PREFILLS


@inner
def _close(state: State, lane: LaneRow, request: RequestRow, now_s: float) -> None:
    """A request has its last token."""
    request.stage, request.served, request.finished_s = kinds.FINISHED, lane.replica, now_s
    lane.load -= 1
    state.run[0].in_flight -= 1
    state.run[0].finished += 1


@inner
def end_decodes(state: State, place: int, now_s: float) -> None:
    """Close every sequence whose last step this was."""
    lane, index = state.lanes[place], ZERO
    while index < lane.decodes:
        if state.ends[place, index] == lane.clock:
            _close(state, lane, state.requests[leave_decodes(state, place, index)], now_s)
        else:
            index += 1
