"""Requests as rows of the kernel's arrays, and rows read back."""

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError
from simkit.sim import columns as c
from simkit.sim.cluster import Cluster
from simkit.sim.policy import SchedulerPolicy, Speculation
from simkit.sim.requests import IntArray, Requests, RequestTimes


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
