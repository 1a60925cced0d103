"""What Dynamo's Planner and mocker are told about the speed of engines: predicted, or as measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.engine_speed import PhaseTimes, decode_token_s, phase_times
from simkit.core.measured import Run
from simkit.core.workload import Lengths
from simkit.engines.engine_model import EngineModel

# --- What Dynamo's Planner and mocker are told about the speed of engines, computed from the step-time model.
# The quantities and ranges are those that Dynamo's thorough profiler measures; here nothing is measured.
# Times are those of the engine alone, as the metrics are that the Planner compares them with later.


_FIRST_PROMPT_TOKENS = 100
_TEMPLATE_TOKENS = 512  # kept free of the context for what a chat template adds
_MAX_REQUESTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRanges:
    """Which lengths to evaluate, and how finely.

    max_context_tokens bounds prompt plus output; typical is the workload, at which the cache's size is
    stated. Outputs of decode_osl_tokens follow each prompt of the decode sweep.
    """

    max_context_tokens: int
    typical: Lengths
    prefill_steps: int = 16
    decode_points: int = 6
    decode_osl_tokens: int = 500
    grid_points: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """One engine: its model and its plan."""

    model: EngineModel
    plan: ParallelPlan

    @property
    def lanes(self) -> int:
        """Streams of requests that run side by side."""
        return self.plan.attn_dp * self.plan.pp

    def times(self, isl: FloatArray, osl: FloatArray) -> PhaseTimes:
        """Phase times at each pair of lengths, one row per pair."""
        plans = PlanArray.of([self.plan] * len(isl))
        return phase_times(self.model, plans, Lengths(isl_tokens=isl, osl_tokens=osl), "decode")

    def decode_s(self, requests: FloatArray, context: FloatArray) -> FloatArray:
        """Time per token with so many requests in the engine, spread evenly over its lanes [s]."""
        batch = np.maximum(requests / self.lanes, 1.0)
        plan, load = PlanArray.of([self.plan]).expand(), (batch[None, :], context[None, :])
        times: FloatArray = decode_token_s(self.model, plan, load)[0]
        return times


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefillProfile:
    """One prompt on an idle engine, by its length; throughput counts every lane [all of one shape]."""

    isl_tokens: FloatArray
    ttft_s: FloatArray
    tokens_per_s_per_gpu: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeProfile:
    """Decode steps of one engine: arrays over points, and the tokens its cache holds in all lanes."""

    kv_usage_frac: FloatArray
    context_tokens: FloatArray
    itl_s: FloatArray
    output_tokens_per_s_per_gpu: FloatArray
    max_kv_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTables:
    """Tables to interpolate in: prefill_s [P] over prefill_tokens; decode_s [K, C] of one attention rank."""

    prefill_tokens: FloatArray
    prefill_s: FloatArray
    active_kv_tokens: FloatArray
    context_tokens: FloatArray
    decode_s: FloatArray


def prefill_profile(engine: EngineProfile, ranges: ProfileRanges) -> PrefillProfile:
    """TTFT of single prompts from a short one up to the context, less room for a chat template."""
    limit = ranges.max_context_tokens - min(_TEMPLATE_TOKENS, ranges.max_context_tokens // 4)
    first = min(_FIRST_PROMPT_TOKENS, limit // 4)
    isl = _whole(np.linspace(first, limit, ranges.prefill_steps + 1))
    ttft_s = engine.times(isl, np.ones_like(isl)).prefill_s
    per_gpu = isl / ttft_s * engine.lanes / engine.plan.num_gpus
    return PrefillProfile(isl_tokens=isl, ttft_s=ttft_s, tokens_per_s_per_gpu=per_gpu)


def decode_profile(engine: EngineProfile, ranges: ProfileRanges) -> DecodeProfile:
    """ITL over context lengths and requests in flight, as far as the cache and the engine's limit go."""
    max_kv = max_kv_tokens(engine, ranges)
    osl = min(ranges.decode_osl_tokens, ranges.max_context_tokens // 4)
    room = ranges.max_context_tokens - osl
    first = min(_FIRST_PROMPT_TOKENS, room // 4)
    points = [
        (isl + osl / 2.0, requests)
        for isl in _whole(np.linspace(first, room, ranges.decode_points, endpoint=False))
        for requests in _requests(engine, max_kv // (isl + osl), ranges.decode_points)
    ]
    context, requests = np.array(points, dtype=np.float64).reshape(-1, 2).T
    itl_s = engine.decode_s(requests, context)
    return DecodeProfile(
        kv_usage_frac=context * requests / max_kv,
        context_tokens=context,
        itl_s=itl_s,
        output_tokens_per_s_per_gpu=requests / itl_s / engine.plan.num_gpus,
        max_kv_tokens=max_kv,
    )


def step_tables(prefill: EngineProfile, decode: EngineProfile, ranges: ProfileRanges) -> StepTables:
    """Tables for linear interpolation, closer together where numbers are small.

    The mocker asks per attention rank, for the tokens of one prefill step and for the keys that all
    decoding requests hold together with their mean context.
    """
    top = max(ranges.max_context_tokens, prefill.model.engine.max_num_batched_tokens)
    tokens = _whole(np.geomspace(1, top, ranges.grid_points))
    ranks = decode.plan.attn_dp
    most = max(max_kv_tokens(decode, ranges) / ranks, 2.0)
    held = np.concatenate([[0.0], np.geomspace(1.0, most, ranges.grid_points - 1)])
    context = np.geomspace(1.0, ranges.max_context_tokens, ranges.grid_points)
    kv, each = (grid.ravel() for grid in np.meshgrid(np.maximum(held, 1.0), context, indexing="ij"))
    requests = np.clip(kv / each, 1.0, float(decode.model.engine.max_num_seqs))
    # Keys in all stay what was asked for where the engine would not admit so many short requests.
    seen = np.where(kv < each, each, kv / requests)
    times = decode.decode_s(requests * ranks, seen)
    return StepTables(
        prefill_tokens=tokens,
        prefill_s=prefill.times(tokens, np.ones_like(tokens)).prefill_s,
        active_kv_tokens=held,
        context_tokens=context,
        decode_s=times.reshape(len(held), len(context)),
    )


def max_kv_tokens(engine: EngineProfile, ranges: ProfileRanges) -> int:
    """Tokens that the caches of all lanes hold at the workload's lengths."""
    isl, osl = (
        np.atleast_1d(np.asarray(value, dtype=np.float64))
        for value in (ranges.typical.isl_tokens, ranges.typical.osl_tokens)
    )
    return int(engine.times(isl, osl).kv_capacity_tokens[0] * engine.lanes)


def _requests(engine: EngineProfile, by_cache: float, points: int) -> FloatArray:
    """Requests in flight: even steps, in whole numbers per attention rank; none where none fits."""
    ranks = engine.plan.attn_dp
    by_engine = engine.model.engine.max_num_seqs * ranks
    per_rank = min(by_cache, by_engine, _MAX_REQUESTS) // ranks
    if per_rank < 1:
        return np.empty(0)
    return _whole(np.linspace(1, per_rank, points)) * ranks


def _whole(values: FloatArray) -> FloatArray:
    """Rising whole numbers, none twice."""
    return np.unique(np.floor(values))


# --- Curves for the Planner from what single engines were measured to take.


def measured_prefill(engine: EngineProfile, runs: Mapping[str, Run]) -> PrefillProfile | None:
    """TTFT by prompt length, rising; None with fewer than two lengths."""
    known = {run.isl_tokens: run.ttft.mean_s for run in runs.values() if run.ttft.mean_s}
    if len(known) < 2:
        return None
    isl = np.array(sorted(known))
    ttft = np.array([known[length] for length in isl])
    per_gpu = isl / ttft * engine.lanes / engine.plan.num_gpus
    return PrefillProfile(isl_tokens=isl, ttft_s=ttft, tokens_per_s_per_gpu=per_gpu)


def measured_decode(engine: EngineProfile, runs: Mapping[str, Run], max_kv: int) -> DecodeProfile | None:
    """ITL by cache in use and context; None with fewer than four points."""
    rows = [
        (run.isl_tokens + run.osl_tokens / 2.0, run.concurrency, run.itl.mean_s)
        for run in runs.values()
        if run.itl.mean_s and run.concurrency
    ]
    if len(rows) < 4:
        return None
    context, requests, itl = np.array(rows, dtype=np.float64).T
    return DecodeProfile(
        kv_usage_frac=context * requests / max_kv,
        context_tokens=context,
        itl_s=itl,
        output_tokens_per_s_per_gpu=requests / itl / engine.plan.num_gpus,
        max_kv_tokens=max_kv,
    )
