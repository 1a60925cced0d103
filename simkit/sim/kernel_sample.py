"""Compiled: notes of the state of a cluster."""

from simkit.sim import columns as c
from simkit.sim.compiled import inner
from simkit.sim.kernel_pages import unit_pages
from simkit.sim.state import State


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
