"""One engine with all its plans evaluated: the input of both searches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.hardware import TransferPath
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.aggregated_loop import Host
from simkit.closed_form.bottlenecks import prefill_bottlenecks
from simkit.closed_form.deployment_table import handover_s, host_of
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.outcomes import ClientLoad, load_of
from simkit.closed_form.residuals import Corrections, corrections_of
from simkit.core.workload import Lengths, Workload, workload_lengths
from simkit.engines.engine_model import EngineModel
from simkit.engines.support import draft_refusal
from simkit.search.engine_settings import Variants, group_times, joined_times

Index = NDArray[np.intp]
MODES = ("agg", "disagg")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEngine:
    """Phases of the plans that have room for at least one request.

    serving [rows] holds a plan that prefills and decodes (or only decodes); prefilling [rows] one
    that only prefills, transfer_s [rows] how long it hands a cache over. corrections [by mode] are what
    measured runs say of `serving`. A choice is a plan under one of the variants of the settings, counted plan
    by plan within a variant; kept says which choice each row is. too_small lists the plans that fit under
    none.
    """

    variants: Variants
    plans: tuple[ParallelPlan, ...]
    serving: PhaseTimes
    prefilling: PhaseTimes
    transfer_s: FloatArray
    kept: Index
    too_small: tuple[ParallelPlan, ...]
    path: TransferPath
    workload: Workload
    corrections: Mapping[str, Corrections | None]
    _prefill_operators: dict[int, str] = field(default_factory=dict)

    @property
    def model(self) -> EngineModel:
        """The engine with its usual settings."""
        return self.variants.models[0]

    def model_of(self, choice: float) -> EngineModel:
        """The engine with the settings of a choice."""
        return self.variants.models[int(choice) // len(self.plans)]

    def plan_of(self, choice: float) -> ParallelPlan:
        """The plan of a choice."""
        return self.plans[int(choice) % len(self.plans)]

    def row_of(self, choice: float) -> int:
        """The row of `serving` and `prefilling` that holds a choice."""
        return int(np.searchsorted(self.kept, int(choice)))

    def prefill_operators(self, choices: Iterable[float]) -> list[str]:
        """The costliest operator of a prefill step of each choice and its share, worked out once."""
        known, asked = self._prefill_operators, [int(choice) for choice in choices]
        isl = float(np.asarray(self.lengths.isl_tokens))
        for variant, model in enumerate(self.variants.models):
            new = [c for c in dict.fromkeys(asked) if c not in known and c // len(self.plans) == variant]
            found = prefill_bottlenecks(model, [self.plan_of(choice) for choice in new], isl) if new else ()
            known.update(zip(new, found, strict=True))
        return [known[choice] for choice in asked]

    @property
    def layout(self) -> Index:
        """Which plan each row has, whatever its settings."""
        return self.kept % len(self.plans)

    @property
    def group(self) -> Index:
        """Which group of variants each row belongs to."""
        return self.kept // (len(self.plans) * self.variants.per_group)

    @property
    def usual(self) -> FloatArray:
        """1 for rows with the usual settings, 0 for the others."""
        return (self.kept < len(self.plans)).astype(np.float64)

    @property
    def lengths(self) -> Lengths:
        """Mean lengths of the workload."""
        return workload_lengths(self.workload)

    @property
    def osl_tokens(self) -> float:
        """Mean output length."""
        return float(np.asarray(self.lengths.osl_tokens))

    def load(self, shape: tuple[int, ...]) -> ClientLoad:
        """The workload's load, asked of rows and loads [shape]."""
        asked = load_of(self.workload)
        return replace(asked, amount=np.broadcast_to(asked.amount, shape))

    @property
    def host(self) -> Host:
        """Times outside the GPU."""
        return host_of(self.model, self.lengths)


def restricted(engine: PreparedEngine, max_gpus: int) -> PreparedEngine:
    """The engine without the plans that take more than `max_gpus` GPUs."""
    rows = np.flatnonzero(engine.serving.plan.num_gpus <= max_gpus)
    if len(rows) == len(engine.kept) and all(plan.num_gpus <= max_gpus for plan in engine.too_small):
        return engine
    return replace(
        engine,
        serving=engine.serving.take(rows),
        prefilling=engine.prefilling.take(rows),
        transfer_s=engine.transfer_s[rows],
        kept=engine.kept[rows],
        too_small=tuple(plan for plan in engine.too_small if plan.num_gpus <= max_gpus),
        corrections={
            mode: None if known is None else known.take(rows) for mode, known in engine.corrections.items()
        },
    )


def prepare_engine(
    settings: Variants, plans: list[ParallelPlan], workload: Workload, path: TransferPath
) -> PreparedEngine:
    """Evaluate all plans under all settings at once; choices without room for one request are set aside."""
    array, lengths, model = PlanArray.of(plans), workload_lengths(workload), settings.models[0]
    pairs = [group_times(models, array, lengths) for models in settings.groups]
    fits = np.concatenate([serving.max_seqs for serving, _ in pairs]) >= 1.0
    fits &= np.concatenate([_startable(one, plans) for one in settings.models])
    kept = np.flatnonzero(fits)
    serving, prefilling = (joined_times(list(side)).take(kept) for side in zip(*pairs, strict=True))
    transfer = [
        np.tile(handover_s(models[0], array, lengths, path), len(models)) for models in settings.groups
    ]
    anywhere = fits.reshape(-1, len(plans)).any(axis=0)
    return PreparedEngine(
        variants=settings,
        plans=tuple(plans),
        serving=serving,
        prefilling=prefilling,
        transfer_s=np.concatenate(transfer)[kept],
        kept=kept,
        too_small=tuple(plans[i] for i in np.flatnonzero(~anywhere)),
        path=path,
        workload=workload,
        corrections={mode: corrections_of(model, mode, serving, lengths) for mode in MODES},
    )


def _startable(model: EngineModel, plans: list[ParallelPlan]) -> NDArray[np.bool_]:
    """Under which plans the engine starts with its draft."""
    draft, backend = model.engine.draft, model.engine.backend
    return np.array([draft is None or not draft_refusal(backend, draft, plan) for plan in plans])


def counts(limit: float) -> FloatArray:
    """Worker counts to try up to `limit`: every one to 16, then steps of about a fifth."""
    values: list[int] = []
    value = 1
    while value <= limit:
        values.append(value)
        value = value + 1 if value < 16 else int(value * 1.2)
    if values and values[-1] != int(limit):
        values.append(int(limit))
    return np.array(values, dtype=np.float64)
