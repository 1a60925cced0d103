"""Many deployments of one engine, each under its own load: arrays in, arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.hardware import TransferPath, rdma_path, tcp_path, transfer_time_s
from perfmodels.kv_cache import kv_bytes_per_token_per_gpu
from perfmodels.parallel import PlanArray
from simkit.closed_form.aggregated_loop import Host, Procedure
from simkit.closed_form.disaggregated_loop import PREFILL_LOG_SD, Pools
from simkit.closed_form.engine_speed import (
    LaneCapacity,
    PhaseTimes,
    plan_capacity,
    scaled_times,
    with_slots,
)
from simkit.closed_form.outcomes import ClientLoad, Engines, Outcomes, Replicas, only_column, outcomes
from simkit.closed_form.residuals import corrections_of, grid_features, grid_place
from simkit.closed_form.step_work import PhaseWork, PromptWork, column, phase_work
from simkit.core.deployment import Mode
from simkit.core.workload import Lengths
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRows:
    """One pool of every deployment: plans and how many workers, arrays [rows].

    slots [rows]: most sequences that a rank runs at once; nan where the engine's own setting holds.
    """

    plan: PlanArray
    workers: FloatArray
    slots: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWork:
    """A pool with all that an engine's factors do not change; arrays [rows]."""

    plan: PlanArray
    workers: FloatArray
    work: PhaseWork
    capacity: LaneCapacity


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWork:
    """Deployments of one engine before its factors: one pool (aggregated), or prefill and decode.

    Rows may come from several models and GPUs: `model` says how the engine schedules and which
    factors apply. poll_steps and hold_steps [rows]; transfer_s [rows] hands a cache over (zero in one pool).
    offered: `concurrency` holds requests per second that arrive at random times instead.
    """

    model: EngineModel
    pools: tuple[PoolWork, ...]
    lengths: Lengths
    concurrency: FloatArray
    procedure: Procedure
    poll_steps: FloatArray
    hold_steps: FloatArray
    transfer_s: FloatArray
    offered: bool = False

    @property
    def mode(self) -> Mode:
        """agg or disagg."""
        return "agg" if len(self.pools) == 1 else "disagg"

    @property
    def num_gpus(self) -> FloatArray:
        """GPUs of all workers."""
        sizes = [pool.workers * pool.plan.num_gpus for pool in self.pools]
        total: FloatArray = np.sum(np.stack(sizes), axis=0)
        return total

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Whether every engine has room for one request at least."""
        room = np.stack([pool.capacity.max_seqs for pool in self.pools])
        all_hold: NDArray[np.bool_] = np.all(room >= 1.0, axis=0)
        return all_hold


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
    *,
    rdma: bool | None = None,
) -> RowWork:
    """Evaluate operators and memory of every row; pools is (worker,) or (prefill, decode), load (mean
    lengths, requests in flight over all workers). rdma: as for `kv_path`.
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
        transfer_s=handover_s(model, pools[0].plan, lengths, kv_path(model, rdma=rdma)) if split else zeros,
    )


def _pool_work(model: EngineModel, pool: PoolRows, lengths: Lengths, *, prefilling: bool) -> PoolWork:
    """Each pair of plan and lengths is evaluated once: the rows of a sweep differ in load only."""
    names = tuple(field.name for field in fields(Lengths))
    shared = (column(getattr(lengths, name), pool.plan) for name in names)
    table = np.stack([*(getattr(pool.plan, name) for name in PlanArray.__slots__), *shared], axis=1)
    distinct, position = np.unique(table, axis=0, return_inverse=True)
    position = position.reshape(-1)
    plan = PlanArray(**{name: distinct[:, i] for i, name in enumerate(PlanArray.__slots__)})
    means = Lengths(**dict(zip(names, distinct[:, -len(names) :].T, strict=True)))
    capacity = plan_capacity(model, plan, means, "prefill" if prefilling else "decode").take(position)
    return PoolWork(
        plan=pool.plan,
        workers=pool.workers,
        work=phase_work(model, plan, means).take(position),
        capacity=capacity if pool.slots is None else with_slots(capacity, pool.plan, pool.slots),
    )


def row_outcomes(work: RowWork, *, corrected: bool = False) -> Outcomes:
    """What comes of every row under the factors of work.model [rows].

    corrected: by the model's residuals too, for rows of one model and GPU.
    """
    model, lengths = work.model, work.lengths
    times = [scaled_times(model, pool.work, pool.plan, pool.capacity) for pool in work.pools]
    host = replace(host_of(model, lengths), poll_steps=work.poll_steps, hold_steps=work.hold_steps)
    corrections = corrections_of(model, work.mode, times[-1], lengths) if corrected else None
    load = ClientLoad(
        amount=work.concurrency[:, None], lengths=lengths, procedure=work.procedure, offered=work.offered
    )
    return only_column(outcomes(_engines(work, times), load, host, corrections))


def row_neighbours(work: RowWork, batch: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where corrections of rows at `batch` [rows] sequences a lane are taken from.

    The features at the points of BATCH_GRID below and above [rows, d], and how far between them [rows].
    """
    pool = work.pools[-1]
    times = scaled_times(work.model, pool.work, pool.plan, pool.capacity)
    features = grid_features(work.mode, times, work.lengths)
    right, share = grid_place(batch)
    rows = np.arange(len(batch))
    return features[rows, right - 1], features[rows, right], share


def _engines(work: RowWork, times: list[PhaseTimes]) -> Engines:
    if len(times) == 1:
        return Replicas(serving=times[0], workers=work.pools[0].workers)
    return Pools(
        prefill=times[0],
        decode=times[1],
        prefill_workers=work.pools[0].workers,
        decode_workers=work.pools[1].workers,
        transfer_s=work.transfer_s,
        prefill_log_sd=PREFILL_LOG_SD,
    )


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
            **{
                field.name: _column([getattr(work.lengths, field.name) for work in works], counts)
                for field in fields(Lengths)
            }
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
            decode_least_s=np.concatenate([pool.work.decode_least_s for pool in pools]),
            host_layers=np.concatenate([pool.work.host_layers for pool in pools], axis=1),
        ),
        capacity=LaneCapacity.joined([pool.capacity for pool in pools]),
    )


def _prompts(works: Sequence[PromptWork]) -> PromptWork:
    return PromptWork(
        prompts=np.concatenate([work.prompts for work in works]),
        chunks=np.concatenate([work.chunks for work in works]),
        by_kind=np.concatenate([work.by_kind for work in works], axis=1),
        launches=np.concatenate([work.launches for work in works]),
        least_s=np.concatenate([work.least_s for work in works]),
    )
