"""Curves for the Planner from engines measured alone; what mocked engines are expected to do."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.measured import Run, Source, Spread
from simkit.core.measured_curves import measured_decode, measured_prefill
from simkit.core.mocked import as_mocked, mocked
from simkit.core.planner_profile import EngineProfile
from simkit.core.search import search

SOURCE = Source(tool="t", path="p")


def run_of(isl, osl, concurrency, *, ttft=None, itl=None):
    return Run(
        source=SOURCE, isl_tokens=isl, osl_tokens=osl, concurrency=concurrency,
        ttft=Spread(mean_s=ttft), itl=Spread(mean_s=itl),
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


def test_mocked_engines_have_no_host_and_stay_in_step(problem_of):
    problem = problem_of("Qwen/Qwen3-8B", gpus=1, concurrency=8, isl_tokens=500, osl_tokens=64)
    workload = replace(problem.request.workload, requests_per_slot=20)
    candidate = search(problem).candidates[0]
    played = mocked(problem, candidate, workload)
    alone = mocked(problem, candidate, replace(workload, concurrency=1))
    assert {model.efficiency.in_step_frac for model in as_mocked(problem).engines} == {1.0}
    host = problem.engines[0].efficiency.request_host_s
    one = search(
        replace(problem, request=replace(problem.request, workload=replace(workload, concurrency=1)))
    )
    real = next(c for c in one.candidates if c.deployment.num_gpus == 1)
    assert alone.estimate.ttft.mean_s <= real.estimate.ttft.mean_s - 0.9 * host
    # In step, prompts wait for each other instead of stalling each other's decodes.
    assert played.estimate.itl.mean_s < candidate.estimate.itl.mean_s
