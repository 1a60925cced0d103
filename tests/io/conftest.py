"""Lets these tests import what they share: strategies beside them, mutations from experiments/fuzz."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "experiments")]
