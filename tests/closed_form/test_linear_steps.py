"""An engine of linear step times: its loop by hand, and what it refuses."""

import numpy as np
import pytest

from simkit.closed_form.linear_steps import LinearSteps, linear_loop, linear_times
from simkit.core.errors import InputError
from simkit.core.workload import Lengths
from simkit.engines.registry import default_engine

STEPS = LinearSteps(step_s=0.010, seq_s=0.001, token_s=0.0005, request_s=0.020)
ENGINE = default_engine("vllm", max_num_batched_tokens=1024, max_num_seqs=8)


def lengths(isl, osl=41):
    isl = np.atleast_1d(np.asarray(isl, dtype=np.float64))
    return Lengths(isl_tokens=isl, osl_tokens=np.full(isl.shape, float(osl)))


def test_one_request_alone():
    # 20 ms before, a step of 10 ms with 100 tokens at 0.5 ms; then steps of 11 ms
    loop = linear_loop(STEPS, ENGINE, (lengths(100), np.array([1.0])))
    assert loop.ttft_s[0, 0] == pytest.approx(0.080)
    assert loop.itl_s[0, 0] == pytest.approx(0.011)


def test_a_prompt_beyond_the_budget_takes_several_steps():
    times = linear_times(STEPS, ENGINE, lengths([100, 1024, 2500]))
    assert times.chunks.tolist() == [1, 1, 3]
    assert times.together.tolist() == [10, 1, 1]
    assert times.prefill_s == pytest.approx([0.06, 0.522, 1.28])


def test_decoders_wait_for_the_prompts_among_them():
    alone, shared = (
        linear_loop(STEPS, ENGINE, (lengths(100), np.array([load]))).itl_s[0, 0] for load in (1.0, 4.0)
    )
    # at most three decode steps' worth of sequences more, and three prompts of 50 ms in 40 steps
    assert alone + 0.002 < shared < 0.014 + 3 * 0.05 / 40 + 1e-6


def test_no_more_sequences_than_the_engine_takes():
    loop = linear_loop(STEPS, ENGINE, (lengths([100, 100]), np.array([8.0, 80.0])))
    assert loop.requests_per_s[1, 0] == pytest.approx(loop.requests_per_s[0, 0], rel=0.02)
    assert loop.ttft_s[1, 0] > 5 * loop.ttft_s[0, 0]


@pytest.mark.parametrize("change", [{"step_s": 0.0}, {"seq_s": -1e-3}, {"token_s": float("nan")}])
def test_times_that_are_none_are_refused(change):
    with pytest.raises(InputError, match="linear steps"):
        LinearSteps(**{"step_s": 0.01, "seq_s": 0.0, "token_s": 0.0, **change})


def test_a_step_costs_more_the_more_it_sees():
    seeing = LinearSteps(step_s=0.010, seq_s=0.001, token_s=0.0, key_s=1e-5)
    loop = linear_loop(seeing, ENGINE, (lengths([100, 900], osl=200), np.array([1.0, 1.0])))
    assert loop.itl_s[:, 0] == pytest.approx([0.013, 0.021])
