"""Curves for the Planner from engines measured alone."""

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan
from simkit.closed_form.planner_profile import EngineProfile, measured_decode, measured_prefill
from simkit.core.measured import MeasuredSpread, Run, Source

SOURCE = Source(tool="t", path="p")


def run_of(isl, osl, concurrency, *, ttft=None, itl=None):
    return Run(
        source=SOURCE, isl_tokens=isl, osl_tokens=osl, concurrency=concurrency,
        ttft=MeasuredSpread(mean_s=ttft), itl=MeasuredSpread(mean_s=itl),
    )  # fmt: skip


@pytest.fixture(scope="module")
def engine(problem_of):
    return EngineProfile(model=problem_of("Qwen/Qwen3-8B").engines[0], plan=ParallelPlan(tp=2))


def test_prefill_by_length(engine):
    runs = {"b": run_of(2000, 5, 1, ttft=0.2), "a": run_of(1000, 5, 1, ttft=0.1)}
    curve = measured_prefill(engine, runs)
    assert list(curve.isl_tokens) == [1000, 2000]
    assert list(curve.ttft_s) == [0.1, 0.2]
    assert curve.tokens_per_s_per_gpu == pytest.approx([5000, 5000])  # 1000 / 0.1 over two GPUs
    assert measured_prefill(engine, {"a": runs["a"]}) is None


def test_decode_by_cache_and_context(engine):
    loads = ((1000, 4), (1000, 8), (2000, 4), (2000, 8))
    runs = {str(k): run_of(isl, 200, n, itl=0.01) for k, (isl, n) in enumerate(loads)}
    surface = measured_decode(engine, runs, 100_000)
    assert list(surface.context_tokens) == [1100, 1100, 2100, 2100]
    assert surface.kv_usage_frac == pytest.approx(np.array([4400, 8800, 8400, 16800]) / 1e5)
    assert surface.output_tokens_per_s_per_gpu == pytest.approx([200, 400, 200, 400])
    assert measured_decode(engine, dict(list(runs.items())[:3]), 100_000) is None
