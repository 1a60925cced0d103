"""Problems by keyword, and engines with planted step times."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.disaggregated_loop import Pools
from simkit.closed_form.engine_speed import BATCH_GRID, phase_times
from simkit.core.request import Hardware, Request, Tuning
from simkit.core.slo import Slo
from simkit.core.workload import Lengths, Workload


@pytest.fixture(scope="session")
def problem_of():
    """A Problem on `gpus` GPUs of one kind; further keywords are the workload's."""

    def build(
        model="Qwen/Qwen3-32B", *, gpus=8, gpu="h200_sxm", backend="vllm", modes=("agg", "disagg"), slo=None,
        options=None, optimization=None, tuning=None, **workload,
    ):  # fmt: skip
        request = Request(
            model=model, backend=backend, modes=modes, slo=Slo(**(slo or {})), optimization=optimization,
            tuning=tuning or Tuning(),
            hardware=Hardware(gpu=gpu, total_gpus=gpus), workload=Workload(**workload),
        )  # fmt: skip
        return build_problem(request, SearchOptions(**(options or {})))

    return build


@pytest.fixture(scope="session")
def lengths_of():
    """Mean lengths as the loops take them."""
    return lambda isl, osl: Lengths(isl_tokens=np.asarray(float(isl)), osl_tokens=np.asarray(float(osl)))


@pytest.fixture(scope="session")
def engine_of(problem_of, lengths_of):
    """Phase times of one plan, planted: a decode step of B sequences takes decode[0] + decode[1]*B."""
    model, one_gpu = problem_of("Qwen/Qwen3-8B").engines[0], PlanArray.of([ParallelPlan()])
    base = phase_times(model, one_gpu, lengths_of(1000, 100), "aggregated")

    def build(
        *, prefill=0.1, burst=None, decode=(0.01, 1e-4), max_seqs=1000.0, chunks=1.0, together=1.0, plan=None
    ):
        return replace(
            base,
            plan=PlanArray.of([plan or ParallelPlan()]),
            decode_s=(decode[0] + decode[1] * BATCH_GRID)[None, :],
            prefill_s=np.array([prefill]),
            burst_prefill_s=np.array([prefill if burst is None else burst]),
            stall_s=np.array([prefill if burst is None else burst]),
            together=np.array([together]),
            per_step=np.array([together / chunks]),
            floor_s=np.zeros(1),
            chunks=np.array([chunks]),
            max_seqs=np.array([max_seqs]),
        )

    return build


@pytest.fixture(scope="session")
def pools_of(engine_of):
    """Prefill and decode pools of planted engines."""

    def build(*, prefill_workers=1, decode_workers=1, transfer=0.0, **engine):
        times = engine_of(**engine)
        return Pools(
            prefill=times,
            decode=times,
            prefill_workers=np.array([float(prefill_workers)]),
            decode_workers=np.array([float(decode_workers)]),
            transfer_s=np.array([transfer]),
        )

    return build
