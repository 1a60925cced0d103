"""Hypothesis settings shared by all tests: reproducible, no stored examples, no stopwatch.

Every test may import what stands in for servers, benchmark tools and engines (tests/fakes), and the mutations
of experiments/faults.
"""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from simkit.io.tools import TOOLS, cache_dir, find_tool

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "fakes"), str(HERE.parent / "experiments")]
pytest_plugins = ["command_line", "problems"]
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


def pytest_collection_modifyitems(items):
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("property")


def pytest_runtest_setup(item):
    for name in {name for mark in item.iter_markers("tools") for name in mark.args}:
        if find_tool(TOOLS[name]) is None:
            pytest.skip(f"{name} is not installed (make tools)")


def pytest_terminal_summary(terminalreporter):
    """What was skipped and why, in one line."""
    skipped = Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
    )
    if skipped:
        told = "; ".join(f"{count} x {reason}" for reason, count in skipped.most_common())
        terminalreporter.write_line(f"skipped: {told}")
