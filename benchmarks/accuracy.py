"""How far off are predictions of runs nobody fitted? Leaves out groups, models, GPUs and engines in turn.

    python benchmarks/accuracy.py                       # about twenty minutes on two cores
    python benchmarks/accuracy.py --write reports/accuracy/left_out.csv

Factors are refitted and residuals kriged without the runs held out; the amplitudes of the residuals are the
shipped ones, tuned on all runs. Intervals in brackets are 90 %, from drawing whole groups again.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.uncertainty.intervals import ErrorModel
from simkit.calibrate.errors import Sample, at_home, bounds, inside, samples
from simkit.calibrate.left_out import SCHEMES, LeftOut, left_out, shipped_whole
from simkit.calibrate.training import TrainingRuns, training_runs
from simkit.catalog.calibrations import error_models
from simkit.catalog.runs import read_table
from simkit.engines.engine_model import METRICS
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic

COLUMNS = ("left out by", "metric", "median", "", "p90", "", "in 90 %")


def lines(runs: TrainingRuns, scheme: str, found: LeftOut) -> list[tuple[str, ...]]:
    """Scores of one scheme, a line per metric."""
    shown = []
    for metric, sample in samples(runs, found).items():
        held = np.mean(inside(sample, error_models()[metric], at_home(runs, scheme)))
        cells = [scheme, metric]
        for share in (0.5, 0.9):
            low, high = bootstrap(sample, runs.names["split_group"], share)
            cells += [f"{np.quantile(sample.error, share):.1%}", f"[{low:.1%}-{high:.1%}]"]
        shown.append((*cells, f"{held:.1%}"))
    return shown


def left_out_table(
    run_ids: pd.Series, runs: TrainingRuns, left: tuple[str, LeftOut], errors: Mapping[str, ErrorModel]
) -> pd.DataFrame:
    """One row per run: predicted means, 90 % bounds [ms] and log standard deviations of TTFT and ITL.

    left is (scheme, predictions).
    """
    table = pd.DataFrame({"run_id": run_ids.to_numpy()})
    scheme, found = left
    rows = samples(runs, found)
    for metric in METRICS:
        sample = rows[metric]
        low, high = bounds(sample, errors[metric], at_home(runs, scheme))
        table[f"predicted_{metric}_ms_mean"] = sample.predicted * 1e3
        table[f"predicted_{metric}_ms_lo"] = low * 1e3
        table[f"predicted_{metric}_ms_hi"] = high * 1e3
        table[f"{metric}_log_sd"] = sample.log_sd
    return table.assign(left_out_by=scheme)


def bootstrap(sample: Sample, groups: np.ndarray, share: float, draws: int = 500) -> tuple[float, float]:
    """90 % interval of a quantile of the absolute error, whole groups drawn with replacement."""
    rng = np.random.default_rng(11)
    names, position = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(position == number) for number in range(len(names))]
    found = []
    for _ in range(draws):
        chosen = rng.integers(0, len(names), len(names))
        found.append(np.quantile(sample.error[np.concatenate([members[i] for i in chosen])], share))
    low, high = np.quantile(found, [0.05, 0.95])
    return float(low), float(high)


def main() -> None:
    """Print the scores; write every prediction where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=Path, default=data_dir() / "runs" / "serving_runs_fit.csv")
    parser.add_argument("--write", type=Path, help="CSV of all left-out predictions")
    arguments = parser.parse_args()
    frame = read_table(arguments.runs)
    runs, whole = training_runs(frame), shipped_whole()
    rows, tables = [COLUMNS], []
    for scheme in SCHEMES:
        found = left_out(runs, scheme, whole)
        rows += lines(runs, scheme, found)
        tables.append(left_out_table(frame["run_id"], runs, (scheme, found), error_models()))
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    print(f"{len(frame):,} runs in {frame['split_group'].nunique()} groups")
    print(
        "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        )
    )
    if arguments.write:
        text = pd.concat(tables).to_csv(index=False, float_format="%.5g")
        write_text_atomic(arguments.write, text)


if __name__ == "__main__":
    main()
