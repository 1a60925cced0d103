"""Mean latencies when prefill and decode run on separate engines.

Prefill engines form a queue of m servers (workers times lanes) with service time p; decode engines
take what they deliver. A closed loop of C requests settles where the throughput X satisfies
C = X * (time in prefill + transfer + time in decode), found by bisection on the decode batch.
"""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.aggregated_loop import Host, LoopTimes, Procedure, rows_like
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.core.workload import Lengths

_BISECTIONS = 60  # TTFT is a small difference of what is found: to the last bit
# How long prefill may take against what is predicted, with weights: three points of a normal distribution.
PACE_SD = 0.2
PACES = ((1.0, 2.0 / 3.0), (1.0 - 3.0**0.5 * PACE_SD, 1.0 / 6.0), (1.0 + 3.0**0.5 * PACE_SD, 1.0 / 6.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Matched prefill and decode pools; all arrays [rows] (prefill and decode hold one row per pair).

    transfer_s is the time to hand one request's cache over.
    """

    prefill: PhaseTimes
    decode: PhaseTimes
    prefill_workers: FloatArray
    decode_workers: FloatArray
    transfer_s: FloatArray

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
        """Prompts per second all prefill workers manage at most, batching what fits a step.

        A worker hands its caches over one after the other, which bounds it too.
        """
        computed = self.prefill_servers / np.minimum(self.prefill.burst_prefill_s, self.prefill.prefill_s)
        return np.minimum(computed, self.prefill_servers / np.maximum(self.transfer_s, 1e-9))

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
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        enough = _decode_rate(pools, middle, decodes) >= rate_per_s
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def prefill_wait_s(pools: Pools, rate_per_s: FloatArray) -> FloatArray:
    """Mean wait for one of m prefill servers, M/D/m: half of Sakasegawa's M/M/m approximation [s]."""
    servers = pools.prefill_servers[:, None]
    service = pools.prefill.prefill_s[:, None]
    rho = np.clip(rate_per_s / pools.prefill_rate_per_s[:, None], 0.0, 0.995)
    exponent = np.sqrt(2.0 * (servers + 1.0)) - 1.0
    return 0.5 * service * rho**exponent / (servers * (1.0 - rho))


def _demand(
    pools: Pools, batch: FloatArray, decodes: FloatArray, host: Host
) -> tuple[FloatArray, FloatArray]:
    """Requests in flight that keep `batch` sequences per lane decoding, and their throughput."""
    rate = np.minimum(_decode_rate(pools, batch, decodes), 0.995 * pools.prefill_rate_per_s[:, None])
    before = host_column(host) + pools.prefill.prefill_s[:, None] + pools.transfer_s[:, None]
    decoding = pools.decode_lanes[:, None] * batch
    return rate * (before + prefill_wait_s(pools, rate)) + decoding, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """Where a closed loop settles: seconds per step, sequences per decode lane, requests per second, and
    waiting before decoding, of which room_s for a place there; arrays [rows, loads].
    """

    itl_s: FloatArray
    batch: FloatArray
    rate_per_s: FloatArray
    waiting_s: FloatArray
    room_s: FloatArray


def closed_loop(
    pools: Pools, concurrency: FloatArray, lengths: Lengths, procedure: Procedure, host: Host
) -> LoopTimes:
    """Mean latencies at `concurrency` [rows, loads] requests in flight over all workers.

    Where prefill is nearly full, a little decides between a trickle and a queue: latencies are means over
    how fast it may really be.
    """
    decodes = _decodes(pools, lengths, concurrency)
    settled = [
        (share, _settled(_paced(pools, pace), concurrency, decodes, (procedure, host))) for pace, share in PACES
    ]

    def mean(name: str) -> FloatArray:
        total: FloatArray = sum(share * getattr(one, name) for share, one in settled)
        return total

    itl, batch, rate, waiting, room = (mean(name) for name in _Settled.__slots__)
    base = _before_s(pools, host)
    residence = base + waiting + itl * decodes
    return LoopTimes(
        ttft_s=base + waiting,
        itl_s=itl / pools.decode.pace(itl),
        batch=batch,
        waiting_s=waiting,
        queue_s=waiting - room,
        room_s=room,
        prefill_share=np.clip(rate / pools.prefill_rate_per_s[:, None], 0.0, 1.0),
        requests_per_s=concurrency / residence,
        saturated=np.zeros_like(itl, dtype=bool),
    )


def _before_s(pools: Pools, host: Host) -> FloatArray:
    """What a request that waits for nothing takes until it decodes [rows, 1]."""
    return host_column(host) + pools.prefill.prefill_s[:, None] + pools.transfer_s[:, None]


def _paced(pools: Pools, pace: float) -> Pools:
    """The pools with prefill that takes `pace` times as long."""
    times = pools.prefill
    slower = replace(
        times, prefill_s=pace * times.prefill_s, burst_prefill_s=pace * times.burst_prefill_s
    )
    return replace(pools, prefill=slower)


def _settled(
    pools: Pools, concurrency: FloatArray, decodes: FloatArray, driven: tuple[Procedure, Host]
) -> _Settled:
    """The balance of one load, by bisection; driven is (procedure, host)."""
    procedure, host = driven
    cap = np.maximum(pools.decode.max_seqs, 1.0)[:, None]
    fed = _batch_at_rate(pools, 0.995 * pools.prefill_rate_per_s[:, None], (decodes, cap))
    low, high = np.full_like(concurrency, 1e-3), fed
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        enough = _demand(pools, middle, decodes, host)[0] >= concurrency
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    batch = high
    rate = _demand(pools, batch, decodes, host)[1]
    itl = pools.decode.decode_at(np.maximum(batch, 1.0))
    before = _before_s(pools, host)
    steady = np.maximum(concurrency / rate - itl * decodes, before) - before
    full = batch >= (1.0 - 1e-9) * cap
    waiting = _with_burst(pools, concurrency, steady, procedure)
    room = np.where(full, np.maximum(steady - prefill_wait_s(pools, rate), 0.0), 0.0)
    return _Settled(
        itl_s=itl, batch=np.minimum(batch, cap), rate_per_s=rate, waiting_s=waiting, room_s=room
    )


def _with_burst(
    pools: Pools, concurrency: FloatArray, steady_s: FloatArray, procedure: Procedure
) -> FloatArray:
    """Steady waiting, and that of the requests that arrive together in the opening burst.

    Each group of prompts starts decoding before the next one, so that later waves arrive as a stream.
    """
    burst_s = concurrency / pools.prefill_rate_per_s[:, None]
    ahead = np.maximum(burst_s - pools.prefill.prefill_s[:, None], 0.0)
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
    rate = np.minimum(wanted, 0.995 * limit)
    itl = pools.decode.decode_at(batch)
    base = _before_s(pools, host)
    waiting = prefill_wait_s(pools, rate)
    loop = LoopTimes(
        ttft_s=base + waiting,
        itl_s=itl / pools.decode.pace(itl),
        batch=batch,
        waiting_s=waiting,
        queue_s=waiting,
        prefill_share=np.clip(wanted / limit, 0.0, 1.0),
        requests_per_s=rate,
        saturated=wanted > 0.995 * limit,
    )
    return loop, rate * (base + waiting + itl * decodes)


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
