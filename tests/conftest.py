"""Hypothesis settings shared by all tests: reproducible, no stored examples, no stopwatch.

What stands in for servers and benchmark tools lies in tests/fakes, and every test may import it.
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent / "fakes"))

settings.register_profile(
    "simkit",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("simkit")
