"""A cluster and its requests as rows of the kernel's arrays, and rows read back."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError
from simkit.sim.cluster import Cluster, EnginePool
from simkit.sim.kernel import columns as c
from simkit.sim.kernel.state import Tables
from simkit.sim.policy import SchedulerPolicy, Speculation
from simkit.sim.requests import IntArray, Requests, RequestTimes

# --- A cluster as rows of the kernel's arrays: step times, rules, lanes and groups.


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


def checked(cluster: Cluster, requests: Requests, *, open_loop: bool) -> None:
    """Raise InputError for requests that cannot be served or sent as they are."""
    if len(requests) == 0:
        raise InputError("no requests to simulate; give at least one")
    backwards = np.diff(requests.arrival_s) < 0
    if open_loop and np.any(backwards):
        first = int(np.argmax(backwards)) + 1
        raise InputError(f"request {first}: arrival_s goes back in time; sort the requests by arrival_s")
    for name in ("isl_tokens", "osl_tokens"):
        values = getattr(requests, name)
        if np.any(values < 1):
            raise InputError(f"request {int(np.argmax(values < 1))}: {name} must be at least 1")
    for pool in cluster.pools:
        only_prompts = pool is not cluster.pools[-1]
        _check_room(pool.policy, requests.isl_tokens + (0 if only_prompts else requests.osl_tokens))
        shared = len(requests.block_ids) > 0 and pool.policy.prefix_caching
        if shared and requests.block_tokens % pool.policy.page_tokens:
            raise InputError(
                f"blocks of {requests.block_tokens} tokens are no multiple of the engine's pages of "
                f"{pool.policy.page_tokens}; set kv_block_tokens to a divisor"
            )


def _check_room(policy: SchedulerPolicy, held_tokens: IntArray) -> None:
    over = -(-held_tokens // policy.page_tokens) > policy.num_pages
    if np.any(over):
        first = int(np.argmax(over))
        raise InputError(
            f"request {first}: {int(held_tokens[first]):,} tokens, and the KV cache of an engine holds "
            f"{policy.num_pages * policy.page_tokens:,}; use more GPUs per engine or shorter requests"
        )


def request_rows(
    cluster: Cluster, requests: Requests, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Whole-number and float columns of requests not sent yet; R_BLOCK counts from the first of them."""
    policy = cluster.pools[-1].policy
    counts = requests.block_starts[1:] - requests.block_starts[:-1]
    rows = np.zeros((len(requests), c.R_COLUMNS), dtype=np.int64)
    rows[:, c.R_ISL] = rows[:, c.R_TARGET] = requests.isl_tokens
    rows[:, c.R_OSL] = requests.osl_tokens
    # Benchmark clients send the output length as max_tokens; only rules that reserve cache look at it.
    rows[:, c.R_DECLARED] = requests.osl_tokens if policy.declared_tokens is None else policy.declared_tokens
    rows[:, c.R_STEPS] = steps_of(requests.osl_tokens - 1, policy.speculation, rng)
    rows[:, c.R_NEXT] = -1
    rows[:, c.R_BLOCK] = requests.block_starts[:-1]
    rows[:, c.R_UNITS] = np.minimum(counts, requests.isl_tokens // requests.block_tokens)
    times = np.full((len(requests), c.RF_COLUMNS), np.nan)
    times[:, c.RF_ARRIVAL] = requests.arrival_s
    times[:, c.RF_TRANSFER] = 0.0
    if cluster.handover is not None:
        moved = cluster.handover
        times[:, c.RF_TRANSFER] = np.interp(requests.isl_tokens, moved.tokens, moved.time_s)
    return rows, times


def steps_of(tokens: IntArray, speculation: Speculation | None, rng: np.random.Generator) -> IntArray:
    """Decode steps until so many tokens are out; drafts are accepted by chance [requests]."""
    if speculation is None:
        return tokens.copy()
    most, accepted = speculation.draft_tokens + 1, speculation.acceptance_frac
    chances = accepted ** np.arange(most) * np.where(np.arange(most) < most - 1, 1.0 - accepted, 1.0)
    steps, left = np.zeros_like(tokens), tokens.copy()
    while np.any(left > 0):  # never more steps at once than all of them accepted would need
        more = -(-np.maximum(left, 0) // most)
        steps += more
        left -= rng.multinomial(more, chances / chances.sum()) @ np.arange(1, most + 1)
    return steps


def times_of(rows: IntArray, times: FloatArray) -> RequestTimes:
    """Rows of finished requests as the outside knows them."""
    return RequestTimes(
        sent_s=times[:, c.RF_SENT].copy(),
        start_s=times[:, c.RF_START].copy(),
        first_token_s=times[:, c.RF_FIRST].copy(),
        finished_s=times[:, c.RF_FINISHED].copy(),
        isl_tokens=rows[:, c.R_ISL].copy(),
        osl_tokens=rows[:, c.R_OSL].copy(),
        cached_tokens=rows[:, c.R_CACHED].copy(),
        preemptions=rows[:, c.R_PREEMPTIONS].copy(),
        replica=rows[:, c.R_SERVED].copy(),
    )
