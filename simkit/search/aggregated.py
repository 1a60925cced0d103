"""Every aggregated deployment of one engine, evaluated over replicas and loads at once."""

import numpy as np

from simkit.closed_form.outcomes import ClientLoad, Replicas, outcomes
from simkit.closed_form.step_work import BATCH_GRID
from simkit.search.candidate_table import Layout, Points, flatten
from simkit.search.prepared import PreparedEngine


def throughput_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """As many replicas as fit, at every load from one request to the cache's limit."""
    times = engine.serving
    if len(engine.kept) == 0:
        return None
    per_lane = np.minimum(BATCH_GRID[None, :], times.max_seqs[:, None])
    engines = Replicas(serving=times, workers=np.floor(total_gpus / times.plan.num_gpus))
    load = ClientLoad(amount=per_lane * engines.lanes, lengths=engine.lengths)
    return _points(engine, engines, load, total_gpus)


def load_points(engine: PreparedEngine, total_gpus: int) -> Points | None:
    """The asked concurrency or request rate on one replica, two, and so on up to the GPUs."""
    times = engine.serving
    if len(engine.kept) == 0:
        return None
    tried = np.arange(1.0, total_gpus / times.plan.num_gpus.min() + 1.0)
    workers = np.broadcast_to(tried, (len(engine.kept), len(tried)))
    load = engine.load(workers.shape)
    return _points(engine, Replicas(serving=times, workers=workers), load, total_gpus)


def _points(engine: PreparedEngine, engines: Replicas, load: ClientLoad, total_gpus: int) -> Points:
    times, found = engine.serving, outcomes(engines, load, engine.host, engine.corrections["agg"])
    workers = engines.workers if engines.workers.ndim == 2 else engines.workers[:, None]
    layout = Layout(
        plan=engine.kept.astype(np.float64),
        workers=workers,
        decode_plan=np.full(len(engine.kept), -1.0),
        decode_workers=np.zeros(len(engine.kept)),
        num_gpus=workers * times.plan.num_gpus[:, None],
        engine_gpus=times.plan.num_gpus,
        kv_capacity_tokens=times.kv_capacity_tokens,
        usual=engine.usual,
    )
    points = flatten(layout, found)
    return points.take((points.num_gpus <= total_gpus) & (points.workers >= 1.0))
