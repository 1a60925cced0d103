"""Compiled: how long steps take, and how many decode steps fit into a time."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.sim.kernel.compiled import ZERO, inner
from simkit.sim.kernel.layout import GroupRow
from simkit.sim.kernel.state import State

_ANY = np.inf


@inner
def end_of(grid: FloatArray, value: float) -> int:
    """Right end of the interval of an ascending grid that holds `value`; the nearest one outside it."""
    low, high = 1, len(grid) - 1
    while low < high:
        middle = (low + high) // 2
        if grid[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def share(grid: FloatArray, right: int, value: float) -> float:
    """How far between the ends of an interval; beyond the last one the line goes on, below 0 it does not."""
    return max((value - grid[right - 1]) / (grid[right] - grid[right - 1]), 0.0)


@inner
def decode_line(state: State, pool: int, batch: float, right: int) -> tuple[float, float]:
    """Decode step time at the ends of a context interval [s]."""
    row = end_of(state.decode_batch[pool], batch)
    part = share(state.decode_batch[pool], row, batch)
    table = state.decode_s[pool]
    left = table[row - 1, right - 1] + part * (table[row, right - 1] - table[row - 1, right - 1])
    after = table[row - 1, right] + part * (table[row, right] - table[row - 1, right])
    return left, after


@inner
def padded(state: State, pool: int, seqs: int) -> float:
    """The batch that is computed for so many sequences."""
    sizes = state.padded[pool]
    return sizes[seqs] if seqs < len(sizes) else float(seqs)


@inner
def prefill_time_s(state: State, pool: int, tokens: float, context: float) -> float:
    """A step of prompt tokens alone, each seeing `context` keys on average."""
    rows, places = state.prefill_tokens[pool], state.prefill_context[pool]
    row, right = end_of(rows, tokens), end_of(places, context)
    part, along = share(rows, row, tokens), share(places, right, context)
    table = state.prefill_s[pool]
    below = table[row - 1, right - 1] + along * (table[row - 1, right] - table[row - 1, right - 1])
    above = table[row, right - 1] + along * (table[row, right] - table[row, right - 1])
    return below + part * (above - below)


@inner
def lane_line(state: State, place: int, walked: int) -> tuple[float, float, float]:
    """Of a lane that decodes, `walked` steps from now: the step's time, its growth per step [s], and
    for how many steps the growth stays the same.
    """
    lane = state.lanes[place]
    pool, growth, factor = lane.pool, state.pools[lane.pool].growth, state.pools[lane.pool].factor
    context = lane.context / lane.decodes + growth * walked
    grid = state.decode_context[pool]
    right = end_of(grid, context)
    if right < len(grid) - 1 and grid[right] <= context:  # on a point: the interval that begins there
        right += 1
    left_s, after_s = decode_line(state, pool, padded(state, pool, lane.decodes), right)
    slope = factor * (after_s - left_s) / (grid[right] - grid[right - 1])
    if context < grid[0]:
        return factor * left_s, 0.0, np.floor((grid[0] - context) / growth) + 1.0
    first = factor * left_s + slope * (context - grid[right - 1])
    inside = _ANY if right == len(grid) - 1 else np.floor((grid[right] - context) / growth) + 1.0
    return first, slope * growth, inside


@inner
def span_line(state: State, group: GroupRow, walked: int, most: int) -> tuple[int, float, float]:
    """The next steps of a group that decodes only, as long as they grow by equal amounts: how many,
    the first's time, and growth per step. The slowest lane counts.
    """
    steps, first_s, slope_s = most, -1.0, 0.0
    for place in range(group.first, group.first + group.lanes):
        if state.lanes[place].decodes > 0:
            time_s, more_s, inside = lane_line(state, place, walked)
            steps = int(min(float(steps), inside))
            if time_s > first_s or (time_s == first_s and more_s > slope_s):
                first_s, slope_s = time_s, more_s
    if group.lanes == 1:
        return steps, first_s, slope_s
    last_s = first_s + slope_s * (steps - 1)
    for place in range(group.first, group.first + group.lanes):
        if state.lanes[place].decodes > 0:  # it may have become the slowest by the last step
            time_s, more_s, _ = lane_line(state, place, walked)
            if time_s + more_s * (steps - 1) > last_s * (1.0 + 1e-12):
                return 1, first_s, 0.0
    return steps, first_s, slope_s


@inner
def walk(state: State, group: GroupRow, most: int, until_s: float) -> tuple[int, float]:
    """Decode steps from now until `until_s` seconds are over or `most` are done, and their time [s]."""
    steps, time_s = ZERO, 0.0
    while steps < most and time_s < until_s:
        count, first_s, slope_s = span_line(state, group, steps, most - steps)
        total_s = count * first_s + slope_s * (0.5 * count * (count - 1))
        if time_s + total_s > until_s and count > 1:
            count = _steps_over(first_s, slope_s, until_s - time_s, count)
            total_s = count * first_s + slope_s * (0.5 * count * (count - 1))
        steps, time_s = steps + count, time_s + total_s
    return steps, time_s


@inner
def _steps_over(first_s: float, slope_s: float, wanted_s: float, most: int) -> int:
    """The fewest steps whose times add up to `wanted_s`."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if middle * first_s + slope_s * (0.5 * middle * (middle - 1)) < wanted_s:
            low = middle + 1
        else:
            high = middle
    return low
