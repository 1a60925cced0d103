"""Finished requests taken out of a running simulation, so that its memory does not grow with its length."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simkit.sim import columns as c
from simkit.sim.requests import IntArray
from simkit.sim.state import State
from simkit.sim.units import Units


def forgotten(state: State, units: Units, done: NDArray[np.bool_]) -> tuple[State, Units]:
    """The same without the requests that are `done`; those left keep their order under new numbers."""
    kept = ~done
    number = np.append(np.cumsum(kept) - 1, -1)  # -1, nobody, stays -1
    rows = state.requests[kept]
    rows[:, c.R_NEXT] = number[rows[:, c.R_NEXT]]
    blocks, rows[:, c.R_BLOCK] = _kept_blocks(state, kept)
    lanes = state.lanes
    for column in (c.L_HEAD, c.L_TAIL, c.L_PLACED, c.L_LAST_PLACED):
        lanes[:, column] = number[lanes[:, column]]
    coming = state.counters[c.S_COMING]
    state.coming[:coming] = number[state.coming[:coming]]
    for listed, column in ((state.decoding, c.L_DECODES), (state.prompts, c.L_PROMPTS)):
        for lane, count in enumerate(lanes[:, column]):
            listed[lane, :count] = number[listed[lane, :count]]
    state.counters[c.S_NEXT] -= np.count_nonzero(done)
    left = len(rows)
    smaller = state._replace(
        requests=rows,
        requests_f=state.requests_f[kept],
        block_ids=blocks,
        coming_s=state.coming_s[:left].copy(),
        coming=state.coming[:left].copy(),
    )
    return smaller, replace(units, block_ids=blocks)


def _kept_blocks(state: State, kept: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Blocks of the requests that stay, and where those of each begin."""
    rows = state.requests[kept]
    counts = rows[:, c.R_UNITS]
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    return state.block_ids[np.repeat(rows[:, c.R_BLOCK], counts) + within], starts
