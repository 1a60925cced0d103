"""The settings under which one engine is tried: token budgets, cache formats, with a draft and without."""

from dataclasses import dataclass, replace

import numpy as np

from perfmodels.parallel import PlanArray
from simkit.closed_form.engine_speed import LaneCapacity, PhaseTimes, plan_capacity, scaled_times
from simkit.closed_form.problem import Problem
from simkit.closed_form.step_work import phase_work
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions
from simkit.core.workload import Lengths
from simkit.engines.engine_model import EngineModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """Engine models that differ in their settings alone, the usual one first.

    They come in groups of `per_group`: those of a group differ in the token budget only, so that a prefill
    engine of one may feed a decode engine of another.
    """

    models: tuple[EngineModel, ...]
    per_group: int = 1

    @property
    def groups(self) -> list[tuple[EngineModel, ...]]:
        """The models group by group."""
        size = self.per_group
        return [self.models[start : start + size] for start in range(0, len(self.models), size)]


def variants(problem: Problem, model: EngineModel) -> Variants:
    """What to try of an engine: its own settings, and those the request leaves open."""
    tuning, own = problem.request.tuning, model.engine.max_num_batched_tokens
    budgets = (own, *(budget for budget in tuning.budgets if budget != own))
    formats = (model.precision.kv, *problem.kv_formats.get(model.engine.backend, ()))
    drafts = (None,) if tuning.draft is None else (None, tuning.draft)
    found = []
    for kv in formats:
        for draft in drafts:
            stored = replace(model.precision, kv=kv)
            found += [
                replace(model, precision=stored, engine=_sized(model.engine, budget, draft))
                for budget in budgets
            ]
    return Variants(models=tuple(found), per_group=len(budgets))


def _sized(engine: EngineOptions, budget: int, draft: Draft | None) -> EngineOptions:
    """A step must have room for every sequence it may run, with all its drafted tokens."""
    queries = 1 if draft is None else draft.queries
    seqs = max(min(engine.max_num_seqs, budget // queries), 1)
    return replace(engine, draft=draft, max_num_batched_tokens=budget, max_num_seqs=seqs)


def group_times(
    models: tuple[EngineModel, ...], plan: PlanArray, lengths: Lengths
) -> tuple[PhaseTimes, PhaseTimes]:
    """Phases of engines that serve, and of those that only prefill; rows are all plans of the first model,
    all of the second, and so on. The models differ in their token budgets alone.
    """
    first, rows = models[0], len(plan.tp)
    budgets = [model.engine.max_num_batched_tokens for model in models]
    work = phase_work(first, plan, lengths, budgets)
    again = plan.take(np.tile(np.arange(rows), len(models)))
    sides = []
    for role in ("aggregated", "prefill"):
        rooms = [plan_capacity(model, plan, lengths, role) for model in models]
        sides.append(scaled_times(first, work, again, LaneCapacity.joined(rooms)))
    return sides[0], sides[1]


def joined_times(tables: list[PhaseTimes]) -> PhaseTimes:
    """The rows of all tables, in order; all of engines that schedule alike."""
    if len(tables) == 1:
        return tables[0]
    names = (
        "decode_s", "prefill_s", "burst_prefill_s", "floor_s", "stall_s", "together", "per_step", "chunks",
        "max_seqs", "kv_capacity_tokens", "ahead_s", "least_decode_s", "least_prefill_s",
    )  # fmt: skip
    return PhaseTimes(
        plan=PlanArray.joined([table.plan for table in tables]),
        memory_bytes={
            name: np.concatenate([table.memory_bytes[name] for table in tables])
            for name in tables[0].memory_bytes
        },
        mixed=tables[0].mixed,
        tokens_per_step=np.concatenate([table.pace(table.prefill_s) for table in tables]),
        **{name: np.concatenate([getattr(table, name) for table in tables]) for name in names},
    )  # fmt: skip
