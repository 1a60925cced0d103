"""How fast one engine is: step times on a grid of batch sizes, prefill time, and what fits.

Everything is per lane (an attention-DP rank and pipeline stage) and holds one row per plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.memory import MemoryQuestion, memory_use
from perfmodels.operators import Pass
from perfmodels.parallel import PlanArray
from perfmodels.step import Step
from perfmodels.steptime import StepTime, step_time
from simkit.core.engine import Role
from simkit.core.engine_model import EngineModel
from simkit.core.reserves import kv_reservation, memory_rules, visible_bytes

# Sequences per lane at which decode steps are evaluated; between them time is nearly linear.
BATCH_GRID: FloatArray = np.array(
    [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048],
    dtype=np.float64,
)


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
    several share the token budget; shared_prefill_s [rows]: per prompt when the engine is busy, so that
    a step's fixed cost is paid by others too; chunks [rows]: steps one prompt takes.
    max_seqs [rows]: sequences per lane that memory and the engine admit; under 1 means none.
    """

    plan: PlanArray
    decode_s: FloatArray
    prefill_s: FloatArray
    burst_prefill_s: FloatArray
    shared_prefill_s: FloatArray
    chunks: FloatArray
    max_seqs: FloatArray
    kv_capacity_tokens: FloatArray
    memory_bytes: Mapping[str, FloatArray]

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
        arrays = (
            "decode_s",
            "prefill_s",
            "burst_prefill_s",
            "shared_prefill_s",
            "chunks",
            "max_seqs",
            "kv_capacity_tokens",
        )
        rows = {name: getattr(self, name)[index] for name in arrays}
        memory = {name: value[index] for name, value in self.memory_bytes.items()}
        return PhaseTimes(plan=plan, memory_bytes=memory, **rows)


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
            device_bytes=visible_bytes(model),
            context_tokens=isl + osl / 2.0,
            weight_scale=model.weight_scale,
        ),
        memory_rules(model, plan),
    )
    held = isl if role == "prefill" else isl + kv_reservation(model.engine) * osl
    whole = isl if role == "prefill" else isl + osl  # one request must be able to finish
    fits = np.where(memory.kv_capacity_tokens >= whole, memory.kv_capacity_tokens / held, 0.0)
    return PhaseTimes(
        plan=plan,
        decode_s=decode.total_s,
        prefill_s=single,
        burst_prefill_s=burst / together,
        shared_prefill_s=_shared(model, single, burst, together),
        chunks=chunks,
        max_seqs=np.minimum(np.floor(fits), model.engine.max_num_seqs),
        kv_capacity_tokens=memory.kv_capacity_tokens,
        memory_bytes={name: value + 0.0 * isl for name, value in memory.parts_bytes.items()},
    )


def _shared(model: EngineModel, single: FloatArray, burst: FloatArray, together: FloatArray) -> FloatArray:
    """Cost of one more prompt in a step that runs anyway.

    The time of a step is a fixed part plus a part per prompt, read off one prompt and a full budget;
    where chunks share steps with decodes the fixed part is the decodes'. Engines that prefill first
    share it among the prompts of a full step.
    """
    per_prompt = np.where(together > 1, (burst - single) / np.maximum(together - 1.0, 1.0), single)
    floor = per_prompt if model.engine.mixed_steps else burst / together
    return np.clip(floor, 0.0, single)


def _column(value: FloatLike, plan: PlanArray) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(plan.tp)).copy()


def decode_step(model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike]) -> StepTime:
    """A step of decodes alone; load is (sequences per lane, keys each sees)."""
    seqs, context = load
    step = Step(decode_seqs=seqs, decode_context_tokens=context)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.pricing)


def prefill_step(
    model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike, FloatLike]
) -> StepTime:
    """A step of prompt tokens alone; load is (tokens, keys each sees on average, prompts)."""
    tokens, context, seqs = load
    step = Step(prefill_tokens=tokens, prefill_context_tokens=context, prefill_seqs=seqs)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.pricing)


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
