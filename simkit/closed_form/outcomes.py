"""What engines do under a load: the one way from step times to latencies, throughput and how unsure both are.

A search asks with many rows and loads, an estimate with one of each, a table with a row for each of its own.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from simkit.closed_form import aggregated_loop, disaggregated_loop
from simkit.closed_form.aggregated_loop import Host, LoopTimes, Procedure, rows_like
from simkit.closed_form.disaggregated_loop import Pools
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.residuals import Corrections
from simkit.core.workload import Lengths, Workload, workload_lengths

Index = NDArray[np.intp]
_FOREVER = Procedure()
Floors = tuple[FloatArray, FloatArray]  # of TTFT and ITL [s]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Engines that each prefill and decode; workers [rows] or [rows, loads] says how many."""

    serving: PhaseTimes
    workers: FloatArray

    @property
    def lanes(self) -> FloatArray:
        """Independent batches, [rows, 1] or [rows, loads]."""
        workers = self.workers if self.workers.ndim == 2 else self.workers[:, None]
        return workers * self.serving.plan.lanes[:, None]


Engines = Replicas | Pools


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLoad:
    """What all clients together send: amount [rows, loads] requests in flight, or per second where offered.

    procedure says how a number of requests is kept in flight; what is offered arrives at random times.
    """

    amount: FloatArray
    lengths: Lengths
    procedure: Procedure = _FOREVER
    offered: bool = False


def load_of(workload: Workload) -> ClientLoad:
    """What the workload's clients send, as one row and one load."""
    rate = workload.request_rate_per_s
    return ClientLoad(
        amount=np.array([[rate if rate is not None else workload.concurrency or 1.0]]),
        lengths=workload_lengths(workload),
        procedure=Procedure(
            requests_per_slot=workload.requests_per_slot, length_spread=workload.length_spread
        ),
        offered=rate is not None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What comes of every load; arrays [rows, loads].

    in_flight and requests_per_s are over the whole deployment and agree with e2e_s by Little's law, but where
    prefill engines are full: there requests_per_s is less, what they feed, and the row is doubtful. The other
    columns are those of LoopTimes, and least_ttft_s and least_itl_s what the hardware allows at best.
    """

    in_flight: FloatArray
    requests_per_s: FloatArray
    ttft_s: FloatArray
    itl_s: FloatArray
    e2e_s: FloatArray
    waiting_s: FloatArray
    queue_s: FloatArray
    room_s: FloatArray
    batch: FloatArray
    peak_batch: FloatArray
    prefill_share: FloatArray
    saturated: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    ttft_log_sd: FloatArray
    itl_log_sd: FloatArray
    least_ttft_s: FloatArray
    least_itl_s: FloatArray


def outcomes(
    engines: Engines, load: ClientLoad, host: Host, corrections: Corrections | None, rows: Index | None = None
) -> Outcomes:
    """Latencies and throughput of `engines` under `load`; corrections: as measured runs suggest.

    rows [rows] says which row of `corrections` each row of `engines` is; None: the same ones.
    """
    loop = _loop(engines, load, host)
    lanes = engines.lanes if isinstance(engines, Replicas) else np.ones((1, 1))
    held = engines.lanes if isinstance(engines, Replicas) else engines.decode_lanes[:, None]
    floors = _floors(engines, loop)
    loop = _corrected(loop, floors, (corrections, rows))
    e2e = _end_to_end(loop, load.lengths)
    if load.offered:
        rate = np.where(loop.saturated, loop.requests_per_s * lanes, load.amount)
        with np.errstate(invalid="ignore"):  # overloaded ones wait for ever; those queueing are not counted
            in_flight = np.where(loop.saturated, loop.batch * held, load.amount * e2e)
        return _outcomes(loop, e2e, (in_flight, rate), floors)
    return _closed(loop, e2e, load.amount + 0.0 * e2e, floors)


def outcomes_at_batch(
    pools: Pools, batch: FloatArray, lengths: Lengths, host: Host, corrected: tuple[Corrections | None, Index]
) -> Outcomes:
    """The same with so many sequences [rows, loads] decoding in every lane: the load is what keeps them so.

    corrected is (corrections, which row of them each pair is).
    """
    loop, in_flight = disaggregated_loop.at_decode_batch(pools, batch, lengths, host)
    floors = _floors(pools, loop)
    loop = _corrected(loop, floors, corrected)
    e2e = _end_to_end(loop, lengths)
    return _closed(loop, e2e, in_flight, floors)


def _closed(loop: LoopTimes, e2e_s: FloatArray, in_flight: FloatArray, floors: Floors) -> Outcomes:
    """A closed loop finishes what comes round, but no more than prefill engines feed."""
    rate = in_flight / e2e_s
    full = loop.doubtful | (rate > loop.most_per_s)
    held = (in_flight, np.minimum(rate, loop.most_per_s))
    return _outcomes(replace(loop, doubtful=full), e2e_s, held, floors)


def _loop(engines: Engines, load: ClientLoad, host: Host) -> LoopTimes:
    if isinstance(engines, Pools):
        if load.offered:
            return disaggregated_loop.open_loop(engines, load.amount, load.lengths, host)
        return disaggregated_loop.closed_loop(engines, load.amount, load.lengths, load.procedure, host)
    per_lane = load.amount / engines.lanes
    if load.offered:
        return aggregated_loop.open_loop(engines.serving, per_lane, load.lengths, host)
    return aggregated_loop.closed_loop(engines.serving, per_lane, load.lengths, load.procedure, host)


def _floors(engines: Engines, loop: LoopTimes) -> Floors:
    """The shortest TTFT and ITL that the hardware allows at the speed of light."""
    decode, prefill = (
        (engines.serving, engines.serving)
        if isinstance(engines, Replicas)
        else (engines.decode, engines.prefill)
    )
    return prefill.least_prefill_s[:, None], decode.least_decode_s[:, None] / decode.pace(loop.itl_s)


def _corrected(loop: LoopTimes, floors: Floors, known: tuple[Corrections | None, Index | None]) -> LoopTimes:
    """The loop as measured runs correct it, but no step and no prompt quicker than its floor."""
    corrections, rows = known
    if corrections is None:
        return loop
    found, (prompt, token) = corrections.applied(loop, rows), floors
    return replace(
        found,
        itl_s=np.where(loop.itl_s > 0, np.maximum(found.itl_s, token), 0.0),
        ttft_s=np.maximum(found.ttft_s, prompt),
    )


def _end_to_end(loop: LoopTimes, lengths: Lengths) -> FloatArray:
    decodes = np.maximum(rows_like(lengths.osl_tokens, loop.itl_s) - 1.0, 0.0)
    e2e: FloatArray = loop.ttft_s + decodes * loop.itl_s
    return e2e


def _outcomes(
    loop: LoopTimes, e2e_s: FloatArray, totals: tuple[FloatArray, FloatArray], floors: Floors
) -> Outcomes:
    like = np.zeros_like(e2e_s)
    return Outcomes(
        in_flight=totals[0],
        requests_per_s=totals[1],
        ttft_s=loop.ttft_s,
        itl_s=loop.itl_s,
        e2e_s=e2e_s,
        waiting_s=loop.waiting_s,
        queue_s=loop.queue_s + like,
        room_s=loop.room_s + like,
        batch=loop.batch,
        peak_batch=np.maximum(loop.peak_batch, loop.batch),
        prefill_share=loop.prefill_share,
        saturated=loop.saturated,
        doubtful=np.broadcast_to(loop.doubtful, like.shape),
        ttft_log_sd=loop.ttft_log_sd + like,
        itl_log_sd=loop.itl_log_sd + like,
        least_ttft_s=np.broadcast_to(floors[0], like.shape),
        least_itl_s=np.broadcast_to(floors[1], like.shape),
    )


def only_column(found: Outcomes) -> Outcomes:
    """One load each: arrays [rows]."""
    return replace(found, **{name: getattr(found, name)[:, 0] for name in Outcomes.__slots__})
