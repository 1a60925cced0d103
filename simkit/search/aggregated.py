"""Every aggregated deployment of one engine, evaluated over replicas and loads at once."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form import aggregated_loop
from simkit.closed_form.aggregated_loop import LoopTimes, Procedure
from simkit.closed_form.step_work import BATCH_GRID
from simkit.search.candidate_table import Layout, Points, flatten
from simkit.search.prepared import PreparedEngine


def throughput_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """As many replicas as fit, at every load from one request to the cache's limit."""
    times = engine.serving
    if len(engine.kept) == 0:
        return None
    per_lane = np.minimum(BATCH_GRID[None, :], times.max_seqs[:, None])
    replicas = np.floor(total_gpus / times.plan.num_gpus)[:, None] + 0.0 * per_lane
    loop = _corrected(
        engine, aggregated_loop.closed_loop(times, per_lane, engine.lengths, Procedure(), engine.host)
    )
    lanes = replicas * times.plan.lanes[:, None]
    return _points(engine, replicas, loop, (per_lane * lanes, loop.requests_per_s * lanes), total_gpus)


def load_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """The asked concurrency or request rate on one replica, two, and so on up to the GPUs."""
    times, workload = engine.serving, engine.workload
    if len(engine.kept) == 0:
        return None
    tried = np.arange(1.0, total_gpus / times.plan.num_gpus.min() + 1.0)
    replicas = np.broadcast_to(tried, (len(engine.kept), len(tried)))
    lanes = replicas * times.plan.lanes[:, None]
    if workload.request_rate_per_s is None:
        in_flight = np.full(lanes.shape, workload.concurrency or 1.0)
        loop = _corrected(
            engine,
            aggregated_loop.closed_loop(
                times, in_flight / lanes, engine.lengths, engine.procedure, engine.host
            ),
        )
    else:
        rate = workload.request_rate_per_s / lanes
        loop = _corrected(engine, aggregated_loop.open_loop(times, rate, engine.lengths, engine.host))
        residence = loop.ttft_s + loop.itl_s * (engine.osl_tokens - 1.0)
        in_flight = np.where(loop.saturated, loop.batch * lanes, workload.request_rate_per_s * residence)
    return _points(engine, replicas, loop, (in_flight, loop.requests_per_s * lanes), total_gpus)


def _corrected(engine: PreparedEngine, loop: LoopTimes) -> LoopTimes:
    return engine.corrected("agg", loop, np.arange(len(engine.kept)))


def _points(
    engine: PreparedEngine,
    replicas: FloatArray,
    loop: LoopTimes,
    totals: tuple[FloatArray, FloatArray],
    total_gpus: int,
) -> Points:
    times = engine.serving
    layout = Layout(
        plan=engine.kept.astype(np.float64),
        workers=replicas,
        decode_plan=np.full(len(engine.kept), -1.0),
        decode_workers=np.zeros(len(engine.kept)),
        num_gpus=replicas * times.plan.num_gpus[:, None],
        kv_capacity_tokens=times.kv_capacity_tokens,
        usual=engine.usual,
    )
    points = flatten(layout, loop, totals, engine.osl_tokens)
    return points.take((points.num_gpus <= total_gpus) & (points.workers >= 1.0))
