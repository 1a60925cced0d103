"""Compiled: the steps of a group of lanes that wait for each other (attention-DP ranks, or one lane)."""

import numpy as np

from simkit.sim.kernel import columns as c
from simkit.sim.kernel.admit import compose, may_admit
from simkit.sim.kernel.compiled import inner
from simkit.sim.kernel.lane import join_decodes, leave_decodes, prompt_tokens
from simkit.sim.kernel.pages import needed_pages, pages_of, release, share_prompt, steps_that_fit, take_pages
from simkit.sim.kernel.state import State
from simkit.sim.kernel.time import lane_line, prefill_time_s, span_line, walk

_MANY = 1 << 40
_AT_ONCE_S = 1e-12


@inner
def begin(state: State, group: int, now_s: float) -> None:
    """Decide and start a group's next step, or as many as nothing can disturb."""
    row = state.groups[group]
    start, stop = row[c.G_FIRST], row[c.G_FIRST] + row[c.G_LANES]
    longest_s, prompting, decoding = 0.0, False, False
    for lane in range(start, stop):
        compose(state, lane, now_s)
        decoding = decoding or state.lanes[lane, c.L_DECODES] > 0
        prompting = prompting or prompt_tokens(state, lane) > 0
    state.groups_f[group, c.GF_BEGIN], row[c.G_STEPS] = now_s, 1
    row[c.G_KIND] = c.PROMPTING if prompting else (c.DECODES_ONLY if decoding else c.RESTING)
    if prompting:
        for lane in range(start, stop):
            longest_s = max(longest_s, _lane_step_s(state, lane))
        state.groups_f[group, c.GF_END] = now_s + longest_s
    elif decoding:
        most, until_s = _undisturbed(state, group, now_s)
        steps, longest_s = walk(state, group, most, until_s)
        row[c.G_STEPS] = steps
        state.groups_f[group, c.GF_END] = now_s + longest_s
    else:
        state.groups_f[group, c.GF_END] = np.inf


@inner
def _lane_step_s(state: State, lane: int) -> float:
    """One step of a lane with prompts, or beside lanes that have some."""
    row, pool, time_s = state.lanes[lane], state.lanes[lane, c.L_POOL], 0.0
    if row[c.L_DECODES] > 0:
        state.lanes_f[lane, c.LF_STEP] = lane_line(state, lane, 0)[0]
        time_s = state.lanes_f[lane, c.LF_STEP] if row[c.L_RUNS] == 1 else 0.0
    tokens, keys = prompt_tokens(state, lane), 0.0
    for place in range(row[c.L_PROMPTS]):
        chunk = state.chunks[lane, place]
        keys += chunk * (state.requests[state.prompts[lane, place], c.R_DONE] + 0.5 * chunk)
    if tokens == 0:
        return time_s
    alone_s = prefill_time_s(state.tables, pool, float(tokens), keys / tokens)
    if row[c.L_DECODES] == 0:
        return time_s + alone_s
    added_s = max(alone_s - state.rules_f[pool, c.PF_FLOOR], 0.0)  # weights are read once for all
    return time_s + state.rules_f[pool, c.PF_STALL] * added_s


@inner
def _undisturbed(state: State, group: int, now_s: float) -> tuple[int, float]:
    """Up to how many decode steps and seconds nothing changes: no end, no lack of pages, no admission."""
    if state.counters[c.S_STEPPING] == 1:
        return 1, np.inf
    start, steps, until_s = state.groups[group, c.G_FIRST], _MANY, np.inf
    for lane in range(start, start + state.groups[group, c.G_LANES]):
        row = state.lanes[lane]
        if row[c.L_DECODES] == 0:
            continue
        for place in range(row[c.L_DECODES]):
            steps = min(steps, state.ends[lane, place] - row[c.L_CLOCK])
        if row[c.L_HEAD] >= 0:
            eligible_s = state.requests_f[row[c.L_HEAD], c.RF_ELIGIBLE]
            if row[c.L_GATE] > row[c.L_CLOCK]:
                steps = min(steps, row[c.L_GATE] - row[c.L_CLOCK])
            elif eligible_s > now_s:
                until_s = min(until_s, eligible_s - now_s)
            elif may_admit(state, lane):  # a sequence was preempted just now
                steps = 1
        steps = steps_that_fit(state, lane, steps)
    return max(steps, 1), until_s


@inner
def step_under_way_s(state: State, lane: int, now_s: float) -> float:
    """The decode step of a lane's group that is under way or has just ended [s]."""
    group = state.lanes[lane, c.L_GROUP]
    if state.groups[group, c.G_KIND] != c.DECODES_ONLY:
        return state.lanes_f[lane, c.LF_STEP]
    steps, _ = walk(state, group, state.groups[group, c.G_STEPS], now_s - state.groups_f[group, c.GF_BEGIN])
    return span_line(state, group, max(steps - 1, 0), 1)[1]


@inner
def interrupt(state: State, group: int, at_s: float) -> None:
    """A request arrives: the current run of decode steps ends with the step that is running now."""
    begin_s = state.groups_f[group, c.GF_BEGIN]
    if state.groups[group, c.G_KIND] != c.DECODES_ONLY or at_s >= state.groups_f[group, c.GF_END]:
        return
    # With zero KV-transfer time the sequence joins after the step that is running now.
    steps, time_s = walk(state, group, state.groups[group, c.G_STEPS], max(at_s - begin_s, _AT_ONCE_S))
    state.groups[group, c.G_STEPS] = steps
    state.groups_f[group, c.GF_END] = begin_s + time_s


@inner
def advance_decodes(state: State, lane: int, steps: int) -> None:
    """Every sequence of a lane takes so many decode steps."""
    growth = state.rules_f[state.lanes[lane, c.L_POOL], c.PF_GROWTH]
    take_pages(state, lane, needed_pages(state, lane, steps))
    tokens = growth * steps * state.lanes[lane, c.L_DECODES]
    state.lanes_f[lane, c.LF_CONTEXT] += tokens
    state.lanes_f[lane, c.LF_DECLARED] -= tokens
    state.lanes[lane, c.L_CLOCK] += steps


@inner
def finish_prompt(state: State, lane: int, request: int, now_s: float) -> bool:
    """A prompt is prefilled and its first token made; whether another engine decodes it."""
    row, times = state.requests[request], state.requests_f[request]
    share_prompt(state, lane, request, row[c.R_TARGET])
    prefills = state.rules[state.lanes[lane, c.L_POOL], c.P_ROLE] == c.PREFILLS
    if np.isnan(times[c.RF_FIRST]):
        times[c.RF_FIRST] = now_s
    else:  # recomputed: the token is one of its decode steps
        row[c.R_WALKED] += 1
    if row[c.R_WALKED] >= row[c.R_STEPS]:
        release(state, lane, request, pages_of(state, lane, row[c.R_TARGET]))
        close(state, lane, request, now_s)
        return False
    if not prefills:
        join_decodes(state, lane, request)
    return prefills


@inner
def close(state: State, lane: int, request: int, now_s: float) -> None:
    """A request has its last token."""
    state.requests[request, c.R_STAGE] = c.FINISHED
    state.requests[request, c.R_SERVED] = state.lanes[lane, c.L_REPLICA]
    state.requests_f[request, c.RF_FINISHED] = now_s
    state.lanes[lane, c.L_LOAD] -= 1
    state.counters[c.S_IN_FLIGHT] -= 1
    state.counters[c.S_FINISHED] += 1


@inner
def end_decodes(state: State, lane: int, now_s: float) -> None:
    """Close every sequence whose last step this was."""
    place = 0
    while place < state.lanes[lane, c.L_DECODES]:
        if state.ends[lane, place] == state.lanes[lane, c.L_CLOCK]:
            close(state, lane, leave_decodes(state, lane, place), now_s)
        else:
            place += 1
