"""How fast one engine is: step times on a grid of batch sizes, prefill time, and what fits.

Everything is per lane (an attention-DP rank and pipeline stage) and holds one row per plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.device import Device
from perfmodels.dtypes import Precision
from perfmodels.efficiency import Efficiency
from perfmodels.memory import MemoryQuestion, MemoryRules, memory_use, weight_bytes_per_gpu
from perfmodels.operators import Pass
from perfmodels.parallel import PlanArray
from perfmodels.shape import ModelShape
from perfmodels.step import Step
from perfmodels.steptime import StepTime, step_time
from perfmodels.units import GIB, MIB
from simkit.core.engine import EngineOptions, Role

# Sequences per lane at which decode steps are evaluated; between them time is nearly linear.
BATCH_GRID: FloatArray = np.array(
    [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048],
    dtype=np.float64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineModel:
    """One engine serving one model on one kind of GPU: what step times depend on besides the plan."""

    shape: ModelShape
    precision: Precision
    device: Device
    engine: EngineOptions
    efficiency: Efficiency = field(default_factory=Efficiency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean prompt and output lengths, scalars or one per row."""

    isl_tokens: FloatLike
    osl_tokens: FloatLike

    @property
    def mean_context_tokens(self) -> FloatLike:
        """Keys a decode step sees on average over a request's life."""
        return self.isl_tokens + self.osl_tokens / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """Rows are plans.

    decode_s [rows, len(BATCH_GRID)]: a step with that many sequences per lane and no prompt.
    prefill_s [rows]: engine time of one prompt alone; burst_prefill_s [rows]: per prompt when
    several share the token budget; chunks [rows]: steps one prompt takes.
    mixed: prompts share steps with decodes.
    max_seqs [rows]: sequences per lane that memory and the engine admit; under 1 means none.
    """

    plan: PlanArray
    decode_s: FloatArray
    prefill_s: FloatArray
    burst_prefill_s: FloatArray
    chunks: FloatArray
    max_seqs: FloatArray
    kv_capacity_tokens: FloatArray
    memory_bytes: Mapping[str, FloatArray]
    mixed: bool

    def decode_at(self, batch: FloatArray) -> FloatArray:
        """Decode step time at `batch` [rows, ...] sequences per lane, linear between grid points."""
        held = np.clip(batch, BATCH_GRID[0], BATCH_GRID[-1])
        right = np.clip(np.searchsorted(BATCH_GRID, held), 1, len(BATCH_GRID) - 1)
        share = (held - BATCH_GRID[right - 1]) / (BATCH_GRID[right] - BATCH_GRID[right - 1])
        rows = np.arange(len(self.decode_s)).reshape(-1, *([1] * (held.ndim - 1)))
        below, above = self.decode_s[rows, right - 1], self.decode_s[rows, right]
        result: FloatArray = below + share * (above - below)
        return result

    def take(self, index: NDArray[np.intp]) -> "PhaseTimes":
        """The rows at `index`."""
        plan = PlanArray(**{name: getattr(self.plan, name)[index] for name in PlanArray.__slots__})
        arrays = ("decode_s", "prefill_s", "burst_prefill_s", "chunks", "max_seqs", "kv_capacity_tokens")
        rows = {name: getattr(self, name)[index] for name in arrays}
        memory = {name: value[index] for name, value in self.memory_bytes.items()}
        return PhaseTimes(plan=plan, memory_bytes=memory, mixed=self.mixed, **rows)


def phase_times(model: EngineModel, plan: PlanArray, lengths: Lengths, role: Role) -> PhaseTimes:
    """Evaluate the step-time and memory models for every plan at once."""
    isl, osl = _column(lengths.isl_tokens, plan), _column(lengths.osl_tokens, plan)
    decode = decode_step(model, plan.expand(), (BATCH_GRID, (isl + osl / 2.0)[:, None]))
    single, chunks = _prefill(model, plan, isl, np.ones_like(isl))
    together = np.maximum(np.floor(model.engine.max_num_batched_tokens / isl), 1.0)
    burst, _ = _prefill(model, plan, isl, together)
    memory = memory_use(
        MemoryQuestion(
            shape=model.shape,
            precision=model.precision,
            plan=plan,
            device_bytes=model.device.memory_bytes,
            context_tokens=isl + osl / 2.0,
        ),
        memory_rules(model, plan),
    )
    held = isl if role == "prefill" else isl + kv_reservation(model.engine) * osl
    fits = memory.kv_capacity_tokens / held
    return PhaseTimes(
        plan=plan,
        decode_s=decode.total_s,
        prefill_s=single,
        burst_prefill_s=burst / together,
        chunks=chunks,
        max_seqs=np.minimum(np.floor(fits), model.engine.max_num_seqs),
        kv_capacity_tokens=memory.kv_capacity_tokens,
        memory_bytes={name: value + 0.0 * isl for name, value in memory.parts_bytes.items()},
        mixed=model.engine.mixed_steps,
    )


def _column(value: FloatLike, plan: PlanArray) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(plan.tp)).copy()


def decode_step(model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike]) -> StepTime:
    """A step of decodes alone; load is (sequences per lane, keys each sees)."""
    seqs, context = load
    step = Step(decode_seqs=seqs, decode_context_tokens=context)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.device, model.efficiency)


def prefill_step(
    model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike, FloatLike]
) -> StepTime:
    """A step of prompt tokens alone; load is (tokens, keys each sees on average, prompts)."""
    tokens, context, seqs = load
    step = Step(prefill_tokens=tokens, prefill_context_tokens=context, prefill_seqs=seqs)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.device, model.efficiency)


def _prefill(
    model: EngineModel, plan: PlanArray, isl: FloatArray, prompts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Time to prefill `prompts` prompts together, and the steps that takes.

    Chunks cut the work but not the number of keys: over a whole prompt a token sees isl/2 on average.
    """
    tokens = isl * prompts
    chunks = np.ceil(tokens / model.engine.max_num_batched_tokens)
    per_chunk = prefill_step(model, plan, (tokens / chunks, isl / 2.0, prompts / chunks))
    return per_chunk.total_s * chunks, chunks


def kv_reservation(engine: EngineOptions) -> float:
    """Share of the output length for which an admitted request must find cache.

    TensorRT-LLM reserves all of it (guaranteed no eviction); vLLM and SGLang admit on the prompt and
    preempt later, which settles near the mean occupancy of a little over half.
    """
    return 1.0 if engine.backend == "trtllm" else 0.6


def memory_rules(model: EngineModel, plan: PlanArray) -> MemoryRules:
    """The engine's way of dividing a GPU."""
    engine = model.engine
    share = memory_fraction(model, plan)
    graphs = 1.0 * GIB if engine.cuda_graphs else 0.0
    rules = MemoryRules(
        usable_frac=share,
        working_inside=engine.backend != "sglang",
        max_batched_tokens=engine.max_num_batched_tokens,
        graph_bytes=graphs,
    )
    if engine.backend == "trtllm":
        return replace(rules, usable_frac=np.ones_like(share), frac_of_free=share)
    return rules


# What an engine takes when its memory fraction is not set.
_DEFAULT_FRACTIONS = {"vllm": 0.92, "sglang": 0.88, "trtllm": 0.9}
# SGLang's own sizes by GPU memory: below so many MiB, prompt tokens per chunk and the largest batch
# with a captured graph (narrow engines, engines of four GPUs or more). Facts: SGLang pull request 10975.
_SGLANG_SIZES = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (float("inf"), 16384, 512, 512),
)
_RAISED_FRACTION = 0.94
_SCARCE_FRAC = 0.05


def memory_fraction(model: EngineModel, plan: PlanArray) -> FloatArray:
    """The share of memory an engine uses, per plan: as set, or its own default.

    Where SGLang's default would leave under a twentieth of the device for the cache, people raise
    it, as its start-up error asks for; so do we, and the DGD says so.
    """
    ones = np.ones(np.shape(plan.tp))
    if model.engine.memory_frac is not None:
        return model.engine.memory_frac * ones
    default = _DEFAULT_FRACTIONS[model.engine.backend] * ones
    if model.engine.backend != "sglang":
        return default
    default = sglang_fraction(model.device.memory_bytes / MIB, plan)
    scarce = default - weight_share(model, plan) < _SCARCE_FRAC
    return np.where(scarce, np.maximum(default, _RAISED_FRACTION), default)


def weight_share(model: EngineModel, plan: PlanArray) -> FloatArray:
    """Weights of the fullest GPU as a share of its memory."""
    share: FloatArray = weight_bytes_per_gpu(model.shape, model.precision, plan) / model.device.memory_bytes
    return share


def sglang_fraction(memory_mib: float, plan: PlanArray) -> FloatArray:
    """SGLang's default --mem-fraction-static: what is left after its reserve for activations and graphs."""
    _, chunk, narrow, wide = next(row for row in _SGLANG_SIZES if memory_mib < row[0])
    graphs = np.where(plan.tp * plan.attn_dp < 4, narrow, wide).astype(np.float64)
    reserve = 512.0 + 1.5 * chunk + 2.0 * graphs + plan.tp * plan.attn_dp * plan.pp * 128.0
    per_rank = graphs * plan.attn_dp * np.where(graphs > 300, 4.5, 3.0)
    reserve = reserve + np.where(plan.attn_dp > 1, per_rank, 0.0)
    if memory_mib > 60 * 1024:
        reserve = np.maximum(reserve, 10 * 1024.0)
    fraction: FloatArray = np.round((memory_mib - reserve) / memory_mib, 3)
    return fraction
