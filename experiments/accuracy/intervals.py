"""How well the 90 % intervals of left-out predictions hold, and how wide they are, by partition.

python experiments/accuracy/intervals.py      # `make reports`; writes reports/accuracy/intervals.md
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from simkit.catalog.runs import read_table
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic

REPORTS = Path(__file__).resolve().parents[2] / "reports" / "accuracy"
OUT = REPORTS / "intervals.md"
SCHEMES = {
    "split_group": "the deployment is new (its GPU, engine and family were measured)",
    "family": "the family is new",
    "gpu": "the GPU is new",
    "engine": "the engine is new",
}
HEAD = "| | n | held | factor | score |\n|---|---:|---:|---:|---:|\n"
LOADS = (0, 4, 16, 64, 256, np.inf)
FEWEST = 50
OUTSIDE = 20.0  # what a log of distance outside costs: 2 / 0.1 of a 90 % interval (Winkler 1972)


def joined(scheme: str) -> pd.DataFrame:
    """Runs with the intervals predicted without their group, family, GPU or engine."""
    table = pd.read_csv(REPORTS / "left_out.csv")
    runs = read_table(data_dir() / "runs" / "serving_runs_fit.csv")
    frame = runs.merge(table[table["left_out_by"] == scheme], on="run_id", validate="one_to_one")
    edges = [f"{low:g} to {high:g}" for low, high in pairwise(LOADS)]
    loads = pd.cut(frame["concurrency"], list(LOADS), labels=edges)
    return frame.assign(load=loads.astype(str), all="")


def judged(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Winkler's score of the log interval, its width, and whether it held, a row each."""
    truth, low, high = (
        np.log(frame[name].to_numpy())
        for name in (f"{metric}_ms_mean", f"predicted_{metric}_ms_lo", f"predicted_{metric}_ms_hi")
    )
    outside = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    width = high - low
    return frame.assign(score=width + OUTSIDE * outside, width=width, held=outside == 0.0)


def lines(frame: pd.DataFrame, metric: str) -> list[str]:
    """A row for all runs, then for every partition that is large enough."""
    rows = []
    told = judged(frame, metric)
    for column, title in (("all", "all"), ("mode", "mode"), ("backend", "engine"), ("load", "in flight")):
        for name, part in told.groupby(column, sort=False):
            if len(part) < FEWEST and column != "all":
                continue
            held = float(part["held"].mean())
            mark = "" if 0.85 <= held <= 0.95 else " *"
            rows.append(
                f"| {title} {name}".rstrip()
                + f" | {len(part):,} | {held:.0%}{mark} | {np.exp(part['width'].median()):.2f} "
                f"| {part['score'].mean():.2f} |"
            )
    return rows


def page() -> str:
    """The report."""
    text = """<!-- Regenerate with: make reports -->

# How well the intervals hold

Predictions that have not seen the deployment, the family, the GPU or the engine of the run they are about.
*Held*: measurements inside the 90 % interval (a star: outside 85 to 95 %). *Factor*: upper over lower end,
median. *Score*: Winkler's of log values, width + 20 times what lies outside, mean; lower is better.
Partitions of at least 50 runs.
"""
    for scheme, title in SCHEMES.items():
        frame = joined(scheme)
        for metric in ("ttft", "itl"):
            text += f"\n## {metric.upper()}, {title}\n\n{HEAD}"
            text += "\n".join(lines(frame, metric)) + "\n"
    return text


def main() -> None:
    """Write the report."""
    write_text_atomic(OUT, page())
    print(OUT.name)


if __name__ == "__main__":
    main()
