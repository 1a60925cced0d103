"""What the phases of many plans cost before an engine's factors: evaluated once, scaled at will.

Fitting factors scales the same work over and over; a search does it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.shape import ModelShape, MoeFfn
from perfmodels.operators.forward import Pass
from perfmodels.parallel import PlanArray
from perfmodels.step import Step
from perfmodels.steptime import StepWork, step_work
from simkit.core.draft import drafting_shape
from simkit.core.workload import Lengths
from simkit.engines.engine_model import EngineModel

# Sequences per lane at which decode steps are evaluated; between them time is nearly linear.
BATCH_GRID: FloatArray = np.array(
    [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048],
    dtype=np.float64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptWork:
    """Prefilling `prompts` [rows] prompts together takes `chunks` [rows] steps of equal size.

    by_kind [kinds, rows] are seconds of all of them, launches [rows] the kernels they start, least_s [rows]
    their speed of light.
    """

    prompts: FloatArray
    chunks: FloatArray
    by_kind: FloatArray
    launches: FloatArray
    least_s: FloatArray

    def take(self, index: NDArray[np.intp]) -> "PromptWork":
        """The rows at `index`."""
        return PromptWork(
            prompts=self.prompts[index],
            chunks=self.chunks[index],
            by_kind=self.by_kind[:, index],
            launches=self.launches[index],
            least_s=self.least_s[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseWork:
    """Rows are plans. decode [kinds, rows, len(BATCH_GRID)] seconds of a step with that many sequences
    per lane, decode_launches [rows, grid] its kernels; single: one prompt; full: as many as the token
    budget of a step holds; token: a prompt of one token, what every step with prompts costs at least;
    per_step [rows]: prompts whose tokens fill a step; decode_least_s [rows, grid]: the speed of light of
    decode steps; host_layers [2, rows]: layers that the host walks through for a prompt, and layers of
    experts, these as often as ranks double.
    """

    decode: FloatArray
    decode_launches: FloatArray
    single: PromptWork
    full: PromptWork
    token: PromptWork
    per_step: FloatArray
    decode_least_s: FloatArray
    host_layers: FloatArray

    def take(self, index: NDArray[np.intp]) -> "PhaseWork":
        """The rows at `index`."""
        return PhaseWork(
            decode=self.decode[:, index],
            decode_launches=self.decode_launches[index],
            single=self.single.take(index),
            full=self.full.take(index),
            token=self.token.take(index),
            per_step=self.per_step[index],
            decode_least_s=self.decode_least_s[index],
            host_layers=self.host_layers[:, index],
        )


def phase_work(
    model: EngineModel, plan: PlanArray, lengths: Lengths, budgets: Sequence[int] = ()
) -> PhaseWork:
    """Evaluate the operators of every plan's steps.

    budgets: prompt tokens of a step, in place of the engine's own; rows are then all plans under the first,
    all under the second, and so on.
    """
    cached = column(lengths.cached_tokens, plan)
    fresh = column(lengths.isl_tokens, plan) - cached
    decode, launches, least = _decode_work(model, plan, lengths)
    one = np.ones_like(fresh)
    token = _prompts(model, plan, (one, one, 0.0 * one), one)
    tried = np.array(budgets or (model.engine.max_num_batched_tokens,), dtype=np.float64)
    budget, again = np.repeat(tried, len(fresh)), np.tile(np.arange(len(fresh)), len(tried))
    plan, fresh, cached = plan.take(again), fresh[again], cached[again]
    together = np.maximum(np.floor(budget / fresh), 1.0)
    return PhaseWork(
        decode=decode[:, again],
        decode_launches=launches[again],
        single=_prompts(model, plan, (fresh, np.ones_like(fresh), cached), budget),
        full=_prompts(model, plan, (fresh, together, cached), budget),
        token=token.take(again),
        per_step=budget / fresh,
        decode_least_s=least[again],
        host_layers=_host_layers(model.shape, plan),
    )


def _host_layers(shape: ModelShape, plan: PlanArray) -> FloatArray:
    """Layers, and layers of experts times one more than the doublings of the ranks [2, rows]."""
    experts = sum(group.num_layers for group in shape.ffn if isinstance(group, MoeFfn))
    doublings = np.log2(plan.tp * plan.attn_dp)
    return np.stack([np.full_like(doublings, shape.num_layers), experts * (1.0 + doublings)])


def _decode_work(
    model: EngineModel, plan: PlanArray, lengths: Lengths
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Seconds by kind [kinds, rows, grid], launches and speed of light [rows, grid] of decode steps, with
    what drafts them.
    """
    isl, osl = column(lengths.isl_tokens, plan), column(lengths.osl_tokens, plan)
    context = (isl + osl / 2.0)[:, None] + 0.0 * BATCH_GRID
    step = Step(
        decode_seqs=BATCH_GRID, decode_context_tokens=context, decode_queries=float(model.engine.queries)
    )
    shape = context.shape
    work = _work(model, plan.expand(), step)
    seconds, launches = work.by_kind(shape), np.broadcast_to(work.launches, shape)
    least = np.broadcast_to(work.least_s, shape)
    draft = model.engine.draft
    if draft is None or not draft.passes:
        return seconds, launches, least
    small = replace(model, shape=drafting_shape(model.shape))
    once = _work(small, plan.expand(), replace(step, decode_queries=1.0))
    passes = draft.passes
    return (
        seconds + passes * once.by_kind(shape),
        launches + passes * once.launches,
        least + passes * once.least_s,
    )


def column(value: FloatLike, plan: PlanArray) -> FloatArray:
    """A scalar or per-row value as one per row."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(plan.tp)).copy()


def _prompts(
    model: EngineModel, plan: PlanArray, amount: tuple[FloatArray, FloatArray, FloatArray], budget: FloatArray
) -> PromptWork:
    """Work of prompts in steps of at most `budget` tokens; amount is (tokens of each to prefill, prompts
    together, tokens of each before them that are cached).

    Chunks cut the work but not the number of keys: a fresh token sees what is cached and, on average, half of
    the fresh ones.
    """
    fresh, prompts, cached = amount
    tokens = fresh * prompts
    chunks = np.ceil(tokens / budget)
    step = Step(
        prefill_tokens=tokens / chunks,
        prefill_context_tokens=cached + fresh / 2.0,
        prefill_seqs=prompts / chunks,
    )
    work = _work(model, plan, step)
    return PromptWork(
        prompts=prompts,
        chunks=chunks,
        by_kind=work.by_kind(fresh.shape) * chunks,
        launches=np.broadcast_to(work.launches, fresh.shape) * chunks,
        least_s=np.broadcast_to(work.least_s, fresh.shape) * chunks,
    )


def _work(model: EngineModel, plan: PlanArray, step: Step) -> StepWork:
    question = Pass(shape=model.shape, precision=model.precision, plan=plan, step=step)
    return step_work(question, model.pricing)
