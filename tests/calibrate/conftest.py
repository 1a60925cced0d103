"""The measured runs, evaluated once for all tests of fitting."""

from pathlib import Path

import pandas as pd
import pytest

from simkit.calibrate.training import training_runs

RUNS = Path(__file__).parents[2] / "data" / "runs" / "serving_runs_fit.csv"


@pytest.fixture(scope="session")
def frame():
    return pd.read_csv(RUNS, low_memory=False)


@pytest.fixture(scope="session")
def runs(frame):
    return training_runs(frame)
