"""Every disaggregated deployment of one engine: prefill and decode plans, worker counts, loads."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.disaggregated_loop import PREFILL_LOG_SD, Pools
from simkit.closed_form.outcomes import Outcomes, outcomes, outcomes_at_batch
from simkit.closed_form.step_work import BATCH_GRID
from simkit.search.candidate_table import Layout, Points, flatten
from simkit.search.picking import TIE
from simkit.search.prepared import Index, PreparedEngine, counts

# Decode plans are compared under these step-time bounds; the best few under any of them stay.
_STEP_BOUNDS_S = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, np.inf)
_KEPT_PER_BOUND = 3
_FEW_ROWS = 4_000  # up to so many pairs times worker counts nothing is left out
_MAX_ROWS = 40_000  # pairs times worker counts; more than this are thinned, largest first


def efficient_prefill(engine: PreparedEngine) -> Index:
    """Rows that no other beats in latency, in GPU-seconds per prompt and in GPUs.

    Settings other than the usual ones must gain TIE to count as better. Rows of other groups do not compare.
    """
    times, group = engine.prefilling, engine.group
    handicap = 1.0 + TIE * (1.0 - engine.usual)
    latency = handicap * (times.prefill_s + engine.transfer_s)
    busy = np.maximum(np.minimum(times.burst_prefill_s, times.prefill_s), engine.transfer_s)
    keys = (latency, handicap * busy * times.plan.num_gpus / times.plan.lanes, times.plan.num_gpus)
    as_good, better = group[None, :] == group[:, None], np.zeros((len(group), len(group)), dtype=bool)
    for key in keys:
        as_good &= key[None, :] <= key[:, None]
        better |= key[None, :] < key[:, None]
    return np.flatnonzero(~np.any(as_good & better, axis=1))


def efficient_decode(engine: PreparedEngine) -> Index:
    """Rows among the best in tokens per GPU-second under some step-time bound, and the fastest of each group.

    Of each plan the usual settings count, unless others give TIE more.
    """
    times, group = engine.serving, engine.group
    fits = BATCH_GRID[None, :] <= times.max_seqs[:, None]
    per_token_s = times.decode_s / times.pace(times.decode_s)
    lanes_per_gpu = (times.plan.lanes / times.plan.num_gpus)[:, None]
    per_gpu = np.where(fits, BATCH_GRID[None, :] * lanes_per_gpu / per_token_s, 0.0)
    per_gpu /= (1.0 + TIE * (1.0 - engine.usual))[:, None]
    keep = np.zeros(len(group), dtype=bool)
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        for bound in _STEP_BOUNDS_S:
            best = np.where(per_token_s[rows] <= bound, per_gpu[rows], 0.0).max(axis=1)
            order = np.argsort(-best, kind="stable")
            order = order[best[order] > 0]
            _, first = np.unique(engine.layout[rows][order], return_index=True)
            keep[rows[order[np.sort(first)[:_KEPT_PER_BOUND]]]] = True
        keep[rows[np.argmin(per_token_s[rows, 0])]] = True
    return np.flatnonzero(keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Rows of engine.prefilling and engine.serving put together, and how many workers of each."""

    prefill_row: Index
    decode_row: Index
    prefill_workers: FloatArray
    decode_workers: FloatArray

    def __len__(self) -> int:
        return len(self.prefill_row)


def _pairs(engine: PreparedEngine, total_gpus: int, *, fill: bool) -> Pairs:
    """Pairs within the GPUs.

    With `fill` decode workers vary and prefill workers take the GPUs left; without, both vary.
    """
    every = np.arange(len(engine.kept))
    prefill, decode = every, every
    narrowest = engine.serving.plan.num_gpus.min()
    most = len(counts(total_gpus / narrowest))
    if len(every) ** 2 * most * (1 if fill else most) > _FEW_ROWS:
        prefill, decode = efficient_prefill(engine), efficient_decode(engine)
    gpus_p = engine.prefilling.plan.num_gpus[prefill]
    gpus_d = engine.serving.plan.num_gpus[decode]
    tried_d = counts(total_gpus / gpus_d.min())
    tried_p = np.ones(1) if fill else counts(total_gpus / gpus_p.min())
    shape = (len(prefill), len(decode), len(tried_p), len(tried_d))
    i, j, k, m = (axis.ravel() for axis in np.indices(shape))
    x, y = tried_p[k], tried_d[m]
    if fill:
        x = np.floor((total_gpus - y * gpus_d[j]) / gpus_p[i])
    size = x * gpus_p[i] + y * gpus_d[j]
    alike = engine.group[prefill][i] == engine.group[decode][j]  # a cache is read as it was written
    rows = np.flatnonzero((x >= 1) & (size <= total_gpus) & alike)
    if len(rows) > _MAX_ROWS:
        rows = np.sort(rows[np.argsort(size[rows], kind="stable")[:_MAX_ROWS]])
    return Pairs(
        prefill_row=prefill[i[rows]],
        decode_row=decode[j[rows]],
        prefill_workers=x[rows],
        decode_workers=y[rows],
    )


def _pools(engine: PreparedEngine, pairs: Pairs) -> Pools:
    return Pools(
        prefill=engine.prefilling.take(pairs.prefill_row),
        decode=engine.serving.take(pairs.decode_row),
        prefill_workers=pairs.prefill_workers,
        decode_workers=pairs.decode_workers,
        transfer_s=engine.transfer_s[pairs.prefill_row],
        prefill_log_sd=PREFILL_LOG_SD,
    )


def throughput_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """All GPUs in use: decode workers vary, prefill workers fill up; every decode batch."""
    if len(engine.kept) == 0 or engine.osl_tokens <= 1.0:
        return None  # a single token comes out of the prefill: nothing is left to decode
    pairs = _pairs(engine, total_gpus, fill=True)
    if len(pairs) == 0:
        return None
    pools = _pools(engine, pairs)
    batch = np.minimum(BATCH_GRID[None, :], pools.decode.max_seqs[:, None])
    corrected = (engine.corrections["disagg"], pairs.decode_row)
    return _points(
        engine, pairs, pools, outcomes_at_batch(pools, batch, engine.lengths, engine.host, corrected)
    )


def load_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """The asked concurrency or request rate on every pair of worker counts."""
    if len(engine.kept) == 0 or engine.osl_tokens <= 1.0:
        return None  # a single token comes out of the prefill: nothing is left to decode
    pairs = _pairs(engine, total_gpus, fill=False)
    if len(pairs) == 0:
        return None
    pools, load = _pools(engine, pairs), engine.load((len(pairs), 1))
    found = outcomes(pools, load, engine.host, engine.corrections["disagg"], pairs.decode_row)
    return _points(engine, pairs, pools, found)


def _points(engine: PreparedEngine, pairs: Pairs, pools: Pools, found: Outcomes) -> Points:
    layout = Layout(
        plan=engine.kept[pairs.prefill_row].astype(np.float64),
        workers=pairs.prefill_workers,
        decode_plan=engine.kept[pairs.decode_row].astype(np.float64),
        decode_workers=pairs.decode_workers,
        num_gpus=pools.num_gpus,
        engine_gpus=np.maximum(pools.prefill.plan.num_gpus, pools.decode.plan.num_gpus),
        kv_capacity_tokens=pools.decode.kv_capacity_tokens,
        usual=engine.usual[pairs.prefill_row] * engine.usual[pairs.decode_row],
    )
    return flatten(layout, found)
