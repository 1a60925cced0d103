"""A cluster and its requests as rows of the kernel's arrays, and rows read back."""

from typing import Any

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError
from simkit.sim.cluster import Cluster, EnginePool
from simkit.sim.kernel import kinds
from simkit.sim.kernel.layout import GroupRow, LaneRow, PoolRow, RequestRow, Rows, rows_of
from simkit.sim.policy import SchedulerPolicy, Speculation
from simkit.sim.requests import IntArray, Requests, RequestTimes

# --- A cluster as rows of the kernel's arrays: step times, rules, lanes and groups.


_TABLES = ("decode_batch", "decode_context", "prefill_tokens", "prefill_context")


def tables_of(cluster: Cluster) -> dict[str, Any]:
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
    stacked = {name: np.ascontiguousarray(np.stack(values)) for name, values in parts.items()}
    return stacked | {"padded": np.array([pool.policy.computed_batch(seqs) for pool in cluster.pools])}


def _longer(values: FloatArray, size: int, axis: int) -> FloatArray:
    """More points at the end, on the line through the last two."""
    values = np.moveaxis(values, axis, 0)
    more = np.arange(1, size - len(values) + 1).reshape(-1, *[1] * (values.ndim - 1))
    line = values[-1] + more * (values[-1] - values[-2])
    return np.moveaxis(np.concatenate([values, line]), 0, axis)


def pool_rows(cluster: Cluster, unit_tokens: int) -> Rows[PoolRow]:
    """Rules of every pool; unit_tokens: tokens of a block of the requests' block_ids."""
    rows, first = rows_of(PoolRow, len(cluster.pools)), 0
    for index, pool in enumerate(cluster.pools):
        role = kinds.SERVES_ALL if len(cluster.pools) == 1 else (kinds.PREFILLS, kinds.DECODES)[index]
        rules = _rules(pool.policy, unit_tokens, role) | _times(pool)
        rules |= {"role": role, "first_lane": first, "lanes": pool.ranks * pool.stages}
        for name, value in (rules | {"replicas": pool.replicas}).items():
            rows[name][index] = value
        first += pool.num_lanes
    return rows


def _rules(policy: SchedulerPolicy, unit_tokens: int, role: int) -> dict[str, float]:
    return {
        "budget": policy.token_budget,
        "max_seqs": policy.max_seqs,
        "page": policy.page_tokens,
        "pages": policy.num_pages,
        "mixed": policy.mixed_steps,
        # A cache that comes from another engine is there as a whole: nothing to look up.
        "caching": policy.prefix_caching and unit_tokens > 0 and role != kinds.DECODES,
        "poll": policy.poll_steps,
        "hold": policy.hold_steps,
        "page_steps": max(int(policy.page_tokens / policy.tokens_per_step), 1),
        "unit": max(unit_tokens, policy.page_tokens),
        "unit_pages": max(unit_tokens, policy.page_tokens) // policy.page_tokens,
        "least_output": policy.least_output_first,
        "headroom": policy.headroom_steps,
        "early": policy.early_prefixes,
        "reserve_frac": policy.reserve_frac,
        "own_frac": policy.reserve_own_frac,
    }


def _times(pool: EnginePool) -> dict[str, float]:
    policy = pool.policy
    return {
        # What an arrival waits beyond the end of the step under way.
        "admission_steps": max(policy.admission_steps - 1.0, 0.0),
        "stall_frac": pool.table.stall_frac,
        "floor_s": pool.table.floor_s,
        "growth": policy.tokens_per_step,
        "factor": policy.speculation.step_factor if policy.speculation else 1.0,
        "host_s": policy.request_host_s,
        "token_s": policy.request_token_s,
        "serial_s": policy.request_serial_s,
    }


def lane_and_group_rows(cluster: Cluster) -> tuple[Rows[LaneRow], Rows[GroupRow]]:
    """Lanes, replica by replica and stage by stage, and the groups of ranks that step together."""
    lanes: list[tuple[int, int, int]] = []
    groups: list[tuple[int, int]] = []
    for index, pool in enumerate(cluster.pools):
        for replica in range(pool.replicas):
            for _ in range(pool.stages):
                groups.append((len(lanes), pool.ranks))
                lanes.extend([(len(groups) - 1, index, replica)] * pool.ranks)
    lane_rows, group_rows = rows_of(LaneRow, len(lanes)), rows_of(GroupRow, len(groups))
    for name, values in zip(("group", "pool", "replica"), zip(*lanes, strict=True), strict=True):
        lane_rows[name][:] = values
    for name in ("head", "tail", "gate", "placed", "last_placed"):
        lane_rows[name][:] = -1
    group_rows["first"][:], group_rows["lanes"][:] = zip(*groups, strict=True)
    group_rows["end_s"][:] = np.inf
    return lane_rows, group_rows


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


def request_rows(cluster: Cluster, requests: Requests, rng: np.random.Generator) -> Rows[RequestRow]:
    """Requests not sent yet; `block` counts from the first of them."""
    policy = cluster.pools[-1].policy
    counts = requests.block_starts[1:] - requests.block_starts[:-1]
    rows = rows_of(RequestRow, len(requests))
    rows["isl"][:] = rows["target"][:] = requests.isl_tokens
    rows["osl"][:] = requests.osl_tokens
    # Benchmark clients send the output length as max_tokens; only rules that reserve cache look at it.
    rows["declared"][:] = requests.osl_tokens if policy.declared_tokens is None else policy.declared_tokens
    rows["steps"][:] = steps_of(requests.osl_tokens - 1, policy.speculation, rng)
    rows["next"][:] = -1
    rows["block"][:] = requests.block_starts[:-1]
    rows["units"][:] = np.minimum(counts, requests.isl_tokens // requests.block_tokens)
    for name in ("sent_s", "start_s", "first_s", "finished_s", "eligible_s"):
        rows[name][:] = np.nan
    rows["arrival_s"][:] = requests.arrival_s
    if cluster.handover is not None:
        moved = cluster.handover
        rows["transfer_s"][:] = np.interp(requests.isl_tokens, moved.tokens, moved.time_s)
    return rows


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


def times_of(rows: Rows[RequestRow]) -> RequestTimes:
    """Rows of finished requests as the outside knows them."""
    return RequestTimes(
        sent_s=rows["sent_s"].copy(),
        start_s=rows["start_s"].copy(),
        first_token_s=rows["first_s"].copy(),
        finished_s=rows["finished_s"].copy(),
        isl_tokens=rows["isl"].copy(),
        osl_tokens=rows["osl"].copy(),
        cached_tokens=rows["cached"].copy(),
        preemptions=rows["preemptions"].copy(),
        replica=rows["served"].copy(),
    )
