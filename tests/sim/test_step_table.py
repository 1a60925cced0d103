"""Step tables: faithful to the step-time model, and to a mocker profile."""

import numpy as np
import pytest
from sim_engines import cluster_of, load_of

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.engine_speed import decode_step, prefill_step
from simkit.core.errors import InputError
from simkit.core.request import Hardware, Request
from simkit.core.workload import Workload
from simkit.sim.cluster import simulate
from simkit.sim.step_table import StepTable

PLANS = {
    "Qwen/Qwen3-32B": ParallelPlan(tp=4),
    "deepseek-ai/DeepSeek-R1": ParallelPlan(attn_dp=8, ep=8),
    "openai/gpt-oss-120b": ParallelPlan(tp=2, ep=2),
}


@pytest.fixture(scope="module", params=list(PLANS))
def model_and_plan(request):
    asked = Request(
        model=request.param,
        backend="vllm",
        hardware=Hardware(gpu="h200_sxm", total_gpus=8),
        workload=Workload(),
    )
    return build_problem(asked, SearchOptions()).engines[0], PLANS[request.param]


def test_interpolation_is_close_to_the_model(model_and_plan):
    """1,000 random steps of each kind: half of them within 0.5 %, 99 of 100 within 2 %."""
    model, plan = model_and_plan
    table, plans = StepTable.of(model, plan), PlanArray.of([plan])
    rng = np.random.default_rng(1)
    seqs = np.round(np.exp(rng.uniform(0, np.log(1024), 1000)))
    keys = np.exp(rng.uniform(np.log(32), np.log(1e5), 1000))
    direct = decode_step(model, plans, (seqs, keys)).total_s
    error = np.abs(table.decode_at(seqs, keys) / direct - 1)
    assert np.median(error) < 0.005 and np.quantile(error, 0.99) < 0.02
    tokens = np.round(np.exp(rng.uniform(np.log(16), np.log(16384), 1000)))
    keys = np.maximum(np.exp(rng.uniform(np.log(32), np.log(1e5), 1000)), 1)
    prompts = np.clip(tokens / (2 * keys), 1, None)
    direct = prefill_step(model, plans, (tokens, keys, prompts)).total_s
    error = np.abs(table.prefill_at(tokens, keys) / direct - 1)
    assert np.median(error) < 0.005 and np.quantile(error, 0.99) < 0.02


def test_the_loop_reads_the_table_as_python_does(model_and_plan):
    """One request: its prompt, then each decode step with one more token than before."""
    table = StepTable.of(*model_and_plan)
    times = simulate(cluster_of(table), load_of([1000], [50])).times
    steps = table.decode_at(1, 1000 + np.arange(49))
    assert times.first_token_s[0] == pytest.approx(float(table.prefill_at(1000, 500)), rel=1e-12)
    assert times.finished_s[0] - times.first_token_s[0] == pytest.approx(steps.sum(), rel=1e-12)


PROFILE = {
    "prefill_isl": np.array([100.0, 1000.0, 4000.0]),
    "prefill_ttft_ms": np.array([10.0, 55.0, 205.0]),
    "decode_active_kv_tokens": np.array([1000.0, 50000.0, 400000.0]),
    "decode_context_length": np.array([500.0, 2000.0, 8000.0]),
    "decode_itl": np.array([[5.0, 5.2, 5.6], [8.0, 7.5, 7.0], [30.0, 24.0, 20.0]]),
}


def test_a_mocker_profile_is_read_as_the_mocker_does():
    """By hand: 2,500 tokens lie half way from 55 to 205 ms; 20 sequences of 1,250 keys are 25,000 cached
    tokens, 0.4898 of the way from 1,000 to 50,000, at half way between contexts 500 and 2,000.
    """
    table = StepTable.of_profile(PROFILE)
    assert float(table.prefill_at(2500, 1)) == pytest.approx(0.130)
    along = 24000 / 49000
    expected = 0.5 * ((1 - along) * (5.0 + 5.2) + along * (8.0 + 7.5)) * 1e-3
    assert float(table.decode_at(20, 1250)) == pytest.approx(expected, rel=2e-3)
    assert table.stall_frac == 1.0


def test_a_profile_ends_flat():
    table = StepTable.of_profile(PROFILE)
    assert float(table.prefill_at(7000, 1)) == pytest.approx(0.205)
    assert float(table.decode_at(400, 8000)) == pytest.approx(0.020)


def test_an_incomplete_profile_is_named():
    with pytest.raises(InputError, match="decode_itl"):
        StepTable.of_profile({name: values for name, values in PROFILE.items() if name != "decode_itl"})


def test_tables_that_cannot_be_are_refused():
    ends = np.array([0.0, 1.0])
    good = {
        "decode_batch": ends, "decode_context": ends, "decode_s": np.ones((2, 2)),
        "prefill_tokens": ends, "prefill_context": ends, "prefill_s": np.ones((2, 2)),
    }  # fmt: skip
    for change in (
        {"decode_s": np.zeros((2, 2))},
        {"prefill_s": np.ones((2, 3))},
        {"decode_batch": ends[::-1]},
    ):
        with pytest.raises(InputError):
            StepTable(**{**good, **change})
