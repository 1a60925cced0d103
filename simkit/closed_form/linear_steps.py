"""An engine whose steps take a time linear in what they hold, and its closed loop.

The simplest engine there is, for one that no table knows: what a step costs at all, per sequence that decodes
in it and per token it sees, and per prompt token. Few runs are enough to find the numbers
(simkit.calibrate.step_times).
"""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.aggregated_loop import Host, LoopTimes, Procedure, closed_loop
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.step_work import BATCH_GRID, column
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError
from simkit.core.workload import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSteps:
    """A step takes step_s, seq_s for each sequence that decodes, key_s for each token in their caches, and
    token_s for each prompt token [s].

    request_s is what precedes a request's first step, serial_s the part of the host that takes a burst of
    requests one by one. Found at one length, key_s is zero and its part in seq_s: other lengths are then off.
    """

    step_s: float
    seq_s: float
    token_s: float
    key_s: float = 0.0
    request_s: float = 0.0
    serial_s: float = 1e-3  # as for every engine (perfmodels.efficiency)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 <= value < 1e6 or (name == "step_s" and value == 0):
                raise InputError(f"linear steps: {name} must be a time [s], step_s above zero; got {value}")

    def decode_s(self, batch: FloatLike, context: FloatLike) -> FloatArray:
        """A step of `batch` sequences that see `context` tokens each, and no prompt [s]."""
        per_seq = self.seq_s + self.key_s * np.asarray(context, dtype=np.float64)
        times: FloatArray = self.step_s + per_seq * np.asarray(batch, dtype=np.float64)
        return times


def linear_times(steps: LinearSteps, engine: EngineOptions, lengths: Lengths) -> PhaseTimes:
    """Phase times of one lane with room for any cache; one row per prompt length."""
    rows = np.size(lengths.isl_tokens)
    plan = PlanArray.of([ParallelPlan()] * rows)
    isl = column(lengths.isl_tokens, plan) + np.zeros(rows)
    context = column(lengths.mean_context_tokens, plan) + np.zeros(rows)
    budget = float(engine.max_num_batched_tokens)
    fresh = isl - column(lengths.cached_tokens, plan)
    together, chunks = np.maximum(np.floor(budget / fresh), 1.0), np.ceil(fresh / budget)
    prompt = steps.token_s * fresh
    return PhaseTimes(
        plan=plan,
        decode_s=steps.decode_s(BATCH_GRID[None, :], context[:, None]),
        prefill_s=prompt + steps.step_s * chunks,
        burst_prefill_s=prompt + steps.step_s * chunks / together,
        floor_s=np.full(rows, steps.step_s),
        stall_s=prompt,
        together=together,
        per_step=budget / fresh,
        chunks=chunks,
        max_seqs=np.full(rows, float(engine.max_num_seqs)),
        kv_capacity_tokens=np.full(rows, np.inf),
        memory_bytes={},
        ahead_s=np.zeros(rows),
        least_decode_s=np.zeros(rows),
        least_prefill_s=np.zeros(rows),
        mixed=engine.mixed_steps,
    )


def linear_loop(
    steps: LinearSteps,
    engine: EngineOptions,
    load: tuple[Lengths, FloatArray],
    requests_per_slot: FloatLike | None = None,
) -> LoopTimes:
    """Mean latencies of a closed loop; load is (lengths, requests in flight [rows])."""
    lengths, concurrency = load
    return closed_loop(
        linear_times(steps, engine, lengths),
        np.asarray(concurrency, dtype=np.float64)[:, None],
        lengths,
        Procedure(requests_per_slot=requests_per_slot),
        Host(request_s=steps.request_s, serial_s=steps.serial_s, wave_frac=1.0),
    )
