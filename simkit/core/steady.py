"""Mean latencies of aggregated engines in closed form.

A lane serves B requests at a time. Each of them costs the engine one prefill of p seconds and
osl - 1 decode steps of t(B); everybody's prefills delay everybody else. Over one request's life the
other B - 1 prefills happen once each: those ahead of it lengthen its TTFT (waiting), the rest
stall its decoding. How they divide depends on how far the requests are in step with each other:
completely in the opening burst of a closed-loop benchmark, less and less as lengths differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from simkit.core.phases import Lengths, PhaseTimes

_BISECTIONS = 40
_MAX_WAVES = 64  # beyond this many requests per slot the opening burst is under 2 % of the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How a closed loop is driven: requests per slot (None: forever) and relative length spread."""

    requests_per_slot: float | None = None
    length_spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTimes:
    """Mean latencies and what lies behind them; arrays [rows, loads].

    batch is the mean number of requests a lane works on; waiting_s the part of TTFT spent queueing;
    prefill_share the share of engine time that goes to prompts; requests_per_s the throughput of
    what the load was given for (a lane, or all workers of disaggregated pools); saturated marks
    offered rates that cannot be sustained.
    """

    ttft_s: FloatArray
    itl_s: FloatArray
    batch: FloatArray
    waiting_s: FloatArray
    prefill_share: FloatArray
    requests_per_s: FloatArray
    saturated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Times outside the GPU, per request before its prefill starts [s]; scalar or one per row."""

    request_s: FloatLike = 15e-3
    serial_s: float = 0.0  # of which in a process that takes requests one by one
    in_step_frac: float = 0.0  # share of requests that stay in step after the opening burst


def closed_loop(
    times: PhaseTimes, concurrency: FloatArray, lengths: Lengths, procedure: Procedure, host: Host
) -> LoopTimes:
    """Mean latencies at `concurrency` [rows, loads] requests in flight per lane.

    Below one request per lane the lane is busy only part of the time; latencies are those of one.
    """
    decodes = _rows(lengths.osl_tokens, concurrency) - 1.0
    cap = np.maximum(times.max_seqs, 1.0)[:, None]
    batch = np.clip(concurrency, 1.0, cap)
    step = times.decode_at(batch)
    host_s = _rows(host.request_s, concurrency)
    alone, burst = times.prefill_s[:, None], np.minimum(times.burst_prefill_s, times.prefill_s)[:, None]
    cost = _busy_cost(batch * alone / (batch * alone + decodes * step + 1e-12), times)
    busy = cost * batch + decodes * step
    together = in_step_share(batch * burst, busy, procedure, host.in_step_frac)
    waiting, stall = _interference(batch, (cost, burst), busy, together)
    entrance = np.maximum(host.serial_s - burst, 0.0)
    waiting = waiting + together * 0.5 * (batch - 1.0) * entrance
    waiting = waiting + np.clip(1.0 - decodes, 0.0, 1.0) * stall  # without decodes everybody else is ahead
    chunk_steps = times.chunks[:, None] * step * np.clip(batch - 1.0, 0.0, 1.0)
    service = host_s + alone + waiting + 0.5 * chunk_steps
    itl = np.where(decodes > 0, step + stall / np.maximum(decodes, 1.0), 0.0)
    residence = service + decodes * itl
    queue = np.maximum(concurrency / batch - 1.0, 0.0) * residence * _opening(procedure)
    ttft = service + queue
    in_flight = np.maximum(concurrency, 1e-9)
    return LoopTimes(
        ttft_s=ttft,
        itl_s=itl,
        batch=batch,
        waiting_s=waiting + queue,
        prefill_share=np.minimum(cost * batch / busy, 1.0),
        requests_per_s=np.minimum(in_flight, batch) / residence,
        saturated=np.zeros_like(ttft, dtype=bool),
    )


def _rows(value: FloatLike, like: FloatArray) -> FloatArray:
    """A per-row or scalar length as a column that broadcasts against [rows, loads]."""
    column = np.asarray(value, dtype=np.float64)
    return np.broadcast_to(column[:, None] if column.ndim else column, like.shape)


def _busy_cost(load: FloatArray, times: PhaseTimes) -> FloatArray:
    """Engine time of one prompt: alone on an idle engine, down to its shared cost on a full one."""
    alone, shared = times.prefill_s[:, None], times.shared_prefill_s[:, None]
    return alone + np.clip(load, 0.0, 1.0) * (shared - alone)


def _opening(procedure: Procedure) -> float:
    """Share of the steady queueing delay in the mean: the first request of a slot waits half of it."""
    waves = procedure.requests_per_slot
    return 1.0 if waves is None else 1.0 - 0.5 / max(waves, 1.0)


def _interference(
    batch: FloatArray, prefill: tuple[FloatArray, FloatArray], busy: FloatArray, in_step: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean waiting before the own prefill and stalls during decode [s].

    In step, requests queue behind half of the others; out of step, they arrive at random times at a
    server that is busy with prefills for a share rho of the time (M/D/1, cut at the closed
    population).
    """
    alone, burst = prefill
    others = batch - 1.0
    rho = np.minimum(others * alone / np.maximum(busy, 1e-12), 0.99)
    random_wait = np.minimum(0.5 * rho * alone / (1.0 - rho), 0.5 * others * alone)
    waiting = in_step * 0.5 * others * burst + (1.0 - in_step) * random_wait
    stall = in_step * 0.5 * others * burst + (1.0 - in_step) * np.maximum(others * alone - random_wait, 0.0)
    return waiting, stall


def in_step_share(
    burst_s: FloatArray, busy: FloatArray, procedure: Procedure, in_step_frac: float
) -> FloatArray:
    """Mean over the waves of the share of requests that arrive together and queue as a burst.

    Wave 1 arrives at once. An engine that prefills everything before it decodes again finishes those
    requests together too, so the next wave is a burst as well (in_step_frac near 1). Where prefills
    share steps with decodes, or run elsewhere, each group of prompts starts decoding a step before the
    next one and stays ahead: later waves arrive as a stream (near 0). Lengths that differ by `spread`
    let arrivals drift apart by that share of a request's life per wave, adding up as a random walk;
    once the drift exceeds the time the burst takes to prefill, nobody waits for it.
    """
    waves = procedure.requests_per_slot
    if waves is None:
        return np.zeros_like(burst_s)
    count = int(min(max(round(waves), 1), _MAX_WAVES))
    total = np.ones_like(burst_s)
    for wave in range(1, count):
        drift = procedure.length_spread * np.sqrt(wave) * busy
        total = total + in_step_frac * np.clip(1.0 - drift / np.maximum(burst_s, 1e-12), 0.0, 1.0)
    return total / count


def open_loop(times: PhaseTimes, rate_per_s: FloatArray, lengths: Lengths, host: Host) -> LoopTimes:
    """Mean latencies under `rate_per_s` [rows, loads] Poisson arrivals per lane.

    Prefills take a share rho = rate * p of the engine's time, which stretches decode steps by
    1/(1 - rho); the batch follows from Little's law, by bisection. A rate that needs more
    sequences than fit, or more prefill than there is time, is marked saturated: requests queue without
    end, and requests_per_s is what the lane sustains.
    """
    decodes = _rows(lengths.osl_tokens, rate_per_s) - 1.0
    cap = np.maximum(times.max_seqs, 1.0)[:, None]
    alone, shared = times.prefill_s[:, None], times.shared_prefill_s[:, None]
    full = times.decode_at(cap + 0.0 * rate_per_s)
    sustained = cap / (cap * shared + decodes * full)
    saturated = rate_per_s >= sustained
    served = np.minimum(rate_per_s, 0.999 * sustained)
    rho = np.minimum(served * alone / (1.0 + served * (alone - shared)), 0.999)
    cost = _busy_cost(rho, times)
    room = 1.0 - rho
    low, high = np.zeros_like(served), cap + 0.0 * served
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        enough = served * decodes * times.decode_at(np.maximum(middle, 1.0)) / room <= middle
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    step = times.decode_at(np.clip(high, 1.0, cap))
    waiting = np.where(saturated, np.inf, 0.5 * rho * cost / room)
    chunk_steps = times.chunks[:, None] * step * np.minimum(high, 1.0)
    return LoopTimes(
        ttft_s=_rows(host.request_s, rate_per_s) + alone + waiting + 0.5 * chunk_steps,
        itl_s=np.where(decodes > 0, step / room, 0.0),
        batch=high,
        waiting_s=waiting,
        prefill_share=rho,
        requests_per_s=np.minimum(rate_per_s, sustained),
        saturated=saturated,
    )
