"""Many deployments of one engine, each under its own load: arrays in, arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.hardware import TransferPath, rdma_path, tcp_path, transfer_time_s
from perfmodels.memory import kv_bytes_per_token_per_gpu
from perfmodels.parallel import PlanArray
from simkit.closed_form import aggregated_loop, disaggregated_loop
from simkit.closed_form.aggregated_loop import Host, LoopTimes, Procedure
from simkit.closed_form.engine_speed import LaneCapacity, PhaseTimes, plan_capacity, scaled_times
from simkit.closed_form.residuals import Correction
from simkit.closed_form.step_work import PhaseWork, PromptWork, column, phase_work
from simkit.core.workload import Lengths
from simkit.engines.engine_memory import weight_share
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRows:
    """One pool of every deployment: plans and how many workers, arrays [rows]."""

    plan: PlanArray
    workers: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWork:
    """A pool with all that an engine's factors do not change; arrays [rows]."""

    plan: PlanArray
    workers: FloatArray
    work: PhaseWork
    capacity: LaneCapacity
    weights_share: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWork:
    """Deployments of one engine before its factors: one pool (aggregated), or prefill and decode.

    Rows may come from several models and GPUs: `model` says how the engine schedules and which
    factors apply. poll_steps and hold_steps [rows]; transfer_s [rows] hands a cache over (zero in one pool).
    """

    model: EngineModel
    pools: tuple[PoolWork, ...]
    lengths: Lengths
    concurrency: FloatArray
    procedure: Procedure
    poll_steps: FloatArray
    hold_steps: FloatArray
    transfer_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTimes:
    """Mean latencies and throughput of every row, and the load behind them.

    fits says whether its memory model closes; weights_share is weights over device memory, the worse
    pool's; batch and prefill_share are those of LoopTimes.
    """

    ttft_s: FloatArray
    itl_s: FloatArray
    output_tokens_per_s_per_gpu: FloatArray
    batch: FloatArray
    prefill_share: FloatArray
    fits: np.ndarray
    weights_share: FloatArray


def host_of(model: EngineModel, lengths: Lengths) -> Host:
    """What the host adds to prompts of these lengths."""
    efficiency = model.efficiency
    per_token = efficiency.request_token_s * np.asarray(lengths.isl_tokens, dtype=np.float64)
    return Host(
        request_s=efficiency.request_host_s + per_token,
        serial_s=efficiency.request_serial_s,
        admission_steps=efficiency.admission_steps,
        poll_steps=float(model.engine.poll_steps),
        hold_steps=float(model.engine.hold_steps),
        wave_frac=efficiency.wave_frac,
    )


def kv_path(model: EngineModel, *, rdma: bool | None = None) -> TransferPath:
    """How caches move between engines of this cluster; RDMA unless it is said to be absent."""
    return tcp_path() if rdma is False else rdma_path(model.device.inter_node.bandwidth_bytes_per_s)


def handover_s(model: EngineModel, plan: PlanArray, lengths: Lengths, path: TransferPath) -> FloatArray:
    """Time to move one prompt's cache out of a prefill engine; all its GPUs send in parallel, over
    their own links or sharing their pod's.
    """
    isl = np.asarray(lengths.isl_tokens, dtype=np.float64)
    per_gpu = kv_bytes_per_token_per_gpu(model.shape, model.precision, plan, isl) * isl
    senders = np.minimum(plan.tp, model.device.gpus_per_node) if path.per_pod else np.ones_like(plan.tp)
    return transfer_time_s(per_gpu / plan.pp * senders, np.ones_like(plan.tp), path)


def row_work(
    model: EngineModel,
    pools: tuple[PoolRows, ...],
    load: tuple[Lengths, FloatArray],
    procedure: Procedure,
) -> RowWork:
    """Evaluate operators and memory of every row; pools is (worker,) or (prefill, decode), load (mean
    lengths, requests in flight over all workers).
    """
    lengths, concurrency = load
    zeros = np.zeros_like(concurrency)
    split = len(pools) > 1
    return RowWork(
        model=model,
        pools=tuple(
            _pool_work(model, pool, lengths, prefilling=split and pool is pools[0]) for pool in pools
        ),
        lengths=lengths,
        concurrency=concurrency,
        procedure=procedure,
        poll_steps=zeros + model.engine.poll_steps,
        hold_steps=zeros + model.engine.hold_steps,
        transfer_s=handover_s(model, pools[0].plan, lengths, kv_path(model)) if split else zeros,
    )


def _pool_work(model: EngineModel, pool: PoolRows, lengths: Lengths, *, prefilling: bool) -> PoolWork:
    """Each pair of plan and lengths is evaluated once: the rows of a sweep differ in load only."""
    shared = (column(lengths.isl_tokens, pool.plan), column(lengths.osl_tokens, pool.plan))
    table = np.stack([*(getattr(pool.plan, name) for name in PlanArray.__slots__), *shared], axis=1)
    distinct, position = np.unique(table, axis=0, return_inverse=True)
    position = position.reshape(-1)
    plan = PlanArray(**{name: distinct[:, i] for i, name in enumerate(PlanArray.__slots__)})
    means = Lengths(isl_tokens=distinct[:, -2], osl_tokens=distinct[:, -1])
    return PoolWork(
        plan=pool.plan,
        workers=pool.workers,
        work=phase_work(model, plan, means).take(position),
        capacity=plan_capacity(model, plan, means, "prefill" if prefilling else "decode").take(position),
        weights_share=weight_share(model, plan)[position],
    )


def row_times(work: RowWork) -> RowTimes:
    """Latencies of every row under the factors of work.model."""
    model, lengths = work.model, work.lengths
    times = [scaled_times(model, pool.work, pool.plan, pool.capacity) for pool in work.pools]
    host = replace(host_of(model, lengths), poll_steps=work.poll_steps, hold_steps=work.hold_steps)
    if len(times) == 1:
        lanes = work.pools[0].workers * work.pools[0].plan.lanes
        loop = aggregated_loop.closed_loop(
            times[0], (work.concurrency / lanes)[:, None], lengths, work.procedure, host
        )
    else:
        pools = _matched(work, times)
        loop = disaggregated_loop.closed_loop(pools, work.concurrency[:, None], lengths, work.procedure, host)
    return _rows(loop, work, times[-1])


def _matched(work: RowWork, times: list[PhaseTimes]) -> disaggregated_loop.Pools:
    return disaggregated_loop.Pools(
        prefill=times[0],
        decode=times[1],
        prefill_workers=work.pools[0].workers,
        decode_workers=work.pools[1].workers,
        transfer_s=work.transfer_s,
    )


def _rows(loop: LoopTimes, work: RowWork, serving: PhaseTimes) -> RowTimes:
    ttft, itl = loop.ttft_s[:, 0], loop.itl_s[:, 0]
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    gpus = sum((pool.workers * pool.plan.num_gpus for pool in work.pools), np.zeros_like(ttft))
    return RowTimes(
        ttft_s=ttft,
        itl_s=itl,
        output_tokens_per_s_per_gpu=output_tokens_per_s(work.concurrency, (ttft, itl), osl) / gpus,
        batch=loop.batch[:, 0],
        prefill_share=loop.prefill_share[:, 0],
        fits=serving.max_seqs >= 1.0,
        weights_share=np.max(np.stack([pool.weights_share for pool in work.pools]), axis=0),
    )


def with_correction(times: RowTimes, work: RowWork, found: Correction) -> RowTimes:
    """Latencies times what measured runs suggest; throughput by Little's law."""
    ttft, itl = times.ttft_s * found.ttft_factor, times.itl_s * found.itl_factor
    osl = np.asarray(work.lengths.osl_tokens, dtype=np.float64)
    gpus = sum((pool.workers * pool.plan.num_gpus for pool in work.pools), np.zeros_like(ttft))
    tokens = output_tokens_per_s(work.concurrency, (ttft, itl), osl)
    return replace(times, ttft_s=ttft, itl_s=itl, output_tokens_per_s_per_gpu=tokens / gpus)


def output_tokens_per_s(
    concurrency: FloatArray, latency: tuple[FloatArray, FloatArray], osl: FloatLike
) -> FloatArray:
    """Output tokens per second of a closed loop, by Little's law; latency is (TTFT, ITL) [s]."""
    ttft, itl = latency
    tokens: FloatArray = concurrency * osl / (ttft + itl * (np.asarray(osl) - 1.0))
    return tokens


# --- Row work of several models and GPUs put end to end, so that one engine's factors apply to all at once.


def concat_rows(works: Sequence[RowWork]) -> RowWork:
    """One table of the rows of all, in order; the first model's engine and factors apply.

    All must have the same number of pools and an engine of one backend.
    """
    backends = {(work.model.engine.backend, len(work.pools)) for work in works}
    if len(backends) != 1:
        raise ValueError(f"rows of one engine and mode can be put together, got {sorted(backends)}")
    counts = [len(work.concurrency) for work in works]
    return RowWork(
        model=works[0].model,
        pools=tuple(_pool([work.pools[i] for work in works]) for i in range(len(works[0].pools))),
        lengths=Lengths(
            isl_tokens=_column([work.lengths.isl_tokens for work in works], counts),
            osl_tokens=_column([work.lengths.osl_tokens for work in works], counts),
        ),
        concurrency=np.concatenate([work.concurrency for work in works]),
        procedure=_procedure(works, counts),
        poll_steps=np.concatenate([work.poll_steps for work in works]),
        hold_steps=np.concatenate([work.hold_steps for work in works]),
        transfer_s=np.concatenate([work.transfer_s for work in works]),
    )


def _column(values: Sequence[FloatLike], counts: Sequence[int]) -> FloatArray:
    pairs = zip(values, counts, strict=True)
    return np.concatenate([np.broadcast_to(np.asarray(v, dtype=np.float64), count) for v, count in pairs])


def _procedure(works: Sequence[RowWork], counts: Sequence[int]) -> Procedure:
    forever = [
        np.inf if w.procedure.requests_per_slot is None else w.procedure.requests_per_slot for w in works
    ]
    return Procedure(
        requests_per_slot=_column(forever, counts),
        length_spread=_column([work.procedure.length_spread for work in works], counts),
    )


def _pool(pools: Sequence[PoolWork]) -> PoolWork:
    return PoolWork(
        plan=PlanArray.joined([pool.plan for pool in pools]),
        workers=np.concatenate([pool.workers for pool in pools]),
        work=PhaseWork(
            decode=np.concatenate([pool.work.decode for pool in pools], axis=1),
            decode_launches=np.concatenate([pool.work.decode_launches for pool in pools]),
            single=_prompts([pool.work.single for pool in pools]),
            full=_prompts([pool.work.full for pool in pools]),
            token=_prompts([pool.work.token for pool in pools]),
            per_step=np.concatenate([pool.work.per_step for pool in pools]),
        ),
        capacity=LaneCapacity.joined([pool.capacity for pool in pools]),
        weights_share=np.concatenate([pool.weights_share for pool in pools]),
    )


def _prompts(works: Sequence[PromptWork]) -> PromptWork:
    return PromptWork(
        prompts=np.concatenate([work.prompts for work in works]),
        chunks=np.concatenate([work.chunks for work in works]),
        by_kind=np.concatenate([work.by_kind for work in works], axis=1),
        launches=np.concatenate([work.launches for work in works]),
    )
