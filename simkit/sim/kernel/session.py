"""The memory of a running simulation: makes the kernel's arrays, runs it, reads them."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError, SimkitError
from simkit.sim.cluster import Cluster, Samples
from simkit.sim.kernel import kinds
from simkit.sim.kernel.layout import HostRow, RequestRow, Rows, RunRow, SampleRow, rows_of
from simkit.sim.kernel.loop import run
from simkit.sim.kernel.prefix_names import Units, no_units, with_blocks
from simkit.sim.kernel.rows import checked, lane_and_group_rows, pool_rows, request_rows, tables_of, times_of
from simkit.sim.kernel.state import State
from simkit.sim.requests import IntArray, Requests, RequestTimes
from simkit.sim.routers import ROUTERS

# --- Finished requests taken out of a running simulation, so that its memory does not grow with its length.


def forgotten(state: State, units: Units, done: NDArray[np.bool_]) -> tuple[State, Units]:
    """The same without the requests that are `done`; those left keep their order under new numbers."""
    kept = ~done
    number = np.append(np.cumsum(kept) - 1, -1)  # -1 (no request) stays -1
    rows, lanes = state.requests[kept], state.lanes
    rows["next"][:] = number[rows["next"]]
    blocks, rows["block"][:] = _kept_blocks(state, kept)
    for name in ("head", "tail", "placed", "last_placed"):
        lanes[name][:] = number[lanes[name]]
    coming = state.run["coming"][0]
    state.coming[:coming] = number[state.coming[:coming]]
    for listed, name in ((state.decoding, "decodes"), (state.prompts, "prompts")):
        for lane, count in enumerate(lanes[name]):
            listed[lane, :count] = number[listed[lane, :count]]
    state.run["next"][0] -= np.count_nonzero(done)
    left = len(rows)
    smaller = state._replace(
        requests=rows,
        block_ids=blocks,
        coming_s=state.coming_s[:left].copy(),
        coming=state.coming[:left].copy(),
    )
    return smaller, replace(units, block_ids=blocks)


def _kept_blocks(state: State, kept: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Blocks of the requests that stay, and where those of each begin."""
    rows = state.requests[kept]
    counts = rows["units"]
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    return state.block_ids[np.repeat(rows["block"], counts) + within], starts


# --- The memory of a running simulation: makes the kernel's arrays, runs it, reads them.
# Requests come in any number of pieces; only those under way are kept from one to the next.


_SAMPLES = 4096


class Arena:
    """One cluster and the requests in it at the moment."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        concurrency: int | None,
        seed: int,
        unit_tokens: int,
        stepping: bool = False,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise InputError(f"concurrency must be at least 1, got {concurrency}")
        self._cluster, self._rng, self._now_s = cluster, np.random.default_rng(seed), 0.0
        self._unit_tokens = unit_tokens
        self._state = empty_state(cluster, unit_tokens)
        self._units = no_units(len(self._state.lanes))
        run = self._state.run
        run["concurrency"][0] = 0 if concurrency is None else concurrency
        run["stepping"][0] = stepping
        run["router"][0] = list(ROUTERS).index(cluster.router)

    def add(self, requests: Requests) -> None:
        """Hand over the requests that are sent next."""
        known = self._state
        checked(self._cluster, requests, open_loop=known.run["concurrency"][0] == 0)
        rows = request_rows(self._cluster, requests, self._rng)
        rows["block"] += len(known.block_ids)
        self._units = with_blocks(self._units, requests.block_ids)
        more = len(known.requests) + len(rows) - len(known.coming)
        self._state = known._replace(
            requests=cast(Rows[RequestRow], np.concatenate([known.requests, rows])),
            coming_s=np.concatenate([known.coming_s, np.zeros(more)]),
            coming=np.concatenate([known.coming, np.zeros(more, dtype=np.int64)]),
            block_ids=self._units.block_ids,
            **self._units.tables._asdict(),
        )

    def run(self, *, last: bool) -> None:
        """Serve: to the end, or until the next request to be sent is not at hand yet."""
        self._now_s = run(self._state, self._now_s, last)
        if last and np.any(self._state.requests["stage"] != kinds.FINISHED):
            raise SimkitError("the simulation came to rest with requests unserved; please report this case")

    def take(self) -> RequestTimes:
        """Times of the finished requests in order of sending; they are forgotten."""
        state = self._state
        done = state.requests["stage"] == kinds.FINISHED
        found = times_of(state.requests[done])
        self._state, self._units = forgotten(state, self._units, done)
        return found

    @property
    def num_steps(self) -> int:
        """Engine steps so far, of all groups of lanes."""
        return int(self._state.run["steps"][0])

    @property
    def num_kept(self) -> int:
        """Requests in memory."""
        return len(self._state.requests)

    def peak_used_frac(self) -> FloatArray:
        """The most of its cache that sequences of each lane used at once [lanes]."""
        lanes = self._state.lanes
        peak: FloatArray = lanes["peak"] / self._state.pools["pages"][lanes["pool"]]
        return peak

    def pages_in_use(self) -> tuple[int, int]:
        """Pages of sequences and pages of cached prefixes now, over all lanes."""
        lanes, pools = self._state.lanes, self._state.pools
        size = pools["unit_pages"][lanes["pool"]]
        used = lanes["private"] + (lanes["units"] - lanes["idle"]) * size
        return int(used.sum()), int((lanes["idle"] * size).sum())

    def samples(self) -> Samples:
        """The cluster over time."""
        pages = float(self._state.pools["pages"][self._state.lanes["pool"]].sum())
        rows = self._state.samples[: self._state.run["samples"][0]]
        return Samples(
            time_s=rows["time_s"].copy(),
            waiting=rows["waiting"].copy(),
            running=rows["running"].copy(),
            used_frac=rows["used"] / pages,
            idle_frac=rows["idle"] / pages,
        )


def empty_state(cluster: Cluster, unit_tokens: int) -> State:
    """A cluster with nothing to do."""
    lanes, groups = lane_and_group_rows(cluster)
    pools, units, run = pool_rows(cluster, unit_tokens), no_units(len(lanes)), rows_of(RunRow, 1)
    run["stride"] = 1
    hosts = rows_of(HostRow, max(pool.replicas for pool in cluster.pools))
    hosts["last_s"] = -1.0
    seqs = max(pool.policy.max_seqs for pool in cluster.pools)
    listed: dict[str, Any] = {
        name: np.zeros((len(lanes), seqs), dtype=np.int64)
        for name in ("decoding", "ends", "prompts", "chunks")
    }
    return State(
        run=run,
        pools=pools,
        groups=groups,
        lanes=lanes,
        hosts=hosts,
        requests=rows_of(RequestRow, 0),
        samples=rows_of(SampleRow, _SAMPLES),
        block_ids=units.block_ids,
        **listed,
        crossings=np.zeros((len(lanes), int(pools["page_steps"].max())), dtype=np.int64),
        **units.tables._asdict(),
        coming_s=np.zeros(0),
        coming=np.zeros(0, dtype=np.int64),
        **tables_of(cluster),
    )
