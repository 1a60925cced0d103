"""Every shipped experiment run, its table put into reports/experiments/NAME.

    python experiments/sweeps/report.py [NAME ...] [--runs out/experiments]

What is finished in the folder of runs is kept; runs from other artifacts are put aside and made again.
"""

import argparse
import shutil
import sys
from pathlib import Path

from simkit.catalog.runs import write_table
from simkit.core.errors import InputError
from simkit.experiments.document import read_experiment
from simkit.experiments.report import SUMMARY
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, read_dataset
from simkit.experiments.summary import summary_markdown, summary_table
from simkit.io.yamlio import write_text_atomic

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def finished(path: Path, folder: RunFolder) -> None:
    """Run what is missing of an experiment."""
    experiment = read_experiment(path)
    try:
        steps = list(run(experiment, folder, ["make", "experiments"]))
    except InputError:
        shutil.rmtree(folder.path)
        steps = list(run(experiment, folder, ["make", "experiments"]))
    print(f"{path.stem}: {steps[-1].passed} points", file=sys.stderr)


def written(path: Path, folder: RunFolder) -> None:
    """Put its table into reports."""
    experiment = read_experiment(path)
    table = summary_table(experiment, read_dataset(folder))
    page = summary_markdown(experiment, table, "make experiments")
    out = ROOT / "reports" / "experiments" / path.stem
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / f"{SUMMARY}.csv")
    write_text_atomic(out / "README.md", page)


def main() -> None:
    """All of them, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=Path, default=ROOT / "out" / "experiments")
    options = parser.parse_args()
    for path in sorted(HERE.glob("*.yaml")):
        if options.names and path.stem not in options.names:
            continue
        folder = RunFolder(path=options.runs / path.stem)
        finished(path, folder)
        written(path, folder)


if __name__ == "__main__":
    main()
