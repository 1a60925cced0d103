"""A cluster as rows of the kernel's arrays: step times, rules, lanes and groups."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.sim import columns as c
from simkit.sim.cluster import Cluster, EnginePool
from simkit.sim.requests import IntArray
from simkit.sim.state import Tables

_TABLES = ("decode_batch", "decode_context", "prefill_tokens", "prefill_context")


def tables_of(cluster: Cluster) -> Tables:
    """Step times of every pool, on grids padded to one size by repeating the last interval's line."""
    tables = [pool.table for pool in cluster.pools]
    sizes = {name: max(len(getattr(table, name)) for table in tables) for name in _TABLES}
    seqs = max(pool.policy.max_seqs for pool in cluster.pools)
    parts: dict[str, list[FloatArray]] = {name: [] for name in (*_TABLES, "decode_s", "prefill_s")}
    for table in tables:
        for name in _TABLES:
            parts[name].append(_longer(getattr(table, name), sizes[name], 0))
        for kind, places in (("decode_s", _TABLES[:2]), ("prefill_s", _TABLES[2:])):
            wide = _longer(getattr(table, kind), sizes[places[0]], 0)
            parts[kind].append(_longer(wide, sizes[places[1]], 1))
    return Tables(
        padded=np.array([pool.policy.computed_batch(seqs) for pool in cluster.pools]),
        **{name: np.ascontiguousarray(np.stack(values)) for name, values in parts.items()},
    )


def _longer(values: FloatArray, size: int, axis: int) -> FloatArray:
    """More points at the end, on the line through the last two."""
    values = np.moveaxis(values, axis, 0)
    more = np.arange(1, size - len(values) + 1).reshape(-1, *[1] * (values.ndim - 1))
    line = values[-1] + more * (values[-1] - values[-2])
    return np.moveaxis(np.concatenate([values, line]), 0, axis)


def rule_rows(cluster: Cluster, unit_tokens: int) -> tuple[IntArray, FloatArray]:
    """Rules of every pool; unit_tokens: tokens of a block of the requests' block_ids."""
    rows, first = [], 0
    for index, pool in enumerate(cluster.pools):
        role = c.SERVES_ALL if len(cluster.pools) == 1 else (c.PREFILLS, c.DECODES)[index]
        rows.append(_rules(pool, unit_tokens, (role, first)))
        first += pool.num_lanes
    return np.array([row[0] for row in rows], dtype=np.int64), np.array([row[1] for row in rows])


def _rules(pool: EnginePool, unit_tokens: int, place: tuple[int, int]) -> tuple[IntArray, FloatArray]:
    policy, growth = pool.policy, pool.policy.tokens_per_step
    role, first = place
    whole = {
        c.P_BUDGET: policy.token_budget, c.P_MAX_SEQS: policy.max_seqs, c.P_PAGE: policy.page_tokens,
        c.P_PAGES: policy.num_pages, c.P_MIXED: policy.mixed_steps,
        # A cache that comes from another engine is there as a whole: nothing to look up.
        c.P_CACHING: policy.prefix_caching and unit_tokens > 0 and role != c.DECODES,
        c.P_POLL: policy.poll_steps, c.P_HOLD: policy.hold_steps,
        c.P_PAGE_STEPS: max(int(policy.page_tokens / growth), 1), c.P_ROLE: role,
        c.P_UNIT: max(unit_tokens, policy.page_tokens), c.P_FIRST_LANE: first, c.P_REPLICAS: pool.replicas,
        c.P_LANES: pool.ranks * pool.stages, c.P_LEAST_OUTPUT: policy.least_output_first,
        c.P_HEADROOM: policy.headroom_steps, c.P_EARLY: policy.early_prefixes,
    }  # fmt: skip
    floats = {
        c.PF_RESERVE: policy.reserve_frac, c.PF_OWN: policy.reserve_own_frac,
        # What an arrival waits beyond the end of the step under way.
        c.PF_ADMISSION: max(policy.admission_steps - 1.0, 0.0),
        c.PF_STALL: pool.table.stall_frac, c.PF_FLOOR: pool.table.floor_s, c.PF_GROWTH: growth,
        c.PF_FACTOR: policy.speculation.step_factor if policy.speculation else 1.0,
        c.PF_HOST: policy.request_host_s, c.PF_TOKEN: policy.request_token_s,
        c.PF_SERIAL: policy.request_serial_s,
    }  # fmt: skip
    return (
        np.array([whole[column] for column in range(c.P_COLUMNS)], dtype=np.int64),
        np.array([floats[column] for column in range(c.PF_COLUMNS)], dtype=np.float64),
    )


def lane_and_group_rows(cluster: Cluster) -> tuple[IntArray, IntArray]:
    """Lanes, replica by replica and stage by stage, and the groups of ranks that step together."""
    lanes: list[IntArray] = []
    groups: list[tuple[int, ...]] = []
    for index, pool in enumerate(cluster.pools):
        for replica in range(pool.replicas):
            for _ in range(pool.stages):
                groups.append((len(lanes), pool.ranks, c.RESTING, 0))
                lanes.extend(_lane(len(groups) - 1, index, replica) for _ in range(pool.ranks))
    return np.array(lanes), np.array(groups, dtype=np.int64)


def _lane(group: int, pool: int, replica: int) -> IntArray:
    row = np.zeros(c.L_COLUMNS, dtype=np.int64)
    row[[c.L_HEAD, c.L_TAIL, c.L_GATE, c.L_PLACED, c.L_LAST_PLACED]] = -1
    row[[c.L_GROUP, c.L_POOL, c.L_REPLICA]] = group, pool, replica
    return row
