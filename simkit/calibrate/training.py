"""Measured runs made ready for fitting: their work before any factor, what was measured, what they share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from simkit.calibrate.slots import found_slots
from simkit.catalog.runs import SLOTS
from simkit.closed_form.deployment_table import RowWork, concat_rows, row_neighbours, row_outcomes
from simkit.closed_form.outcomes import Outcomes
from simkit.closed_form.residuals import features_of, levels_of
from simkit.engines.engine_model import LEVELS
from simkit.verbs.deployment_rows import TableBlock, block_work, blocks, complete_table, engine_model_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Runs of one engine and mode: where they stand in the table, and their work."""

    backend: str
    index: np.ndarray
    work: RowWork


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRuns:
    """All runs. Arrays [runs]: measured ttft_s and itl_s, weight, osl_tokens; codes and vocabulary: groups
    by level of perfmodels.uncertainty.residual_gp, as numbers and names; names: what runs may be left out by.
    """

    parts: tuple[Part, ...]
    ttft_s: FloatArray
    itl_s: FloatArray
    weight: FloatArray
    osl_tokens: FloatArray
    codes: Mapping[str, NDArray[np.int64]]
    vocabulary: Mapping[str, tuple[str, ...]]
    names: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ttft_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Predictions of all runs [runs], and the features of their load [runs, d].

    queue_s and room_s are the parts of TTFT that its factor leaves alone. Corrections are taken
    between the features below and above on BATCH_GRID, at share [runs] of the way.
    """

    ttft_s: FloatArray
    itl_s: FloatArray
    queue_s: FloatArray
    room_s: FloatArray
    features: FloatArray
    below: FloatArray
    above: FloatArray
    share: FloatArray


def training_runs(frame: "pd.DataFrame") -> TrainingRuns:
    """Evaluate operators of every run once; weights are one over the root of a deployment's runs."""
    table = complete_table(frame)
    table[SLOTS] = found_slots(table)
    found: dict[tuple[str, str], list[tuple[TableBlock, RowWork]]] = {}
    names = {level: np.full(len(table), "", dtype=object) for level in LEVELS}
    for block in blocks(table, np.arange(len(table))):
        model = replace(engine_model_of(block), residuals=None)
        key = (str(block.key["backend"]), str(block.key["mode"]))
        found.setdefault(key, []).append((block, block_work(model, block)))
        for level, group in levels_of(model, key[1]).items():
            names[level][block.index] = group
    numbered = {level: np.unique(names[level].astype(str), return_inverse=True) for level in LEVELS}
    deployments = frame.groupby("deployment_group")["run_id"].transform("size").to_numpy()
    return TrainingRuns(
        parts=tuple(_part(backend, items) for (backend, _), items in sorted(found.items())),
        ttft_s=frame["ttft_ms_mean"].to_numpy() * 1e-3,
        itl_s=frame["itl_ms_mean"].to_numpy() * 1e-3,
        weight=1.0 / np.sqrt(deployments),
        osl_tokens=frame["osl_tokens"].to_numpy(dtype=np.float64),
        codes={level: codes for level, (_, codes) in numbered.items()},
        vocabulary={level: tuple(map(str, found)) for level, (found, _) in numbered.items()},
        names={
            "split_group": frame["split_group"].to_numpy().astype(str),
            "model": frame["model"].to_numpy().astype(str),
            "family": names["family"].astype(str),
            "gpu": frame["gpu"].to_numpy().astype(str),
            "engine": frame["backend"].to_numpy().astype(str),
            "mode": table["mode"].to_numpy().astype(str),
        },
    )


def _part(backend: str, items: list[tuple[TableBlock, RowWork]]) -> Part:
    return Part(
        backend=backend,
        index=np.concatenate([block.index for block, _ in items]),
        work=concat_rows([work for _, work in items]),
    )


def part_times(part: Part, factors: Efficiency) -> Outcomes:
    """What comes of a part's runs under other factors, uncorrected."""
    return row_outcomes(_under(part, factors))


def _under(part: Part, factors: Efficiency) -> RowWork:
    return replace(part.work, model=replace(part.work.model, efficiency=factors))


def predict_runs(runs: TrainingRuns, factors: Mapping[str, Efficiency]) -> Fitted:
    """Predictions of every run by its engine's factors."""
    told = {name: np.full(len(runs), np.nan) for name in ("ttft_s", "itl_s", "queue_s", "room_s", "share")}
    tables: dict[str, list[FloatArray]] = {"features": [], "below": [], "above": []}
    order = np.concatenate([part.index for part in runs.parts])
    for part in runs.parts:
        times = part_times(part, factors[part.backend])
        for name in ("ttft_s", "itl_s", "queue_s", "room_s"):
            told[name][part.index] = getattr(times, name)
        prompts = times.prefill_share if len(part.work.pools) == 1 else np.zeros(len(part.index))
        tables["features"].append(
            features_of(part.work.pools[-1].plan, part.work.lengths, (times.batch, prompts))
        )
        below, above, told["share"][part.index] = row_neighbours(
            _under(part, factors[part.backend]), times.batch
        )
        tables["below"].append(below)
        tables["above"].append(above)
    placed = {name: np.concatenate(rows)[np.argsort(order)] for name, rows in tables.items()}
    return Fitted(**told, **placed)
