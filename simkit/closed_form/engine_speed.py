"""How fast one engine is: step times on a grid of batch sizes, prefill time, and what fits.

Everything is per lane (an attention-DP rank and pipeline stage) and holds one row per plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.efficiency import SCALED
from perfmodels.memory import MemoryQuestion, MemoryUse, memory_use
from perfmodels.operators.forward import Pass
from perfmodels.parallel import PlanArray
from perfmodels.step import Step
from perfmodels.steptime import StepTime, prefill_gaps_s, step_time
from simkit.closed_form.step_work import BATCH_GRID, PhaseWork, PromptWork, column, phase_work
from simkit.core.draft import drafting_shape, with_draft_layer
from simkit.core.engine import Role
from simkit.core.workload import Lengths
from simkit.engines.engine_memory import kv_reservation, memory_rules, visible_bytes
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """Rows are plans.

    decode_s [rows, len(BATCH_GRID)]: a step with that many sequences per lane and no prompt.
    prefill_s [rows]: engine time of one prompt alone; burst_prefill_s [rows]: per prompt when
    several share the token budget; floor_s [rows]: what any step with prompts costs, however few their
    tokens; stall_s [rows]: by how much one prompt of a full step delays every decoding sequence;
    together [rows]: whole prompts that share a step; per_step [rows]: prompts whose tokens fill one, parts
    of prompts counted; chunks [rows]: steps one prompt takes.
    ahead_s [rows]: the part of prefill_s in which the host launches what the GPU does not have yet; others
    decode meanwhile. least_decode_s, least_prefill_s [rows]: the speed of light of a step and of a prompt.
    mixed: prompts share steps with decodes. tokens_per_step (one, or [rows]): gained by a sequence.
    max_seqs [rows]: sequences per lane that memory and the engine admit; under 1 means none.
    """

    plan: PlanArray
    decode_s: FloatArray
    prefill_s: FloatArray
    burst_prefill_s: FloatArray
    floor_s: FloatArray
    stall_s: FloatArray
    together: FloatArray
    per_step: FloatArray
    chunks: FloatArray
    max_seqs: FloatArray
    kv_capacity_tokens: FloatArray
    memory_bytes: Mapping[str, FloatArray]
    ahead_s: FloatArray
    least_decode_s: FloatArray
    least_prefill_s: FloatArray
    mixed: bool = True
    tokens_per_step: FloatLike = 1.0

    def pace(self, like: FloatArray) -> FloatArray:
        """Tokens per step as a column that broadcasts against [rows, loads]."""
        value = np.asarray(self.tokens_per_step, dtype=np.float64)
        return np.broadcast_to(value[:, None] if value.ndim else value, like.shape)

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
        arrays = (
            "decode_s",
            "prefill_s",
            "burst_prefill_s",
            "floor_s",
            "stall_s",
            "together",
            "per_step",
            "chunks",
            "max_seqs",
            "kv_capacity_tokens",
            "ahead_s",
            "least_decode_s",
            "least_prefill_s",
        )
        rows = {name: getattr(self, name)[index] for name in arrays}
        memory = {name: value[index] for name, value in self.memory_bytes.items()}
        pace = np.asarray(self.tokens_per_step, dtype=np.float64)
        return PhaseTimes(
            plan=self.plan.take(index), memory_bytes=memory, mixed=self.mixed,
            tokens_per_step=pace[index] if pace.ndim else pace, **rows,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCapacity:
    """How much of a load a lane holds: sequences and cached tokens [rows], and bytes by part."""

    max_seqs: FloatArray
    kv_capacity_tokens: FloatArray
    memory_bytes: Mapping[str, FloatArray]

    @classmethod
    def joined(cls, rooms: Sequence["LaneCapacity"]) -> "LaneCapacity":
        """The rows of all, in order, with the parts of memory that all of them name."""
        names = set.intersection(*(set(room.memory_bytes) for room in rooms))
        return cls(
            max_seqs=np.concatenate([room.max_seqs for room in rooms]),
            kv_capacity_tokens=np.concatenate([room.kv_capacity_tokens for room in rooms]),
            memory_bytes={
                name: np.concatenate([room.memory_bytes[name] for room in rooms])
                for name in rooms[0].memory_bytes
                if name in names
            },
        )

    def take(self, index: NDArray[np.intp]) -> "LaneCapacity":
        """The rows at `index`."""
        return LaneCapacity(
            max_seqs=self.max_seqs[index],
            kv_capacity_tokens=self.kv_capacity_tokens[index],
            memory_bytes={name: value[index] for name, value in self.memory_bytes.items()},
        )


def phase_times(model: EngineModel, plan: PlanArray, lengths: Lengths, role: Role) -> PhaseTimes:
    """Evaluate the step-time and memory models for every plan at once."""
    capacity = plan_capacity(model, plan, lengths, role)
    return scaled_times(model, phase_work(model, plan, lengths), plan, capacity)


def plan_capacity(model: EngineModel, plan: PlanArray, lengths: Lengths, role: Role) -> LaneCapacity:
    """What every plan keeps on a GPU, and what is left for requests."""
    question = MemoryQuestion(
        shape=model.shape if _draft_passes(model) == 0 else with_draft_layer(model.shape),
        precision=model.precision,
        plan=plan,
        device_bytes=visible_bytes(model),
        context_tokens=column(lengths.mean_context_tokens, plan),
        weight_scale=model.weight_scale,
    )
    memory = memory_use(question, memory_rules(model, plan))
    isl, osl = column(lengths.isl_tokens, plan), column(lengths.osl_tokens, plan)
    return LaneCapacity(
        max_seqs=np.minimum(
            _max_seqs(model, memory, (isl, osl), role), _admitted(model.engine.max_num_seqs, plan)
        ),
        kv_capacity_tokens=memory.kv_capacity_tokens,
        memory_bytes={name: value + 0.0 * isl for name, value in memory.parts_bytes.items()},
    )


def scaled_times(model: EngineModel, work: PhaseWork, plan: PlanArray, capacity: LaneCapacity) -> PhaseTimes:
    """The work of every plan under the engine's factors."""
    efficiency, engine = model.efficiency, model.engine
    busy = np.maximum(np.tensordot(_scales(model), work.decode, axes=1), work.decode_least_s)
    gaps = 0.0 if engine.cuda_graphs else prefill_gaps_s(busy, work.decode_launches, efficiency)
    host = efficiency.step_host_s + efficiency.seq_host_s * BATCH_GRID
    burst = _prompt_s(model, work.full) / work.full.prompts
    fixed = efficiency.prefill_step_s
    ahead = np.array([efficiency.layer_host_s, efficiency.expert_host_s]) @ work.host_layers
    floor = np.minimum(_prompt_s(model, work.token), burst * work.full.prompts)
    added = burst - floor / work.full.prompts  # of one prompt to a step that runs anyway
    return PhaseTimes(
        plan=plan,
        decode_s=busy + gaps + host,
        prefill_s=_prompt_s(model, work.single) + fixed * work.single.chunks + ahead,
        burst_prefill_s=burst,
        floor_s=floor + fixed,
        stall_s=efficiency.stall_frac * added,
        together=work.full.prompts,
        per_step=work.per_step,
        chunks=work.single.chunks,
        max_seqs=capacity.max_seqs,
        kv_capacity_tokens=capacity.kv_capacity_tokens,
        memory_bytes=capacity.memory_bytes,
        ahead_s=ahead,
        least_decode_s=work.decode_least_s[:, 0],
        least_prefill_s=work.single.least_s,
        mixed=engine.mixed_steps,
        tokens_per_step=engine.tokens_per_step,
    )


def _draft_passes(model: EngineModel) -> int:
    return 0 if model.engine.draft is None else model.engine.draft.passes


def _scales(model: EngineModel) -> FloatArray:
    return np.array([model.efficiency.scale(kind) for kind in SCALED])


def _prompt_s(model: EngineModel, work: PromptWork) -> FloatArray:
    """Seconds on the GPU of prompts prefilled together, with what it waits for launches."""
    busy = model.efficiency.prefill_scale * np.tensordot(_scales(model), work.by_kind, axes=1)
    busy = np.maximum(busy, work.least_s)
    gapped: FloatArray = busy + prefill_gaps_s(busy, work.launches, model.efficiency)
    return gapped


def _max_seqs(
    model: EngineModel, memory: MemoryUse, lengths: tuple[FloatArray, FloatArray], role: Role
) -> FloatArray:
    isl, osl = lengths
    held = isl if role == "prefill" else isl + kv_reservation(model.engine) * osl
    whole = isl if role == "prefill" else isl + osl  # one request must be able to finish
    fits = np.where(memory.kv_capacity_tokens >= whole, memory.kv_capacity_tokens / held, 0.0)
    return np.floor(fits)


def _admitted(max_num_seqs: FloatLike, plan: PlanArray) -> FloatArray:
    """Sequences per lane that the scheduler runs: its limit is over the pipeline's stages."""
    limit: FloatArray = np.maximum(np.floor(max_num_seqs / plan.pp), 1.0)
    return limit


def with_slots(capacity: LaneCapacity, plan: PlanArray, slots: FloatArray) -> LaneCapacity:
    """The capacity where the scheduler runs at most `slots` [rows] sequences a rank; nan: as it is."""
    stated = np.isfinite(slots)
    admitted = _admitted(np.where(stated, slots, np.inf), plan)
    return replace(capacity, max_seqs=np.minimum(capacity.max_seqs, admitted))


def decode_step(model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike]) -> StepTime:
    """A step of decodes alone, without what drafts them; load is (sequences per lane, keys each sees)."""
    seqs, context = load
    queries = float(model.engine.queries)
    step = Step(decode_seqs=seqs, decode_context_tokens=context, decode_queries=queries)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.pricing)


def decode_token_s(model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike]) -> FloatArray:
    """Time per token of a decoding sequence [s], drafting included; load as for `decode_step`."""
    total = decode_step(model, plan, load).total_s
    passes = _draft_passes(model)
    if passes:
        plain = replace(model, shape=drafting_shape(model.shape), engine=replace(model.engine, draft=None))
        once = decode_step(plan=plan, model=plain, load=load)
        total = total + passes * (once.total_s - once.by_operator["engine_host"])
    return total / model.engine.tokens_per_step


def prefill_step(
    model: EngineModel, plan: PlanArray, load: tuple[FloatLike, FloatLike, FloatLike]
) -> StepTime:
    """A step of prompt tokens alone; load is (tokens, keys each sees on average, prompts)."""
    tokens, context, seqs = load
    step = Step(prefill_tokens=tokens, prefill_context_tokens=context, prefill_seqs=seqs)
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_time(question, model.pricing)
