"""How far off are predictions of disaggregated runs? Fitted ones with their group left out, and others.

    python benchmarks/disaggregated.py RUNS.csv --others INDEPENDENT.csv

Factors are fitted to the table of runs in memory; amplitudes of the residuals are the shipped ones. `plain`
is without residuals. Errors are |predicted / measured - 1|: median / 90th percentile.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.efficiency import Efficiency
from perfmodels.uncertainty.residual_gp import solved
from simkit.calibrate.factors import fit_engine
from simkit.calibrate.left_out import Whole, shipped_whole, without_group
from simkit.calibrate.residual_fit import krige
from simkit.calibrate.training import TrainingRuns, predict_runs, training_runs
from simkit.catalog.runs import read_table
from simkit.engines.engine_model import METRICS, EngineModel, MeasuredRuns, Residuals
from simkit.io.paths import data_dir
from simkit.verbs.predict import predict_table


def fitted_on(runs: TrainingRuns, start: Whole) -> tuple[Mapping[str, Efficiency], Residuals]:
    """Factors and residuals of all runs."""
    everything = np.ones(len(runs), dtype=bool)
    factors = {
        name: fit_engine(runs, name, everything, known, start.pull) for name, known in start.factors.items()
    }
    fitted = predict_runs(runs, factors)
    tunings = start.tunings
    residuals = Residuals(
        models={m: solved(krige(runs, fitted, m, (tunings[m], everything))) for m in METRICS},
        noise={metric: tuning.noise**2 for metric, tuning in tunings.items()},
        runs=MeasuredRuns(labels=[""] * len(runs), ttft_s=runs.ttft_s, itl_s=runs.itl_s),
    )
    return factors, residuals


def left_out_groups(runs: TrainingRuns, whole: Whole, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions [s] of the runs of `groups`, each left out, by metric and with `plain ` before it."""
    names = [*METRICS, *(f"plain {metric}" for metric in METRICS)]
    out = {name: np.full(len(runs), np.nan) for name in names}
    for group in groups:
        held = runs.names["split_group"] == group
        fitted, found = without_group(runs, held, whole)
        for metric in METRICS:
            out[metric][held] = found[metric][0]
            out[f"plain {metric}"][held] = getattr(fitted, f"{metric}_s")[held]
    return out


def score(name: str, predicted: pd.Series, measured: pd.Series) -> str:
    """One line: n, median and 90th percentile of the error, median of the ratio."""
    ratio = (predicted / measured).to_numpy(dtype=float)
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio):
        return f"{name:44s} none"
    error = np.abs(ratio - 1.0)
    return (
        f"{name:44s} n {len(ratio):4d}  {np.median(error):6.1%} / {np.quantile(error, 0.9):6.1%}  "
        f"ratio {np.median(ratio):.2f}"
    )


def show(title: str, table: pd.DataFrame, parts: Mapping[str, np.ndarray]) -> None:
    """Scores of both metrics, with residuals and without, for each part of a table of predictions."""
    for part, rows in parts.items():
        for metric in METRICS:
            for kind in ("", "plain "):
                label = f"{title} {part}: {kind}{metric}"
                print(score(label, table.loc[rows, f"{kind}{metric}"], table.loc[rows, f"{metric}_ms_mean"]))


def others(
    frame: pd.DataFrame, factors: Mapping[str, Efficiency], residuals: Residuals | None
) -> pd.DataFrame:
    """Predictions of independent runs."""

    def adjust(model: EngineModel) -> EngineModel:
        return replace(model, efficiency=factors[model.engine.backend], residuals=residuals)

    return predict_table(frame, adjust=adjust)


def main() -> None:
    """Print the scores; write every prediction where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="?", default=data_dir() / "runs" / "serving_runs_fit.csv")
    parser.add_argument("--others", type=Path, help="runs that are not part of the fit")
    parser.add_argument("--write", type=Path, help="folder for every prediction as CSV")
    arguments = parser.parse_args()
    frame = read_table(arguments.runs)
    runs, start = training_runs(frame), shipped_whole()
    factors, residuals = fitted_on(runs, start)
    split = (frame["mode"] == "disagg").to_numpy()
    groups = np.unique(runs.names["split_group"][split])
    found = left_out_groups(runs, replace(start, factors=factors), groups)
    table = frame.assign(**{name: values * 1e3 for name, values in found.items()})
    parts = {"all": split} | {
        engine: split & (frame["backend"] == engine).to_numpy()
        for engine in sorted(frame.loc[split, "backend"].unique())
    }
    show("left out", table, parts)
    written = {"left_out": table[split]}
    if arguments.others:
        written["others"] = independent(read_table(arguments.others), factors, residuals)
    for name, rows in written.items():
        if arguments.write:
            rows.to_csv(arguments.write / f"{name}.csv", index=False)


def independent(frame: pd.DataFrame, factors: Mapping[str, Efficiency], residuals: Residuals) -> pd.DataFrame:
    """Scores of other people's runs by origin, mode and size of engine; returns their predictions."""
    for kind, known in (("", residuals), ("plain ", None)):
        told = others(frame, factors, known)
        for metric in METRICS:
            frame[f"{kind}{metric}"] = told[f"predicted_{metric}_ms_mean"].to_numpy()
        frame[f"{kind}error"] = told["error"].to_numpy()
    name = frame["source"].astype(str).str.split("/").str[0] + " " + frame["mode"]
    name = name.where(frame["mode"] == "disagg", name + " tp" + frame["tp"].astype(str).str.split(".").str[0])
    show("independent", frame, {part: (name == part).to_numpy() for part in sorted(name.unique())})
    return frame


if __name__ == "__main__":
    main()
