"""Which operator tables do measured runs contradict?

    python experiments/operators/against_runs.py OPERATORS

OPERATORS: a folder of `simkit fit --operators` that holds no DOUBTED.json, so that no table was left out yet.
For each engine, number format and generation of GPUs with enough runs, ITL is predicted with the engine's own
table and with that of the nearest relative, both without corrections from runs. A table is doubted where the
relative's errs by less than half as much. Writes data/operators/DOUBTED.json and
reports/operators/against_runs.csv.
The factors were fitted with the tables as they are, which speaks for them.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.op_times.family import OperatorModel, OpKey
from simkit.catalog.gpus import gpu
from simkit.catalog.operators import (
    FOLDER,
    DoubtedTable,
    doubted_tables,
    fitted_gpus,
    operator_models,
    write_doubted,
)
from simkit.catalog.runs import read_table
from simkit.engines.engine_model import EngineModel
from simkit.io.paths import data_dir
from simkit.verbs.evaluate import with_predictions

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "reports" / "operators" / "against_runs.csv"
FAMILIES = ("gemm", "moe")  # the ones whose tables come in number formats of weights
MIN_RUNS, SHARE = 20, 0.5
MOVED = 1e-3  # of the log of ITL: runs that the table has a part in


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Operator models of a folder, but for one table."""

    folder: Path
    without: DoubtedTable | None = None

    def models(self, name: str) -> Mapping[OpKey, OperatorModel]:
        """Models of one GPU."""
        found = operator_models(name, self.folder)
        if self.without is None:
            return found
        return {key: model for key, model in found.items() if not self.without.covers(key)}

    def given(self, model: EngineModel) -> EngineModel:
        """The engine with these tables and no corrections from runs."""
        if model.learned is None:
            return replace(model, residuals=None)
        learned = replace(model.learned, catalogue=self.models, _picks={})
        return replace(model, learned=learned, residuals=None)


def itl_error(frame: pd.DataFrame, source: Source) -> np.ndarray:
    """Log of predicted over measured ITL [runs]."""
    found = with_predictions(frame, adjust=source.given)
    return np.log(found["predicted_itl_ms_mean"].to_numpy() / frame["itl_ms_mean"].to_numpy())


def tables(frame: pd.DataFrame, folder: Path) -> Iterator[DoubtedTable]:
    """Every table that enough runs have to do with, with both errors."""
    known = {key for name in fitted_gpus(folder) for key in operator_models(name, folder)}
    cells = {
        (k.family, k.engine, k.variant.split("/")[0].split(":")[0]) for k in known if k.family in FAMILIES
    }
    own = itl_error(frame, Source(folder=folder))
    generation = frame["gpu"].map(lambda name: gpu(name).generation.split("_")[0]).to_numpy()
    for family, engine, number_format in sorted(cells):
        gpus = tuple(fitted_gpus(folder))
        whole = DoubtedTable(
            family=family, engine=engine, number_format=number_format, gpus=gpus, runs=0, error=0.0,
            error_with_relatives=0.0,
        )  # fmt: skip
        rows = np.flatnonzero(frame["backend"] == engine)
        if len(rows) < MIN_RUNS:
            continue
        lent = itl_error(frame.iloc[rows].reset_index(drop=True), Source(folder=folder, without=whole))
        moved = np.abs(lent - own[rows]) > MOVED
        for name in np.unique(generation[rows][moved]):
            here = moved & (generation[rows] == name)
            if here.sum() >= MIN_RUNS:
                mine = tuple(g for g in gpus if gpu(g).generation.split("_")[0] == name)
                yield replace(
                    whole, gpus=mine, runs=int(here.sum()),
                    error=round(float(np.median(np.abs(own[rows][here]))), 3),
                    error_with_relatives=round(float(np.median(np.abs(lent[here]))), 3),
                )  # fmt: skip


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    if doubted_tables(folder):
        raise SystemExit(f"{folder}: holds DOUBTED.json; fit the operators without it first")
    names = ("serving_runs_fit.csv", "serving_runs_independent.csv")
    frame = pd.concat([read_table(data_dir() / "runs" / name) for name in names], ignore_index=True)
    found = list(tables(frame, folder))
    pd.DataFrame([{**vars_of(one), "gpus": " ".join(one.gpus)} for one in found]).to_csv(OUT, index=False)
    doubted = [one for one in found if one.error_with_relatives < SHARE * one.error]
    write_doubted(data_dir() / FOLDER, doubted)
    for one in doubted:
        print(f"{one.family} {one.engine} {one.number_format} on {', '.join(one.gpus)}: {one.runs} runs")


def vars_of(one: DoubtedTable) -> dict[str, object]:
    """Fields by name."""
    return {name: getattr(one, name) for name in one.__slots__}


if __name__ == "__main__":
    main()
