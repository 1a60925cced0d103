"""Speculative decoding: tokens per step, what checking them costs, and when it pays."""

from dataclasses import replace

import numpy as np
import pytest

from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form import aggregated_loop, disaggregated_loop
from simkit.closed_form.aggregated_loop import Host, Procedure
from simkit.closed_form.engine_speed import BATCH_GRID, decode_step, decode_token_s, phase_times
from simkit.closed_form.one_deployment import estimate_deployment
from simkit.core.deployment import Aggregated, Pool
from simkit.core.draft import Draft, parse_draft
from simkit.core.errors import InputError
from simkit.core.request import Tuning
from simkit.search.search import search

NGRAM = Draft(method="ngram", tokens=3, acceptance=0.6)
LOADS = np.array([[1.0, 7.0, 60.0]])


def test_tokens_per_step_by_hand():
    # 1 + 0.6 + 0.36 + 0.216, which is (1 - 0.6**4) / (1 - 0.6)
    assert NGRAM.tokens_per_step == pytest.approx(2.176)
    assert replace(NGRAM, acceptance=1.0).tokens_per_step == 4
    assert replace(NGRAM, acceptance=0.0).tokens_per_step == 1


def test_drafts_as_written():
    assert parse_draft("ngram:3:0.6") == NGRAM
    eagle = parse_draft("eagle:4:0.7:org/head:v1")
    assert (eagle.tokens, eagle.model) == (4, "org/head:v1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mtp:3", "the acceptance has to be measured or known"),
        ("mtp:three:0.5", "expected METHOD:TOKENS:ACCEPTANCE"),
        ("medusa:3:0.5", "medusa"),
        ("mtp:0:0.5", "1 to 16 drafted tokens, got 0"),
        ("mtp:3:1.5", "a share from 0 to 1, got 1.5"),
        ("eagle:3:0.5", "name its head"),
        ("ngram:3:0.5:x", "takes no model of its own"),
    ],
)
def test_what_is_no_draft_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        parse_draft(text)


def test_a_model_without_the_layer_cannot_predict_several_tokens(problem_of):
    draft = Draft(method="mtp", tokens=1, acceptance=0.8)
    with pytest.raises(InputError, match="no multi-token prediction layer"):
        problem_of("Qwen/Qwen3-8B", tuning=Tuning(draft=draft))


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_twice_the_tokens_of_a_step_are_half_the_steps(engine_of, lengths_of, loop):
    """Two tokens a step are the same as an output half as long (less the first), at half the time a token."""
    host = Host(request_s=0.01, admission_steps=1.0)
    plain = engine_of(prefill=0.05)
    drafted = replace(plain, tokens_per_step=2.0)

    def times(engine, osl):
        if loop == "closed":
            return aggregated_loop.closed_loop(engine, LOADS, lengths_of(1000, osl), Procedure(), host)
        return aggregated_loop.open_loop(engine, LOADS / 20.0, lengths_of(1000, osl), host)

    half, two = times(plain, 101), times(drafted, 201)
    assert two.itl_s == pytest.approx(half.itl_s / 2)
    assert two.ttft_s == pytest.approx(half.ttft_s)
    assert two.requests_per_s == pytest.approx(half.requests_per_s)


def test_so_it_is_for_separate_pools(pools_of, lengths_of):
    plain = pools_of(prefill=0.05, prefill_workers=2, decode_workers=2)
    drafted = replace(plain, decode=replace(plain.decode, tokens_per_step=2.0))
    half, two = (
        disaggregated_loop.closed_loop(pools, LOADS, lengths_of(1000, osl), Procedure(), Host())
        for pools, osl in ((plain, 101), (drafted, 201))
    )
    assert two.itl_s == pytest.approx(half.itl_s / 2)
    assert two.requests_per_s == pytest.approx(half.requests_per_s)


@pytest.mark.parametrize(("name", "most"), [("Qwen/Qwen3-32B", 1.3), ("deepseek-ai/DeepSeek-R1", 2.2)])
def test_checking_a_draft_costs_more_than_a_step_and_less_than_as_many(problem_of, name, most):
    """Of one sequence weights and cache are read once, whatever is checked; but four tokens reach more
    experts than one: 30 of 256 instead of 8."""
    model = problem_of(name).engines[0]
    plan, load = PlanArray.of([ParallelPlan(tp=8)]).expand(), (BATCH_GRID[None, :], 4000.0)
    checking = replace(model, engine=replace(model.engine, draft=NGRAM))
    one, four = decode_step(model, plan, load).total_s, decode_step(checking, plan, load).total_s
    assert np.all(four > one)
    assert np.all(four < 4 * one)
    assert (four / one)[0, 0] < most


def test_drafting_on_the_gpu_takes_time_and_memory(problem_of, lengths_of):
    base = problem_of("Qwen/Qwen3-32B").engines[0]
    plan, lengths = PlanArray.of([ParallelPlan(tp=2)]), lengths_of(2000, 200)

    def times(draft):
        return phase_times(replace(base, engine=replace(base.engine, draft=draft)), plan, lengths, "decode")

    looked_up, head = times(NGRAM), times(replace(NGRAM, method="eagle", model="org/head"))
    assert np.all(head.decode_s > looked_up.decode_s)
    # Each of three tokens takes about one layer of 64 and the output head, which weighs as much as two.
    assert (head.decode_s / looked_up.decode_s)[0, 0] == pytest.approx(1 + 3 * 3 / 64, abs=0.06)
    assert head.kv_capacity_tokens < looked_up.kv_capacity_tokens


@pytest.mark.parametrize("draft", [None, NGRAM, replace(NGRAM, method="eagle", model="org/head")])
def test_tables_and_single_steps_agree_on_the_time_per_token(problem_of, lengths_of, draft):
    base = problem_of("Qwen/Qwen3-32B").engines[0]
    model, plan = replace(base, engine=replace(base.engine, draft=draft)), PlanArray.of([ParallelPlan(tp=2)])
    table = phase_times(model, plan, lengths_of(2000, 200), "decode")
    per_token = decode_token_s(model, plan.expand(), (BATCH_GRID[None, :], 2100.0))
    assert per_token == pytest.approx(table.decode_s / model.engine.tokens_per_step)


def test_a_draft_pays_while_steps_wait_for_memory(problem_of):
    """One request gains nearly what a step yields; with many the checked tokens are computed for nothing."""
    worker = Pool(plan=ParallelPlan(tp=2), engine=problem_of().engines[0].engine)
    drafted = replace(worker, engine=replace(worker.engine, draft=NGRAM))

    def gain(concurrency):
        problem = problem_of(concurrency=concurrency, isl_tokens=500, osl_tokens=500)
        plain, fast = (
            estimate_deployment(problem, Aggregated(worker=pool, precision=problem.precision)).candidate
            for pool in (worker, drafted)
        )
        assert plain.estimate.in_domain
        assert not fast.estimate.in_domain
        return plain.estimate.itl.mean_s / fast.estimate.itl.mean_s

    gains = [gain(concurrency) for concurrency in (1, 32, 400)]
    assert gains == sorted(gains, reverse=True)
    assert 1.5 < gains[0] < NGRAM.tokens_per_step


def test_no_engine_is_offered_that_would_not_start_with_its_draft(problem_of):
    tuning = Tuning(draft=replace(NGRAM, acceptance=1.0), max_num_batched_tokens=8192)
    found = search(problem_of("Qwen/Qwen3-30B-A3B", backend="sglang", tuning=tuning, options={"limit": 50}))
    drafting = [pool.plan for c in found.candidates for pool in c.deployment.pools if pool.engine.draft]
    assert drafting
    assert all(plan.attn_dp == plan.pp == 1 for plan in drafting)


@pytest.mark.parametrize(("acceptance", "chosen"), [(0.9, True), (0.0, False)])
def test_the_search_drafts_where_it_pays(problem_of, acceptance, chosen):
    tuning = Tuning(draft=replace(NGRAM, acceptance=acceptance), max_num_batched_tokens=8192)
    found = search(problem_of(gpus=4, concurrency=4, slo={"itl_s": 0.1}, tuning=tuning))
    assert (found.selected.deployment.pools[-1].engine.draft is not None) is chosen
