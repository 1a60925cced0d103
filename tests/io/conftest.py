"""Lets these tests import what they share: strategies beside them, mutations from experiments/fuzz."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "experiments")]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A catalogue of one's own, empty, in place of the shipped one."""
    for name in ("gpus", "models"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SIMKIT_DATA", str(tmp_path))
    return tmp_path
