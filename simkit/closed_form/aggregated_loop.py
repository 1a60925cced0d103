"""Mean latencies of aggregated engines in closed form.

A lane serves B requests at a time. Each of them costs the engine one prefill and osl - 1 decode steps
of t(B); each request's prefill delays all others. A request that arrives waits for the step under
way, for the prompts ahead of it and for its own. How many are ahead depends on how far the requests
are in step with each other: all of them in the opening burst of a closed-loop benchmark; where lengths
are equal those of the same step, or all again where the engine prefills everything before it decodes
and so finishes everything together; few where lengths differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.core.workload import Lengths

_BISECTIONS = 40
_ROUNDS = 12
_MOSTLY_PROMPTS, _FEW_TOKENS = 0.4, 63  # beyond these prompts crowd out decoding in fits and starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How a closed loop is driven: requests per slot (None: forever) and relative length spread.

    Scalars, or one per row.
    """

    requests_per_slot: FloatLike | None = None
    length_spread: FloatLike = 0.0

    @property
    def opening_share(self) -> FloatArray:
        """Share of all requests that belong to the opening burst."""
        forever = self.requests_per_slot is None
        slots = np.asarray(np.inf if forever else self.requests_per_slot, dtype=np.float64)
        return 1.0 / np.maximum(slots, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTimes:
    """Mean latencies and what lies behind them; arrays [rows, loads].

    batch is the mean number of requests a lane works on, peak_batch as many as it may come to if that is more
    (prefill engines may be faster than predicted); waiting_s the part of TTFT spent queueing, of which
    room_s for a place among the sequences that decode, and queue_s for engines that only prefill;
    prefill_share the share of engine time that goes to prompts; requests_per_s the throughput of
    what the load was given for (a lane, or all workers of disaggregated pools); saturated marks
    offered rates that cannot be sustained. *_log_sd is how unsure a latency is: the standard
    deviation of its log, one where nothing is known.
    most_per_s is what engines that only prefill can feed, on average over how fast they may be.
    doubtful marks loads whose order of events decides, where the closed form is far off a simulation more
    often (reports/closed_form).
    """

    ttft_s: FloatArray
    itl_s: FloatArray
    batch: FloatArray
    waiting_s: FloatArray
    prefill_share: FloatArray
    requests_per_s: FloatArray
    saturated: NDArray[np.bool_]
    ttft_log_sd: FloatLike = 1.0
    itl_log_sd: FloatLike = 1.0
    doubtful: NDArray[np.bool_] | bool = False
    room_s: FloatLike = 0.0
    peak_batch: FloatLike = 0.0
    queue_s: FloatLike = 0.0
    most_per_s: FloatLike = np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What an engine's host adds to a request.

    request_s precedes its prefill [s]; serial_s is the part spent in a process
    that takes requests one by one. admission_steps, poll_steps and hold_steps are counted in decode
    steps: the steps until the scheduler takes a new request, the steps between two looks at its
    inbox, and the steps it holds requests back to batch their prompts. wave_frac: how long requests
    that arrive together wait for each other, as a share of the prefill of those ahead. request_s,
    poll_steps and hold_steps are scalars or one per row.
    """

    request_s: FloatLike = 15e-3
    serial_s: float = 0.0
    admission_steps: float = 0.0
    poll_steps: FloatLike = 0.0
    hold_steps: FloatLike = 0.0
    wave_frac: float = 0.0


def closed_loop(
    times: PhaseTimes, concurrency: FloatArray, lengths: Lengths, procedure: Procedure, host: Host
) -> LoopTimes:
    """Mean latencies at `concurrency` [rows, loads] requests in flight per lane.

    Below one request per lane the lane is busy only part of the time; latencies are those of one.
    """
    decodes = decode_steps(times, lengths, concurrency)
    cap = np.maximum(times.max_seqs, 1.0)[:, None]
    batch = np.clip(concurrency, 1.0, cap)
    before = rows_like(host.request_s, concurrency) + _own_prompt_s(times, batch, decodes)
    found = _balance(times, (batch, decodes), before, host)
    others, burst = batch - 1.0, times.burst_prefill_s[:, None]
    share = rows_like(procedure.opening_share, concurrency)
    in_step = np.clip(1.0 - rows_like(procedure.length_spread, concurrency) * decodes, 0.0, 1.0)
    wave = np.minimum(batch, times.together[:, None]) if times.mixed else batch
    ahead = np.where(share > 0, in_step, 0.0) * host.wave_frac * (wave - 1.0) * burst
    steady = np.maximum(found.queue_s, ahead)
    opening = 0.5 * others * found.service_s + 0.5 * others * times.plan.lanes[:, None] * host.serial_s
    waiting = found.look_s + (1.0 - share) * steady + share * np.maximum(opening, found.queue_s)
    ttft = before + waiting
    # Do not count a prefill twice: as queueing in TTFT and as a stall in ITL.
    spared = (1.0 - share) * np.maximum(steady - found.queue_s, 0.0) / np.maximum(decodes, 1.0)
    itl = np.maximum(found.itl_s - spared, np.minimum(times.decode_at(batch), found.itl_s))
    # Lower bound: total engine time of all prefills and decode steps.
    least = batch * times.stall_s[:, None] + decodes * times.decode_at(batch)
    late = np.maximum(least - ttft - decodes * itl, 0.0)
    ttft, waiting = ttft + late, waiting + late
    residence = ttft + decodes * itl
    share_of_time = prefill_share(times, batch, lengths)
    lockstep = (share > 0) & (in_step > 0) & (batch >= 2.0 * wave)
    over = np.maximum(concurrency / batch - 1.0, 0.0) * residence * (1.0 - 0.5 * share)
    return LoopTimes(
        ttft_s=ttft + over,
        itl_s=itl / times.pace(itl),
        batch=batch,
        waiting_s=waiting + over,
        room_s=over,
        prefill_share=share_of_time,
        doubtful=(share_of_time > _MOSTLY_PROMPTS) | lockstep | (decodes < _FEW_TOKENS),
        requests_per_s=np.maximum(concurrency, 1e-9) / (residence + over),
        saturated=np.zeros_like(ttft, dtype=bool),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Balance:
    """Where a closed loop settles: seconds per token, waiting for the engine's attention and for other
    prompts, and engine time of one prompt among others; arrays [rows, loads].
    """

    itl_s: FloatArray
    look_s: FloatArray
    queue_s: FloatArray
    service_s: FloatArray


def _balance(
    times: PhaseTimes, load: tuple[FloatArray, FloatArray], before_s: FloatArray, host: Host
) -> _Balance:
    """How many of `batch` requests decode while the rest are on their way there; load is (batch, decodes).

    With n decoding, n / decodes requests finish per step and as many prompts come in, each of which
    delays every decoding sequence by stall_s. Where prompts share steps with decodes no more come in per
    step than its token budget holds: beyond that the others queue. Decoding and waiting share the batch
    by Little's law; a damped fixed point finds n.
    """
    batch, decodes = load
    steps = np.maximum(decodes, 1e-9)
    burst = times.burst_prefill_s[:, None]
    most = steps * times.per_step[:, None] if times.mixed else np.full_like(batch, np.inf)
    rest = (batch - 1.0) / batch  # a request is not delayed by its own prompt
    engaged = np.clip(batch - 1.0, 0.0, 1.0) * np.clip(decodes, 0.0, 1.0)  # another request is decoding
    decoding = np.minimum(batch, most)
    for _ in range(_ROUNDS):
        step = times.decode_at(np.maximum(decoding, 1.0))
        stall, service = _prompt_costs(times, step, decoding / steps, host)
        itl = step + rest * stall * decoding / steps
        rate = decoding / (steps * itl)
        service = np.where(decodes > 0, service, burst)
        queue = _queue_s(rest * rate * np.where(decodes > 0, service, 0.0), service, batch - 1.0)
        hold = rows_like(host.hold_steps, batch)
        look = engaged * (
            step * (host.admission_steps + times.mixed + hold) + _poll_s(step, rate * burst, host)
        )
        life = steps * itl
        found = np.minimum(batch * life / (life + before_s + look + queue), most)
        decoding = np.sqrt(decoding * np.maximum(found, 1e-9))
    full = decoding >= 0.999 * most  # the budget is the limit: all others wait
    queue = np.where(full, np.maximum(batch / rate - life - before_s - look, queue), queue)
    queue = np.where(decodes < 1, (batch - 1.0) * burst, queue)  # without decodes all others are ahead
    return _Balance(itl_s=np.where(decodes > 0, itl, 0.0), look_s=look, queue_s=queue, service_s=service)


def _own_prompt_s(times: PhaseTimes, batch: FloatArray, decodes: FloatArray) -> FloatArray:
    """Time of a request's own prompt [s]: in a step of its own, or what it adds to one that runs anyway."""
    alone, floor = times.prefill_s[:, None], times.floor_s[:, None]
    if not times.mixed:
        return alone + 0.0 * batch
    engaged = np.clip(batch - 1.0, 0.0, 1.0) * np.clip(decodes, 0.0, 1.0)
    added = np.maximum(alone - floor * times.chunks[:, None], 0.0)
    return engaged * added + (1.0 - engaged) * alone


def _prompt_costs(
    times: PhaseTimes, step: FloatArray, arrivals: FloatArray, host: Host
) -> tuple[FloatArray, FloatArray]:
    """By how much one prompt delays those who decode, and how long it keeps the next one waiting [s].

    Where prompts share steps with decodes, a full step is shared by `together` of them. Where they go first,
    those that arrive between two decode steps (`arrivals` per step) share the cost of starting a step.
    """
    added = times.stall_s[:, None]
    if times.mixed:
        return added, added + step / times.per_step[:, None]
    interval = np.maximum(rows_like(host.poll_steps, step), 1.0)
    batched = np.clip(arrivals * interval, 1.0, times.together[:, None])
    cost = added + times.floor_s[:, None] / batched
    return cost, cost


def prefill_share(times: PhaseTimes, batch: FloatArray, lengths: Lengths) -> FloatArray:
    """Share of a closed loop's time that goes to prompts, at `batch` [rows, loads] requests a lane."""
    decodes = decode_steps(times, lengths, batch)
    stalls = (batch - 1.0) * times.stall_s[:, None]
    life = decodes * times.decode_at(batch) + stalls
    return np.minimum(stalls / np.maximum(life, times.burst_prefill_s[:, None]), 1.0)


def decode_steps(times: PhaseTimes, lengths: Lengths, like: FloatArray) -> FloatArray:
    """Decode steps of one request [rows, loads]: its tokens after the first over those of a step."""
    return np.maximum(rows_like(lengths.osl_tokens, like) - 1.0, 0.0) / times.pace(like)


def rows_like(value: FloatLike, like: FloatArray) -> FloatArray:
    """A per-row or scalar value as a column that broadcasts against [rows, loads]."""
    column = np.asarray(value, dtype=np.float64)
    return np.broadcast_to(column[:, None] if column.ndim else column, like.shape)


def _poll_s(step: FloatArray, prefill_load: FloatArray, host: Host) -> FloatArray:
    """Waiting for the scheduler to look: half the interval, and half of the prompts it finds then."""
    interval = rows_like(host.poll_steps, step) * step
    return 0.5 * interval * (1.0 + prefill_load)


def _queue_s(load: FloatArray, service_s: FloatArray, others: FloatArray) -> FloatArray:
    """Waiting of requests that arrive out of step: M/D/1 at `load`, cut at the closed population [s]."""
    rho = np.clip(load, 0.0, 0.95)
    random = 0.5 * rho / (1.0 - rho) * service_s
    return np.minimum(random, 0.5 * others * service_s)


def open_loop(times: PhaseTimes, rate_per_s: FloatArray, lengths: Lengths, host: Host) -> LoopTimes:
    """Mean latencies under `rate_per_s` [rows, loads] Poisson arrivals per lane.

    Prefills take a share rho = rate * stall of the engine's time, which stretches decode steps by
    1/(1 - rho); the batch follows from Little's law, by bisection. A rate that needs more
    sequences than fit, or more prefill than there is time, is marked saturated: requests queue without
    end, and requests_per_s is what the lane sustains.
    """
    decodes = decode_steps(times, lengths, rate_per_s)
    cap = np.maximum(times.max_seqs, 1.0)[:, None]
    alone, stall = times.prefill_s[:, None], times.stall_s[:, None]
    burst = times.burst_prefill_s[:, None]
    cost = np.where(decodes > 0, stall, burst)
    sustained = cap / (cap * cost + decodes * times.decode_at(cap + 0.0 * rate_per_s))
    saturated = rate_per_s >= sustained
    served = np.where(saturated, 0.999 * sustained, rate_per_s)
    rho = np.minimum(served * cost, 0.999)
    room = 1.0 - rho
    low, high = np.zeros_like(served), cap + 0.0 * served
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        enough = served * decodes * times.decode_at(np.maximum(middle, 1.0)) / room <= middle
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    step = times.decode_at(np.clip(high, 1.0, cap))
    busy = np.clip(high, 0.0, 1.0)  # share of arrivals that find a decoding sequence
    missed = max(host.admission_steps - 0.5, 0.0)  # arrivals come in the middle of a step, not at its end
    look = busy * (
        step * (missed + times.mixed + rows_like(host.hold_steps, step)) + _poll_s(step, rho, host)
    )
    waiting = np.where(saturated, np.inf, look + 0.5 * rho * burst / room)
    return LoopTimes(
        ttft_s=rows_like(host.request_s, rate_per_s) + alone + waiting,
        itl_s=np.where(decodes > 0, step / room, 0.0) / times.pace(step),
        batch=high,
        waiting_s=waiting,
        prefill_share=rho,
        requests_per_s=np.minimum(rate_per_s, sustained),
        saturated=saturated,
    )
