"""Hypothesis settings shared by all tests: reproducible, no stored examples, no stopwatch.

What stands in for servers and benchmark tools lies in tests/fakes, and every test may import it.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

from simkit.io.tools import cache_dir

sys.path.insert(0, str(Path(__file__).resolve().parent / "fakes"))
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "compiled"))  # as the command does

settings.register_profile(
    "simkit",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("simkit")


def pytest_configure(config):
    """Compile the simulator before workers start, or each would on its own."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        compile_simulator()


def compile_simulator():
    from simkit.closed_form.linear_steps import LinearSteps
    from simkit.core.engine import EngineOptions
    from simkit.sim.linear_loop import simulated_loop

    steps = LinearSteps(step_s=0.01, seq_s=0.001, token_s=0.0005)
    simulated_loop(steps, EngineOptions(backend="vllm"), (16, 4, 1), 2)
