"""Measured runs made ready for fitting: their work before any factor, what was measured, what they share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from simkit.closed_form.deployment_table import RowTimes, RowWork, concat_rows, row_times
from simkit.closed_form.residuals import features_of, levels_of
from simkit.engines.engine_model import LEVELS
from simkit.verbs.predict import TableBlock, block_work, blocks, complete_table, unfitted_model_of

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
    """Predictions of all runs [runs], and the features of their load."""

    ttft_s: FloatArray
    itl_s: FloatArray
    features: FloatArray


def training_runs(frame: "pd.DataFrame") -> TrainingRuns:
    """Evaluate operators of every run once; weights are one over the root of a deployment's runs."""
    table = complete_table(frame)
    found: dict[tuple[str, str], list[tuple[TableBlock, RowWork]]] = {}
    names = {level: np.full(len(table), "", dtype=object) for level in LEVELS}
    for block in blocks(table, np.arange(len(table))):
        model = unfitted_model_of(block.key)
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
        },
    )


def _part(backend: str, items: list[tuple[TableBlock, RowWork]]) -> Part:
    return Part(
        backend=backend,
        index=np.concatenate([block.index for block, _ in items]),
        work=concat_rows([work for _, work in items]),
    )


def part_times(part: Part, factors: Efficiency) -> RowTimes:
    """Latencies of a part's runs under other factors."""
    return row_times(replace(part.work, model=replace(part.work.model, efficiency=factors)))


def predict_runs(runs: TrainingRuns, factors: Mapping[str, Efficiency]) -> Fitted:
    """Predictions of every run by its engine's factors."""
    ttft, itl = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    features = np.zeros((len(runs), 0))
    for part in runs.parts:
        times = part_times(part, factors[part.backend])
        ttft[part.index], itl[part.index] = times.ttft_s, times.itl_s
        share = times.prefill_share if len(part.work.pools) == 1 else np.zeros(len(part.index))
        here = features_of(part.work.pools[-1].plan, part.work.lengths, (times.batch, share))
        if not features.shape[1]:
            features = np.zeros((len(runs), here.shape[1]))
        features[part.index] = here
    return Fitted(ttft_s=ttft, itl_s=itl, features=features)
