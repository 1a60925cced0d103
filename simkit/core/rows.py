"""Many deployments of one model on one engine and GPU, each under its own load: arrays in, arrays out."""

from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.memory import kv_bytes_per_token_per_gpu
from perfmodels.parallel import PlanArray
from perfmodels.transfer import TransferPath, rdma_path, tcp_path, transfer_time_s
from simkit.core import disagg, steady
from simkit.core.engine_model import EngineModel
from simkit.core.phases import Lengths, PhaseTimes, phase_times
from simkit.core.reserves import weight_share
from simkit.core.steady import Host, LoopTimes, Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRows:
    """One pool of every deployment: plans and how many workers, arrays [rows]."""

    plan: PlanArray
    workers: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTimes:
    """Mean latencies and throughput of every row.

    fits says whether its memory model closes; weights_share is weights over device memory, the worse
    pool's.
    """

    ttft_s: FloatArray
    itl_s: FloatArray
    output_tokens_per_s_per_gpu: FloatArray
    fits: np.ndarray
    weights_share: FloatArray


def host_of(model: EngineModel, lengths: Lengths) -> Host:
    """Times outside the GPU for prompts of these lengths."""
    per_token = model.efficiency.request_token_s * np.asarray(lengths.isl_tokens, dtype=np.float64)
    return Host(
        request_s=model.efficiency.request_host_s + per_token,
        serial_s=model.efficiency.request_serial_s,
        in_step_frac=model.efficiency.in_step_frac,
    )


def mean_lengths(isl: FloatArray, osl: FloatArray, spread: float) -> Lengths:
    """Means of lengths drawn uniformly from (1 - spread) to 1 of the nominal ones."""
    share = 1.0 - spread / 2.0
    return Lengths(isl_tokens=np.maximum(isl * share, 1.0), osl_tokens=np.maximum(osl * share, 1.0))


def kv_path(model: EngineModel, *, rdma: bool | None = None) -> TransferPath:
    """How caches move between engines of this cluster; RDMA unless it is said to be absent."""
    return tcp_path() if rdma is False else rdma_path(model.device.inter_node.bandwidth_bytes_per_s)


def pools_of(
    model: EngineModel, rows: tuple[PoolRows, PoolRows], lengths: Lengths, path: TransferPath
) -> disagg.Pools:
    """Prefill and decode pools of every row."""
    prefill, decode = rows
    prefill_times = phase_times(model, prefill.plan, lengths, "prefill")
    decode_times = phase_times(model, decode.plan, lengths, "decode")
    return disagg.Pools(
        prefill=prefill_times,
        decode=decode_times,
        prefill_workers=prefill.workers,
        decode_workers=decode.workers,
        transfer_s=handover_s(model, prefill.plan, lengths, path),
    )


def handover_s(model: EngineModel, plan: PlanArray, lengths: Lengths, path: TransferPath) -> FloatArray:
    """Time to move one prompt's cache out of a prefill engine; all its GPUs send in parallel, over
    their own links or sharing their pod's.
    """
    isl = np.asarray(lengths.isl_tokens, dtype=np.float64)
    per_gpu = kv_bytes_per_token_per_gpu(model.shape, model.precision, plan, isl) * isl
    senders = np.minimum(plan.tp, model.device.gpus_per_node) if path.per_pod else np.ones_like(plan.tp)
    return transfer_time_s(per_gpu / plan.pp * senders, np.ones_like(plan.tp), path)


def aggregated_rows(
    model: EngineModel, pool: PoolRows, load: tuple[Lengths, FloatArray], procedure: Procedure
) -> RowTimes:
    """Aggregated deployments; load is (mean lengths, requests in flight over all replicas)."""
    lengths, concurrency = load
    times = phase_times(model, pool.plan, lengths, "aggregated")
    per_lane = concurrency / (pool.workers * pool.plan.lanes)
    loop = steady.closed_loop(times, per_lane[:, None], lengths, procedure, host_of(model, lengths))
    shares = weight_share(model, pool.plan)
    return _rows(loop, load, pool.workers * pool.plan.num_gpus, (times, shares))


def disaggregated_rows(
    model: EngineModel,
    pools: tuple[PoolRows, PoolRows],
    load: tuple[Lengths, FloatArray],
    procedure: Procedure,
) -> RowTimes:
    """Disaggregated deployments; pools is (prefill, decode)."""
    lengths, concurrency = load
    matched = pools_of(model, pools, lengths, kv_path(model))
    loop = disagg.closed_loop(matched, concurrency[:, None], lengths, procedure, host_of(model, lengths))
    shares = np.maximum(weight_share(model, pools[0].plan), weight_share(model, pools[1].plan))
    return _rows(loop, load, matched.num_gpus, (matched.decode, shares))


def _rows(
    loop: LoopTimes,
    load: tuple[Lengths, FloatArray],
    num_gpus: FloatArray,
    memory: tuple[PhaseTimes, FloatArray],
) -> RowTimes:
    lengths, concurrency = load
    ttft, itl = loop.ttft_s[:, 0], loop.itl_s[:, 0]
    osl = np.asarray(lengths.osl_tokens, dtype=np.float64)
    residence = ttft + itl * (osl - 1.0)
    return RowTimes(
        ttft_s=ttft,
        itl_s=itl,
        output_tokens_per_s_per_gpu=concurrency * osl / residence / num_gpus,
        fits=memory[0].max_seqs >= 1.0,
        weights_share=memory[1],
    )
