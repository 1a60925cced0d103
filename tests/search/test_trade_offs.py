"""What a little more would buy, and what an SLA out of reach takes: the question asked again."""

from dataclasses import replace

import pytest

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.explain.answer import explanation, trade_off_lines
from simkit.search.search import search

LENGTHS = {"isl_tokens": 4000, "osl_tokens": 500}


def by_change(found):
    return {item.change: item.candidate for item in found.trade_offs}


def same(one, other):
    assert one.deployment == other.deployment
    assert one.estimate.output_tokens_per_s == pytest.approx(other.estimate.output_tokens_per_s)


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [3, 4, 7, 8])
@pytest.mark.parametrize("backend", ["vllm", "auto"])
def test_a_gpu_more_or_fewer_is_the_search_with_that_many(problem_of, gpus, backend):
    slo = {"itl_s": 0.03, "ttft_s": 2.0}
    found = by_change(search(problem_of(gpus=gpus, slo=slo, backend=backend, **LENGTHS)))
    for change, count in (("one GPU fewer", gpus - 1), ("one GPU more", gpus + 1)):
        asked = search(problem_of(gpus=count, slo=slo, backend=backend, options={"limit": 1000}, **LENGTHS))
        same(found[change], asked.selected)


@pytest.mark.parametrize("load", [{}, {"concurrency": 40}, {"request_rate_per_s": 2.0}])
def test_slack_is_the_search_with_a_looser_bound(problem_of, load):
    slo = {"itl_s": 0.02, "ttft_s": 1.0}
    found = by_change(search(problem_of(slo=slo, **load, **LENGTHS)))
    for name, bound in slo.items():
        looser = slo | {name: bound * 1.1}
        same(found[f"{name} +10%"], search(problem_of(slo=looser, **load, **LENGTHS)).selected)


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": 16, "concurrency": 100, "slo": {"itl_s": 0.03, "ttft_s": 2.0}},
        {"gpus": 8, "request_rate_per_s": 3.0, "slo": {"ttft_s": 1.0}, "modes": ("disagg",)},
        {"gpus": 6, "concurrency": 400, "slo": {"itl_s": 0.01, "ttft_s": 0.5}},
    ],
)
def test_under_a_load_gpus_are_counted_from_the_choice(problem_of, question):
    """Asked again with one GPU more or fewer than the choice has, the search says what was stated."""
    rec = search(problem_of(**question, **LENGTHS))
    found, gpus = by_change(rec), rec.selected.deployment.num_gpus
    for change, count in (("one GPU fewer", gpus - 1), ("one GPU more", gpus + 1)):
        same(found[change], search(problem_of(**question | {"gpus": count}, **LENGTHS)).selected)


def test_without_a_gpu_nothing_runs(problem_of):
    rec = search(problem_of("Qwen/Qwen3-8B", gpus=1, **LENGTHS))
    assert by_change(rec)["one GPU fewer"] is None
    assert "no deployment would run" in trade_off_lines(rec)[0]


@pytest.mark.slow
@pytest.mark.parametrize("load", [{}, {"concurrency": 40}])
@pytest.mark.parametrize("slo", [{"itl_s": 0.003}, {"ttft_s": 0.02, "itl_s": 0.1}])
def test_the_relaxed_bound_holds_and_no_tighter_one_does(problem_of, load, slo):
    problem = problem_of(slo=slo, **load, **LENGTHS)
    rec = search(problem)
    assert not rec.meets_sla
    assert rec.relaxations
    for item in rec.relaxations:
        for scale, holds in ((1 + 1e-9, True), (1 - 1e-6, False)):
            slack = replace(problem.request.slo, **{item.bound: item.needed_s * scale})
            again = search(replace(problem, request=replace(problem.request, slo=slack)))
            assert (again.expected_best.meets_sla) == holds


def test_bounds_that_no_single_one_saves_are_relaxed_together(problem_of):
    rec = search(problem_of(slo={"ttft_s": 0.001, "itl_s": 0.001}, **LENGTHS))
    assert rec.relaxations == ()
    assert "TTFT to" in explanation(rec)[1]
    assert "and ITL to" in explanation(rec)[1]


def test_large_misses_are_said_in_times_not_percent(problem_of):
    rec = search(problem_of(slo={"ttft_s": 1e-5}, **LENGTHS))
    assert "times)" in explanation(rec)[1]
    assert "%" not in explanation(rec)[1]


def test_a_safer_choice_says_what_it_gave_up(problem_of):
    question = {"gpus": 32, "backend": "trtllm", "slo": {"itl_s": 0.03, "ttft_s": 2.0}}
    rec = search(problem_of("Qwen/Qwen3-32B-FP8", **question))
    chosen, expected = rec.selected.estimate, rec.expected_best.estimate
    assert expected.output_tokens_per_s > chosen.output_tokens_per_s
    assert expected.sla_probability < chosen.sla_probability
    assert f"meets the SLA with {expected.sla_probability:.0%} only" in explanation(rec)[1]


def test_both_phases_name_their_costliest_operator(problem_of):
    assert set(search(problem_of(**LENGTHS)).bottlenecks) == {"prefill", "decode"}
    assert set(search(problem_of(modes=("agg",), isl_tokens=100, osl_tokens=1)).bottlenecks) == {"prefill"}


@pytest.mark.parametrize("mode", ["agg", "disagg"])
@pytest.mark.parametrize(
    "lengths", [{"isl_tokens": 8000, "osl_tokens": 50}, {"isl_tokens": 200, "osl_tokens": 800}]
)
def test_the_bottleneck_is_the_costliest_of_its_phase(problem_of, mode, lengths):
    """Separate pools have plans of their own: the pool that prefills says what is costliest there."""
    problem = problem_of(
        "meta-llama/Llama-3.3-70B-Instruct", modes=(mode,), gpus=16, concurrency=64, **lengths
    )
    rec = search(problem)
    phase, _, costliest = rec.selected.estimate.bottleneck.partition(": ")
    assert rec.bottlenecks[phase] == costliest
    assert deployment_candidate(problem, rec.selected.deployment).estimate.bottleneck.startswith(phase)
