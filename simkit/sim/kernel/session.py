"""The memory of a running simulation: makes the kernel's arrays, runs it, reads them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError, SimkitError
from simkit.sim.cluster import Cluster, Samples
from simkit.sim.kernel import columns as c
from simkit.sim.kernel.loop import run
from simkit.sim.kernel.prefix_names import Units, no_units, with_blocks
from simkit.sim.kernel.rows import checked, lane_and_group_rows, request_rows, rule_rows, tables_of, times_of
from simkit.sim.kernel.state import State
from simkit.sim.requests import IntArray, Requests, RequestTimes

# --- Finished requests taken out of a running simulation, so that its memory does not grow with its length.


def forgotten(state: State, units: Units, done: NDArray[np.bool_]) -> tuple[State, Units]:
    """The same without the requests that are `done`; those left keep their order under new numbers."""
    kept = ~done
    number = np.append(np.cumsum(kept) - 1, -1)  # -1 (no request) stays -1
    rows = state.requests[kept]
    rows[:, c.R_NEXT] = number[rows[:, c.R_NEXT]]
    blocks, rows[:, c.R_BLOCK] = _kept_blocks(state, kept)
    lanes = state.lanes
    for column in (c.L_HEAD, c.L_TAIL, c.L_PLACED, c.L_LAST_PLACED):
        lanes[:, column] = number[lanes[:, column]]
    coming = state.counters[c.S_COMING]
    state.coming[:coming] = number[state.coming[:coming]]
    for listed, column in ((state.decoding, c.L_DECODES), (state.prompts, c.L_PROMPTS)):
        for lane, count in enumerate(lanes[:, column]):
            listed[lane, :count] = number[listed[lane, :count]]
    state.counters[c.S_NEXT] -= np.count_nonzero(done)
    left = len(rows)
    smaller = state._replace(
        requests=rows,
        requests_f=state.requests_f[kept],
        block_ids=blocks,
        coming_s=state.coming_s[:left].copy(),
        coming=state.coming[:left].copy(),
    )
    return smaller, replace(units, block_ids=blocks)


def _kept_blocks(state: State, kept: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Blocks of the requests that stay, and where those of each begin."""
    rows = state.requests[kept]
    counts = rows[:, c.R_UNITS]
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    return state.block_ids[np.repeat(rows[:, c.R_BLOCK], counts) + within], starts


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
        counters = self._state.counters
        counters[c.S_CONCURRENCY] = 0 if concurrency is None else concurrency
        counters[c.S_STEPPING] = stepping
        counters[c.S_ROUTER] = cluster.router == "least_loaded"
        counters[c.S_STRIDE] = 1

    def add(self, requests: Requests) -> None:
        """Hand over the requests that are sent next."""
        known = self._state
        checked(self._cluster, requests, open_loop=known.counters[c.S_CONCURRENCY] == 0)
        rows, times = request_rows(self._cluster, requests, self._rng)
        rows[:, c.R_BLOCK] += len(known.block_ids)
        self._units = with_blocks(self._units, requests.block_ids)
        more = len(known.requests) + len(rows) - len(known.coming)
        self._state = known._replace(
            requests=np.concatenate([known.requests, rows]),
            requests_f=np.concatenate([known.requests_f, times]),
            coming_s=np.concatenate([known.coming_s, np.zeros(more)]),
            coming=np.concatenate([known.coming, np.zeros(more, dtype=np.int64)]),
            block_ids=self._units.block_ids,
            **self._units.tables._asdict(),
        )

    def run(self, *, last: bool) -> None:
        """Serve: to the end, or until the next request to be sent is not at hand yet."""
        self._now_s = run(self._state, self._now_s, last)
        if last and np.any(self._state.requests[:, c.R_STAGE] != c.FINISHED):
            raise SimkitError("the simulation came to rest with requests unserved; please report this case")

    def take(self) -> RequestTimes:
        """Times of the finished requests in order of sending; they are forgotten."""
        state = self._state
        done = state.requests[:, c.R_STAGE] == c.FINISHED
        found = times_of(state.requests[done], state.requests_f[done])
        self._state, self._units = forgotten(state, self._units, done)
        return found

    @property
    def num_steps(self) -> int:
        """Engine steps so far, of all groups of lanes."""
        return int(self._state.counters[c.S_STEPS])

    @property
    def num_kept(self) -> int:
        """Requests in memory."""
        return len(self._state.requests)

    def peak_used_frac(self) -> FloatArray:
        """The most of its cache that sequences of each lane used at once [lanes]."""
        lanes = self._state.lanes
        peak: FloatArray = lanes[:, c.L_PEAK] / self._state.rules[lanes[:, c.L_POOL], c.P_PAGES]
        return peak

    def pages_in_use(self) -> tuple[int, int]:
        """Pages of sequences and pages of cached prefixes now, over all lanes."""
        lanes, rules = self._state.lanes, self._state.rules
        size = (rules[:, c.P_UNIT] // rules[:, c.P_PAGE])[lanes[:, c.L_POOL]]
        used = lanes[:, c.L_PRIVATE] + (lanes[:, c.L_UNITS] - lanes[:, c.L_IDLE]) * size
        return int(used.sum()), int((lanes[:, c.L_IDLE] * size).sum())

    def samples(self) -> Samples:
        """The cluster over time."""
        lanes = self._state.lanes
        pages = float(self._state.rules[lanes[:, c.L_POOL], c.P_PAGES].sum())
        rows = self._state.samples[: self._state.counters[c.S_SAMPLES]]
        return Samples(
            time_s=rows[:, 0].copy(),
            waiting=rows[:, 1].copy(),
            running=rows[:, 2].copy(),
            used_frac=rows[:, 3] / pages,
            idle_frac=rows[:, 4] / pages,
        )


def empty_state(cluster: Cluster, unit_tokens: int) -> State:
    """A cluster with nothing to do."""
    lanes, groups = lane_and_group_rows(cluster)
    rules, rules_f = rule_rows(cluster, unit_tokens)
    seqs = max(pool.policy.max_seqs for pool in cluster.pools)
    units = no_units(len(lanes))
    listed = ("decoding", "ends", "prompts", "chunks")
    return State(
        tables=tables_of(cluster),
        rules=rules,
        rules_f=rules_f,
        requests=np.zeros((0, c.R_COLUMNS), dtype=np.int64),
        requests_f=np.zeros((0, c.RF_COLUMNS)),
        block_ids=units.block_ids,
        lanes=lanes,
        lanes_f=np.zeros((len(lanes), c.LF_COLUMNS)),
        groups=groups,
        groups_f=np.tile([0.0, np.inf], (len(groups), 1)),
        **{name: np.zeros((len(lanes), seqs), dtype=np.int64) for name in listed},
        crossings=np.zeros((len(lanes), int(rules[:, c.P_PAGE_STEPS].max())), dtype=np.int64),
        **units.tables._asdict(),
        coming_s=np.zeros(0),
        coming=np.zeros(0, dtype=np.int64),
        serial_free_s=np.full((max(pool.replicas for pool in cluster.pools), 2), -1.0),
        counters=np.zeros(c.S_COLUMNS, dtype=np.int64),
        samples=np.zeros((_SAMPLES, 5)),
    )
