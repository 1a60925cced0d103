"""Files that commands are tried on."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def guide() -> Path:
    """The deployment guide's example requests."""
    return ROOT / "experiments" / "guide"


@pytest.fixture
def runs_csv() -> Path:
    """The measured runs that ship with the project."""
    return ROOT / "data" / "runs" / "serving_runs_fit.csv"
