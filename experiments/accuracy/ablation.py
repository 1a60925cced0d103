"""What is each part of a prediction worth on runs it has not seen?

python experiments/accuracy/ablation.py      # `make reports`; writes reports/accuracy/ablation.md
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.efficiency import Efficiency
from simkit.calibrate.factors import fit_engine
from simkit.calibrate.left_out import left_out, shipped_whole
from simkit.calibrate.training import TrainingRuns, predict_runs, training_runs
from simkit.catalog.runs import read_table
from simkit.engines.engine_model import EngineModel
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic
from simkit.verbs.evaluate import with_predictions

OUT = Path(__file__).resolve().parents[2] / "reports" / "accuracy" / "ablation.md"
Errors = tuple[np.ndarray, np.ndarray]
TEXT = """\
Median and 90th percentile of |predicted/measured - 1| over {rows:,} runs. The first two lines fit nothing on
serving runs; in the others the groups (models, GPUs) in question are left out of all fitting. *Loop* is the
closed form of scheduling, queueing and the opening burst with host times and scales fitted per engine, pulled
towards plain defaults; *residuals* are random effects of engine, GPU, kind of model, format and version,
which shrink to nothing where no run resembles the question."""


def plain(frame: pd.DataFrame, *, tables: bool) -> Errors:
    """Errors with the default factors, with or without operator tables."""

    def adjust(model: EngineModel) -> EngineModel:
        learned = model.learned if tables else None
        return replace(model, learned=learned, efficiency=Efficiency(), residuals=None)

    found = with_predictions(frame, adjust=adjust)
    ratios = [found[f"predicted_{m}_ms_mean"] / found[f"{m}_ms_mean"] for m in ("ttft", "itl")]
    ttft, itl = (np.abs(ratio.to_numpy() - 1) for ratio in ratios)
    return ttft, itl


def factors_only(runs: TrainingRuns, scheme: str) -> Errors:
    """Errors of physics with fitted factors alone, groups of the scheme left out."""
    whole, groups = shipped_whole(), runs.names[scheme]
    ttft, itl = np.zeros(len(runs)), np.zeros(len(runs))
    for name in np.unique(groups):
        held = groups == name
        touched = set(runs.names["engine"][held])
        factors = {
            backend: fit_engine(runs, backend, ~held, start) if backend in touched else start
            for backend, start in whole.factors.items()
        }
        found = predict_runs(runs, factors)
        ttft[held], itl[held] = found.ttft_s[held], found.itl_s[held]
    return np.abs(ttft / runs.ttft_s - 1), np.abs(itl / runs.itl_s - 1)


def with_residuals(runs: TrainingRuns, scheme: str) -> Errors:
    """Errors of the whole prediction, groups of the scheme left out."""
    found = left_out(runs, scheme, shipped_whole()).predicted
    return np.abs(found["ttft"] / runs.ttft_s - 1), np.abs(found["itl"] / runs.itl_s - 1)


def line(name: str, errors: Errors) -> str:
    """One line of the table."""
    cells = [f"{np.median(e):.1%} / {np.quantile(e, 0.9):.0%}" for e in errors]
    return f"| {name} | {cells[0]} | {cells[1]} |"


def main() -> None:
    """Write the table."""
    frame = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    runs = training_runs(frame)
    lines = [
        line("shares of peak (roofline)", plain(frame, tables=False)),
        line("operator tables", plain(frame, tables=True)),
    ]
    for scheme, title in (("split_group", "groups"), ("family", "model families"), ("gpu", "GPUs")):
        lines.append(line(f"operator tables and loop, {title} left out", factors_only(runs, scheme)))
        lines.append(line(f"and residuals, {title} left out", with_residuals(runs, scheme)))
    parts = [
        "<!-- Regenerate with: make reports -->\n\n# What each part is worth\n",
        TEXT.format(rows=len(frame)),
        "\n| | TTFT median / p90 | ITL median / p90 |\n|---|---:|---:|",
        *lines,
    ]
    write_text_atomic(OUT, "\n".join(parts) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
