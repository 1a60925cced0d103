"""Adaptive refinement against the exhaustive grid on five shipped experiments.

    python benchmarks/refinement.py [NAME ...] [--figure docs/images/refinement.svg]

Each question is asked at every point of its grid and with its own `refine`. Told: the share of points that
were asked; by how much the refined front falls short of the exhaustive one (for every point of that front the
smallest share by which one refined point is below it in speed per user and in output per GPU, the worst of
them); and by how much the figure of any row of the report's table does.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simkit.experiments.columns import column_of
from simkit.experiments.document import Experiment, parse_experiment
from simkit.experiments.refine import aim_of, pareto_front
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, read_dataset
from simkit.experiments.summary import summary_table

SWEEPS = Path(__file__).resolve().parents[1] / "experiments" / "sweeps"
QUESTIONS = ("tp_scaling", "engines", "token_cost", "number_formats", "wide_ep")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What both ways give."""

    experiment: Experiment
    whole: pd.DataFrame
    few: pd.DataFrame


def asked_both_ways(name: str) -> Found:
    """A shipped question, refined and not."""
    text = (SWEEPS / f"{name}.yaml").read_text(encoding="utf-8")
    refined = parse_experiment(text, name)
    lines = [line for line in text.splitlines() if not line.startswith("refine:")]
    whole = parse_experiment("\n".join(lines), name)
    return Found(experiment=refined, whole=dataset(whole), few=dataset(refined))


def dataset(experiment: Experiment) -> pd.DataFrame:
    """Every finished point."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(path=Path(name) / "run")
        for _ in run(experiment, folder, []):
            pass
        return read_dataset(folder)


def fronts(found: Found) -> list[tuple[np.ndarray, np.ndarray]]:
    """The front of every group, exhaustive and refined."""
    aim = aim_of(found.experiment.document)
    by = list(aim.by)
    groups: Any = found.whole.groupby(by) if by else [((), found.whole)]
    pairs = []
    for key, group in groups:
        same = np.ones(len(found.few), dtype=bool)
        for name, value in zip(by, key, strict=True):
            same &= (found.few[name] == value).to_numpy()
        tables = (group, found.few[same])
        pairs.append(tuple(front_of(table, list(aim.axes)) for table in tables))
    return pairs


def front_of(table: pd.DataFrame, axes: list[str]) -> np.ndarray:
    """The front of those with a result."""
    return pareto_front(table.loc[(table["error"] == "").to_numpy(), axes].to_numpy(dtype=np.float64))


def short_of(whole: np.ndarray, few: np.ndarray) -> float:
    """By which share the worst point of a front is missed."""
    return max(float(np.min(np.max(point / few, axis=1))) - 1.0 for point in whole) if len(whole) else 0.0


def table_off(found: Found) -> tuple[float, int]:
    """By which share the worst row of the report's table is off, and the rows."""
    report = found.experiment.document.report
    best = column_of(report.best, found.experiment.do)
    by = [column_of(name, found.experiment.do) for name in report.by]
    whole, few = (summary_table(found.experiment, table) for table in (found.whole, found.few))
    both = whole[[*by, best]].merge(few[[*by, best]], on=by, suffixes=("", " refined"))
    off = (both[f"{best} refined"] / both[best] - 1.0).abs()
    lost = (both[best].notna() & both[f"{best} refined"].isna()).any()
    return (np.inf if lost else float(off.max())), len(both)


def figure(found: dict[str, Found], path: Path) -> None:
    """Both fronts of each question: all points pale, those that were asked dark."""
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "refinement"
    image, panels = plt.subplots(1, len(found), figsize=(3.1 * len(found), 3.0), squeeze=False)
    for panel, (name, item) in zip(panels[0], found.items(), strict=True):
        for table, colour, size, label in (
            (item.whole, "#c8d3dd", 1.0, "every point"), (item.few, "#0b5fa5", 3.0, "asked when refined"),
        ):  # fmt: skip
            axes = list(aim_of(item.experiment.document).axes)
            panel.scatter(table[axes[0]], table[axes[1]], s=size, color=colour, label=label, rasterized=True)
        panel.set_title(f"{name}: {len(item.few) / len(item.whole):.0%} of {len(item.whole):,}", fontsize=9)
        panel.set_xlabel("output tokens/s per user", fontsize=8)
        panel.tick_params(labelsize=7)
    panels[0][0].set_ylabel("output tokens/s per GPU", fontsize=8)
    panels[0][0].legend(fontsize=7, markerscale=3, frameon=False)
    image.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.savefig(path, dpi=150, metadata={"Date": None})


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=QUESTIONS)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    kept: dict[str, Found] = {}
    print("| question | points of the grid | asked | share | front short by | rows of its table | off by |")
    print("|---|---|---|---|---|---|---|")
    for name in options.names:
        found = kept[name] = asked_both_ways(name)
        worst = max(short_of(*pair) for pair in fronts(found))
        off, rows = table_off(found)
        share = len(found.few) / len(found.whole)
        print(
            f"| {name} | {len(found.whole):,} | {len(found.few):,} | {share:.1%} | {worst:.2%} | {rows} | "
            f"{off:.2%} |",
            flush=True,
        )
    if options.figure:
        figure(kept, options.figure)


if __name__ == "__main__":
    main()
