"""Mean latencies when prefill and decode run on separate engines.

Prefill engines form a queue of m servers (workers times lanes) with service time p; decode engines
take what they deliver. A closed loop of C requests settles where the throughput X satisfies
C = X * (time in prefill + transfer + time in decode), solved for the decode batch.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.aggregated_loop import Host, LoopTimes, Procedure, rows_like
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.roots import crossing
from simkit.core.workload import Lengths

_NEARLY_FULL = 0.995  # of its rate: how busy a pool can be kept
_SETTLING = 8  # rounds: each takes a share of the error that falls with the number in flight
# How far off predicted prefill rates are (standard deviation of logs): chosen on the 92 fitted runs, factors
# fitted to them included.
PREFILL_LOG_SD = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Matched prefill and decode pools; all arrays [rows] (prefill and decode hold one row per pair).

    transfer_s is the time to hand one request's cache over, prefill_log_sd how unsure the rate of prefill is.
    """

    prefill: PhaseTimes
    decode: PhaseTimes
    prefill_workers: FloatArray
    decode_workers: FloatArray
    transfer_s: FloatArray
    prefill_log_sd: float = 0.0

    @property
    def prefill_servers(self) -> FloatArray:
        """Prompts that are prefilled at the same time."""
        return self.prefill_workers * self.prefill.plan.lanes

    @property
    def decode_lanes(self) -> FloatArray:
        """Independent decode batches."""
        return self.decode_workers * self.decode.plan.lanes

    @property
    def prefill_rate_per_s(self) -> FloatArray:
        """Prompts per second [rows] all prefill workers manage at most."""
        return self.prefill_rate_at(1.0)[:, 0]

    def prefill_rate_at(self, pace: float) -> FloatArray:
        """The same [rows, loads] where prefill takes `pace` times as long, batching what fits a step.

        A worker hands its caches over one after the other, which bounds it too.
        """
        busy = np.minimum(self.prefill.burst_prefill_s, self.prefill.prefill_s)[:, None] * pace
        held = np.maximum(busy, np.maximum(self.transfer_s, 1e-9)[:, None])
        rate: FloatArray = self.prefill_servers[:, None] / held
        return rate

    @property
    def num_gpus(self) -> FloatArray:
        """GPUs of all workers."""
        return (
            self.prefill_workers * self.prefill.plan.num_gpus
            + self.decode_workers * self.decode.plan.num_gpus
        )


def host_column(host: Host) -> FloatArray:
    """Host time as a column that broadcasts against [rows, loads]."""
    value = np.asarray(host.request_s, dtype=np.float64)
    return value[:, None] if value.ndim else value


def _decodes(pools: Pools, lengths: Lengths, like: FloatArray) -> FloatArray:
    """Decode steps of one request [rows, loads], one at least."""
    tokens = np.maximum(rows_like(lengths.osl_tokens, like) - 1.0, 1.0)
    return tokens / pools.decode.pace(like)


def _decode_rate(pools: Pools, batch: FloatArray, decodes: FloatArray) -> FloatArray:
    """Requests per second the decode pool finishes with `batch` sequences per lane."""
    return pools.decode_lanes[:, None] * batch / (pools.decode.decode_at(batch) * decodes)


def _batch_at_rate(pools: Pools, rate_per_s: FloatArray, limits: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Sequences per decode lane that finish at `rate_per_s`; limits is (decode steps, largest batch)."""
    decodes, cap = limits
    low, high = np.full_like(decodes, 1e-3), cap + 0.0 * decodes
    return crossing(lambda batch: _decode_rate(pools, batch, decodes) - rate_per_s, low, high)


def prefill_wait_s(pools: Pools, rate_per_s: FloatArray, pace: float = 1.0) -> FloatArray:
    """Mean wait for one of m prefill servers, M/D/m: half of Sakasegawa's M/M/m approximation [s]."""
    servers = pools.prefill_servers[:, None]
    service = pools.prefill.prefill_s[:, None] * pace
    rho = np.clip(rate_per_s / pools.prefill_rate_at(pace), 0.0, _NEARLY_FULL)
    exponent = np.sqrt(2.0 * (servers + 1.0)) - 1.0
    return 0.5 * service * rho**exponent / (servers * (1.0 - rho))


def _before_s(pools: Pools, host: Host) -> FloatArray:
    """What a request that waits for nothing takes until it decodes [rows, 1]."""
    return host_column(host) + pools.prefill.prefill_s[:, None] + pools.transfer_s[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """Where closed loops settle: decode step [s], sequences per decode lane, and waiting before decoding,
    of which room_s for a place there; arrays [rows, loads].
    """

    step_s: FloatArray
    batch: FloatArray
    waiting_s: FloatArray
    room_s: FloatArray


def closed_loop(
    pools: Pools, concurrency: FloatArray, lengths: Lengths, procedure: Procedure, host: Host
) -> LoopTimes:
    """Mean latencies at `concurrency` [rows, loads] requests in flight over all workers.

    Where prefill is nearly full a little decides between a trickle and a queue. So what is told is a mean
    over how fast prefill may really be: of TTFT the harmonic one, as an error is a share of what is measured.
    That is short of what Little's law asks of full prefill engines: what they feed bounds throughput.
    """
    base, driven = _before_s(pools, host), (lengths, procedure, host)
    paces, shares = _paces(pools.prefill_log_sd)
    found = [_balance(pools, concurrency, pace, driven) for pace in paces]
    usual = found[0]
    inverse = [share / (base + one.waiting_s) for share, one in zip(shares, found, strict=True)]
    ttft = np.maximum(1.0 / np.sum(inverse, axis=0), base)
    step = np.sum([share * one.step_s for share, one in zip(shares, found, strict=True)], axis=0)
    waiting = ttft - base
    for_room = np.minimum(usual.room_s, waiting)
    wanted = concurrency / (ttft + step * _decodes(pools, lengths, concurrency))
    fed = _NEARLY_FULL * pools.prefill_rate_per_s[:, None]
    rate = np.minimum(wanted, fed)
    return LoopTimes(
        ttft_s=ttft,
        itl_s=step / pools.decode.pace(step),
        batch=usual.batch,
        peak_batch=np.max([one.batch for one in found], axis=0),
        waiting_s=waiting,
        queue_s=waiting - for_room,
        room_s=for_room,
        prefill_share=np.clip(rate / pools.prefill_rate_per_s[:, None], 0.0, 1.0),
        requests_per_s=rate,
        most_per_s=fed,
        saturated=np.zeros_like(step, dtype=bool),
    )


def _paces(log_sd: float) -> tuple[list[float], list[float]]:
    """How long prefill may take against what is predicted, the likeliest first, and how likely: three points
    of a normal distribution of logs, such that the mean rate is the predicted one.
    """
    if log_sd == 0.0:
        return [1.0], [1.0]
    paces = [math.exp(0.5 * log_sd**2 + log_sd * place) for place in (0.0, math.sqrt(3.0), -math.sqrt(3.0))]
    return paces, [2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0]


def _balance(
    pools: Pools, concurrency: FloatArray, pace: float, driven: tuple[Lengths, Procedure, Host]
) -> _Settled:
    """The balance of each load where prefill takes `pace` times as long.

    driven is (lengths, procedure, host).
    """
    cap = np.maximum(pools.decode.max_seqs, 1.0)[:, None] + 0.0 * concurrency
    lengths, procedure, host = driven
    decodes, before = _decodes(pools, lengths, concurrency), _before_s(pools, host)
    most = _NEARLY_FULL * pools.prefill_rate_at(pace)
    others = _others(concurrency)

    def too_many(batch: FloatArray) -> FloatArray:
        """How many more than `concurrency` are in flight where so many decode."""
        rate = np.minimum(_decode_rate(pools, batch, decodes), most)
        before_decode = before + prefill_wait_s(pools, others * rate, pace)
        more: FloatArray = rate * before_decode + pools.decode_lanes[:, None] * batch - concurrency
        return more

    full_batch = _batch_at_rate(pools, most, (decodes, cap))
    high = crossing(too_many, np.full_like(concurrency, 1e-3), full_batch)
    rate = np.minimum(_decode_rate(pools, high, decodes), most)
    step = pools.decode.decode_at(np.maximum(high, 1.0))
    steady = np.maximum(concurrency / rate - step * decodes - before, 0.0)
    full = high >= (1.0 - 1e-9) * cap
    return _Settled(
        step_s=step,
        batch=high,
        waiting_s=_with_burst(pools, concurrency, steady, (procedure, pace)),
        room_s=np.where(full, np.maximum(steady - prefill_wait_s(pools, others * rate, pace), 0.0), 0.0),
    )


def _others(in_flight: FloatArray) -> FloatArray:
    """Share of the load that a request can meet when it arrives: all requests in flight but itself."""
    share: FloatArray = np.maximum(1.0 - 1.0 / in_flight, 0.0)
    return share


def _with_burst(
    pools: Pools, concurrency: FloatArray, steady_s: FloatArray, driven: tuple[Procedure, float]
) -> FloatArray:
    """Steady waiting, and that of the requests that arrive together in the opening burst.

    Each group of prompts starts decoding before the next one, so that later waves arrive as a stream. driven
    is (procedure, pace of prefill).
    """
    procedure, pace = driven
    burst_s = concurrency / pools.prefill_rate_at(pace)
    ahead = np.maximum(burst_s - pools.prefill.prefill_s[:, None] * pace, 0.0)
    share = rows_like(procedure.opening_share, concurrency)
    mixed: FloatArray = share * np.maximum(0.5 * ahead, steady_s) + (1.0 - share) * steady_s
    return mixed


def at_decode_batch(
    pools: Pools, batch: FloatArray, lengths: Lengths, host: Host
) -> tuple[LoopTimes, FloatArray]:
    """Steady latencies with `batch` [rows, loads] sequences per decode lane, and requests in flight.

    Where the prefill pool cannot feed that batch the row is marked saturated.
    """
    decodes = _decodes(pools, lengths, batch)
    wanted = _decode_rate(pools, batch, decodes)
    limit = pools.prefill_rate_per_s[:, None]
    rate = np.minimum(wanted, _NEARLY_FULL * limit)
    itl = pools.decode.decode_at(batch)
    base = _before_s(pools, host)
    alone = rate * (base + itl * decodes)
    waiting = prefill_wait_s(pools, rate)
    for _ in range(
        _SETTLING
    ):  # whom a request meets depends on how many are in flight, and the other way round
        waiting = prefill_wait_s(pools, rate * _others(alone + rate * waiting))
    loop = LoopTimes(
        ttft_s=base + waiting,
        itl_s=itl / pools.decode.pace(itl),
        batch=batch,
        waiting_s=waiting,
        queue_s=waiting,
        prefill_share=np.clip(wanted / limit, 0.0, 1.0),
        requests_per_s=rate,
        saturated=wanted > _NEARLY_FULL * limit,
    )
    in_flight = rate * (base + waiting + itl * decodes)
    if pools.prefill_log_sd == 0.0:
        return loop, in_flight
    # As many in flight as that takes, asked again: the mean over how fast prefill may be is told once, there.
    again = closed_loop(pools, in_flight, lengths, Procedure(), host)
    return replace(again, saturated=loop.saturated), in_flight


def open_loop(pools: Pools, rate_per_s: FloatArray, lengths: Lengths, host: Host) -> LoopTimes:
    """Mean latencies under `rate_per_s` [rows, loads] Poisson arrivals over all workers."""
    decodes = _decodes(pools, lengths, rate_per_s)
    cap = np.maximum(pools.decode.max_seqs, 1.0)[:, None]
    batch = _batch_at_rate(pools, rate_per_s, (decodes, cap))
    itl = pools.decode.decode_at(np.maximum(batch, 1.0))
    waiting = prefill_wait_s(pools, rate_per_s)
    decode_limit = _decode_rate(pools, cap + 0.0 * rate_per_s, decodes)
    limit = np.minimum(decode_limit, pools.prefill_rate_per_s[:, None])
    saturated = rate_per_s >= limit
    waiting = np.where(saturated, np.inf, waiting)
    base = _before_s(pools, host)
    return LoopTimes(
        ttft_s=base + waiting,
        itl_s=itl / pools.decode.pace(itl),
        batch=batch,
        waiting_s=waiting,
        queue_s=np.where(saturated, 0.0, waiting),
        prefill_share=np.clip(rate_per_s / pools.prefill_rate_per_s[:, None], 0.0, 1.0),
        requests_per_s=np.minimum(rate_per_s, limit),
        saturated=saturated,
    )
