"""Step times found again from loops that were simulated with planted ones."""

from dataclasses import replace

import pytest

from simkit.calibrate.step_times import LoopQuestion, closed_form, fit_steps, fitted_steps, predicted_loop
from simkit.closed_form.linear_steps import LinearSteps
from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.engines.registry import default_engine

PLANTED = LinearSteps(step_s=0.015, seq_s=0.0012, token_s=0.0007, key_s=2e-6, request_s=0.012)
ENGINE = default_engine("vllm", max_num_batched_tokens=2048, max_num_seqs=64)


def run_of(concurrency, *, requests=None, isl=128, osl=48, steps=PLANTED):
    asked = LoopQuestion(
        isl_tokens=isl, osl_tokens=osl, concurrency=concurrency, requests=requests or 4 * concurrency
    )
    means = predicted_loop(steps, ENGINE, asked)
    return Run(
        source=Source(tool="planted", path=f"c{concurrency}"),
        isl_tokens=isl, osl_tokens=osl, concurrency=concurrency, num_requests=asked.requests,
        requests_per_slot=asked.requests / concurrency, output_tokens_per_s=means.output_tokens_per_s,
        ttft=MeasuredSpread(mean_s=means.ttft_s), itl=MeasuredSpread(mean_s=means.itl_s),
    )  # fmt: skip


def test_one_request_at_a_time_by_hand():
    run = run_of(1)
    # the first token takes the host's time and one step with the prompt, others a step each
    assert run.ttft.mean_s == pytest.approx(0.012 + 0.015 + 128 * 0.0007, rel=1e-6)
    # steps see 128 to 174 tokens
    assert run.itl.mean_s == pytest.approx(0.0162 + 151 * 2e-6, rel=1e-6)
    assert run.output_tokens_per_s == pytest.approx(48 / (run.ttft.mean_s + 47 * run.itl.mean_s), rel=1e-6)


def test_planted_step_times_are_found():
    found = fitted_steps([run_of(1), run_of(4), run_of(16), run_of(4, isl=512)], ENGINE)
    assert found.key_s == pytest.approx(PLANTED.key_s, rel=0.15)
    assert found.step_s == pytest.approx(PLANTED.step_s, rel=0.02)
    assert found.seq_s == pytest.approx(PLANTED.seq_s, rel=0.05)
    assert found.token_s == pytest.approx(PLANTED.token_s, rel=0.02)
    for load in (2, 8, 24):
        asked = LoopQuestion.of(run_of(load))
        said, true = (predicted_loop(steps, ENGINE, asked) for steps in (found, PLANTED))
        assert said.itl_s == pytest.approx(true.itl_s, rel=0.02)
        assert said.output_tokens_per_s == pytest.approx(true.output_tokens_per_s, rel=0.02)


def test_one_length_cannot_tell_what_the_cache_costs():
    found = fitted_steps([run_of(1), run_of(4), run_of(16)], ENGINE)
    assert found.key_s == 0.0
    per_seq = PLANTED.seq_s + 152 * PLANTED.key_s
    assert found.seq_s == pytest.approx(per_seq, rel=0.05)


def test_the_closed_form_comes_near_without_simulating():
    found = fit_steps([run_of(1), run_of(4), run_of(16)], closed_form(ENGINE))
    assert found.step_s == pytest.approx(PLANTED.step_s, rel=0.1)
    assert found.token_s == pytest.approx(PLANTED.token_s, rel=0.15)


def test_one_load_is_not_enough():
    with pytest.raises(InputError, match="two or more"):
        fitted_steps([run_of(4), run_of(4)], ENGINE)


def test_runs_without_latencies_do_not_count():
    with pytest.raises(InputError, match="1 runs with ITL and TTFT"):
        fitted_steps([run_of(4), replace(run_of(1), itl=MeasuredSpread())], ENGINE)


def test_an_open_loop_is_no_question():
    with pytest.raises(InputError, match="closed loop"):
        LoopQuestion.of(replace(run_of(4), concurrency=None, request_rate_per_s=2.0))
