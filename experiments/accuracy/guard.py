"""The left-out error on a fixed sample of groups that tests hold us to.

python experiments/accuracy/guard.py      # after `make calibrate`; writes tests/calibrate/guard.json
"""

import json
from pathlib import Path

import numpy as np

from simkit.calibrate.left_out import sampled_errors, shipped_whole
from simkit.calibrate.training import training_runs
from simkit.catalog.runs import read_table
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic

OUT = Path(__file__).resolve().parents[2] / "tests" / "calibrate" / "guard.json"


def main() -> None:
    """Write the medians."""
    runs = training_runs(read_table(data_dir() / "runs" / "serving_runs_fit.csv"))
    errors = sampled_errors(runs, shipped_whole())
    medians = {metric: float(f"{np.median(values):.4g}") for metric, values in errors.items()}
    write_text_atomic(OUT, json.dumps(medians, indent=1) + "\n")
    print(medians)


if __name__ == "__main__":
    main()
