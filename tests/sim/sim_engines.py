"""Small clusters and loads to simulate."""

import numpy as np

from simkit.sim.cluster import Cluster, EnginePool, Handover
from simkit.sim.policy import SchedulerPolicy
from simkit.sim.requests import Requests
from simkit.sim.step_table import StepTable


def load_of(isl, osl, arrival=None, blocks=None, block_tokens=16):
    """Requests of these lengths; blocks: a list of ids per request."""
    isl, osl = np.broadcast_arrays(np.asarray(isl, np.int64), np.asarray(osl, np.int64))
    blocks = blocks or [[]] * len(isl)
    return Requests(
        arrival_s=np.zeros(len(isl)) if arrival is None else np.asarray(arrival, np.float64),
        isl_tokens=isl.copy(),
        osl_tokens=osl.copy(),
        block_ids=np.array([unit for ids in blocks for unit in ids], dtype=np.int64),
        block_starts=np.concatenate([[0], np.cumsum([len(ids) for ids in blocks])]).astype(np.int64),
        block_tokens=block_tokens,
    )


def table_of(*, decode=0.01, per_seq=0.0, per_key=0.0, prefill=0.0, per_token=1e-3, stall=1.0):
    """Steps of decode + per_seq * batch + per_key * batch * context, and prefill + per_token * tokens."""
    batch, context = np.array([0.0, 64.0, 4096.0]), np.array([0.0, 40.0, 200.0, 1e6])
    tokens = np.array([0.0, 1e9])
    return StepTable(
        decode_batch=batch,
        decode_context=context,
        decode_s=decode + per_seq * batch[:, None] + per_key * batch[:, None] * context,
        prefill_tokens=tokens,
        prefill_context=np.array([0.0, 1e9]),
        prefill_s=np.repeat((prefill + per_token * tokens)[:, None], 2, axis=1) + 1e-12,
        stall_frac=stall,
    )


def cluster_of(table=None, *, replicas=1, ranks=1, stages=1, router="round_robin", **policy):
    """One pool."""
    pool = EnginePool(
        table=table or table_of(),
        policy=SchedulerPolicy(**{"admission_steps": 1.0, **policy}),
        replicas=replicas,
        ranks=ranks,
        stages=stages,
    )
    return Cluster(pools=(pool,), router=router)


def split_of(table=None, *, prefill=1, decode=1, transfer=0.05, **policy):
    """A prefill and a decode pool; caches move in `transfer` seconds."""
    pools = tuple(
        EnginePool(table=table or table_of(), policy=SchedulerPolicy(**policy), replicas=count)
        for count in (prefill, decode)
    )
    moved = Handover(tokens=np.array([0.0, 1e6]), time_s=np.array([transfer, transfer]))
    return Cluster(pools=pools, handover=moved)
