"""What is deployed to find out, and who has won."""

from dataclasses import replace

import pytest

from simkit.closed_form.user_calibration import observation, sharpened
from simkit.compare.measurement_plan import engine_name, engine_trials, layout_name, loaded, whole_trials
from simkit.compare.verdicts import (
    Figures,
    Judge,
    hoped_figures,
    mean_factor,
    measured_figures,
    predicted_figures,
    with_factors,
)
from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.core.slo import Slo
from simkit.core.user_calibration import calibration_of
from simkit.search.search import search

SOURCE = Source(tool="t", path="p")


@pytest.fixture(scope="module")
def asked(problem_of):
    problem = problem_of(
        "Qwen/Qwen3-8B", gpus=4, concurrency=16, isl_tokens=1000, osl_tokens=200, options={"limit": 40},
        slo={"ttft_s": 1.0, "itl_s": 0.05},
    )  # fmt: skip
    return problem, search(problem).candidates


def figures(ttft=0.1, itl=0.01, tokens=1000.0, gpus=1, e2e=1.0, good=None):
    means = {("ttft_s", "mean"): ttft, ("itl_s", "mean"): itl, ("e2e_s", "mean"): e2e}
    return Figures(bounded_s=means, output_tokens_per_s=tokens, num_gpus=gpus, goodput_per_s=good)


def test_every_layout_is_a_trial_once_and_its_name_may_be_a_files(asked):
    problem, candidates = asked
    trials = whole_trials(problem, [*candidates, *candidates])
    names = [trial.name for trial in trials]
    assert len(names) == len(set(names)) == len({layout_name(c.deployment) for c in candidates})
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)
    assert all(trial.points[0].workload.concurrency == 16 for trial in trials)


def test_a_workload_without_a_load_takes_the_candidates(asked):
    problem, candidates = asked
    free = replace(problem.request.workload, concurrency=None)
    assert loaded(free, candidates[0]).concurrency == round(candidates[0].estimate.concurrency)
    rate = replace(free, request_rate_per_s=2.0)
    assert loaded(rate, candidates[0]) == rate


def test_engines_are_measured_alone_in_their_role(asked):
    problem, candidates = asked
    prefill = engine_trials(problem, candidates, "prefill")
    decode = engine_trials(problem, candidates, "decode")
    assert prefill
    assert decode
    for trial in (*prefill, *decode):
        worker = trial.candidate.deployment.worker
        assert worker.replicas == 1
        assert worker.engine.prefix_caching == (trial.kind == "decode")
    assert [point.workload.isl_tokens for point in prefill[0].points] == [500, 1000, 2000]
    assert {point.primed for point in prefill[0].points} == {False}
    points = decode[0].points
    assert {point.primed for point in points} == {True}
    assert all(point.requests == point.workload.concurrency for point in points)
    # A longer context and more requests in flight make a step longer.
    assert points[-1].predicted["itl"] > points[0].predicted["itl"]
    assert list(prefill[0].points[0].predicted) == ["ttft"]


def test_aggregated_candidates_have_no_engines_to_measure_alone(asked):
    problem, candidates = asked
    together = [item for item in candidates if item.deployment.mode == "agg"]
    assert engine_trials(problem, together, "prefill") == ()


def test_a_factor_is_a_geometric_mean_and_scales_what_it_belongs_to(asked):
    problem, candidates = asked
    assert mean_factor([(1.0, 2.0), (1.0, 8.0)]) == pytest.approx(4.0)
    assert mean_factor([]) is None
    apart = next(item for item in candidates if item.deployment.mode == "disagg")
    names = {
        engine_name("prefill", apart.deployment.prefill.plan, "vllm"): 2.0,
        engine_name("decode", apart.deployment.decode.plan, "vllm"): 0.5,
    }
    after = with_factors(apart, problem.request.slo, names).estimate
    assert after.ttft.mean_s == pytest.approx(2.0 * apart.estimate.ttft.mean_s)
    assert after.itl.hi_s == pytest.approx(0.5 * apart.estimate.itl.hi_s)
    assert after.e2e.mean_s == pytest.approx(after.ttft.mean_s + 199 * after.itl.mean_s)
    assert after.output_tokens_per_s > apart.estimate.output_tokens_per_s
    together = next(item for item in candidates if item.deployment.mode == "agg")
    assert with_factors(together, Slo(), names) is together


def test_the_sla_comes_first_then_the_objective():
    slo = Slo(ttft_s=0.2)
    fewest = Judge(slo=slo, objective="fewest_gpus")
    order = [
        figures(gpus=1),
        figures(gpus=2, tokens=9000),
        figures(gpus=2),
        figures(ttft=0.3),
        figures(ttft=0.9),
    ]
    assert sorted([order[index] for index in (3, 0, 4, 2, 1)], key=fewest.key) == order
    through = Judge(slo=slo, objective="throughput")
    assert through.key(figures(gpus=2, tokens=4000)) < through.key(figures(gpus=1, tokens=1000))
    latency = Judge(slo=slo, objective="latency")
    assert latency.key(figures(e2e=0.5, gpus=8)) < latency.key(figures(e2e=1.0))


@pytest.mark.parametrize(
    ("objective", "best", "said"),
    [
        ("fewest_gpus", figures(gpus=1), "were measured to be enough"),
        ("throughput", figures(tokens=1e9), "tokens/s per GPU"),
        ("latency", figures(e2e=1e-6), "end to end"),
        ("goodput", figures(good=1e9), "good requests/s"),
    ],
)
def test_what_cannot_win_any_more_is_told_why(asked, objective, best, said):
    judge = Judge(slo=Slo(), objective=objective)
    widest = max(asked[1], key=lambda item: item.deployment.num_gpus)
    assert said in judge.hopeless(widest, best)
    assert judge.hopeless(widest, None) == ""
    assert judge.hopeless(asked[1][0], figures(ttft=9e9, itl=9e9, e2e=9e9, tokens=1e-9, gpus=9999)) == ""


def test_a_candidate_that_misses_the_sla_at_its_best_is_hopeless_only_against_one_that_holds(asked):
    hard = Judge(slo=Slo(itl_s=1e-9), objective="throughput")
    holds = figures(itl=1e-10)
    assert "misses the SLA" in hard.hopeless(asked[1][0], holds)
    assert hard.hopeless(asked[1][0], figures(itl=1e9)) == ""


def test_hopes_are_the_good_ends(asked):
    candidate = asked[1][0]
    hoped, expected = hoped_figures(candidate), predicted_figures(candidate)
    mean = ("ttft_s", "mean")
    assert hoped.bounded_s[mean] == pytest.approx(candidate.estimate.ttft.lo_s)
    assert hoped.bounded_s[mean] < expected.bounded_s[mean]
    assert hoped.output_tokens_per_s > expected.output_tokens_per_s


def run_of(candidate, factor):
    estimate = candidate.estimate
    return Run(
        source=SOURCE, isl_tokens=1000, osl_tokens=200, concurrency=16, output_tokens_per_s=100.0,
        ttft=MeasuredSpread(mean_s=estimate.ttft.mean_s * factor),
        itl=MeasuredSpread(mean_s=estimate.itl.mean_s * factor),
        e2e=MeasuredSpread(mean_s=estimate.e2e.mean_s * factor),
    )  # fmt: skip


def test_own_runs_move_and_narrow_predictions_of_the_rest(asked):
    problem, candidates = asked
    workload, slo = problem.request.workload, problem.request.slo
    own = calibration_of([observation(workload, item, run_of(item, 1.3)) for item in candidates[:3]])
    before, after = candidates[3], sharpened(candidates[3], workload, slo, own)
    for metric in ("ttft", "itl"):
        old, new = getattr(before.estimate, metric), getattr(after.estimate, metric)
        assert old.mean_s < new.mean_s <= 1.3 * old.mean_s * 1.001
        assert new.lo_s < new.mean_s < new.hi_s
    assert (
        after.estimate.itl.hi_s / after.estimate.itl.lo_s
        < before.estimate.itl.hi_s / before.estimate.itl.lo_s
    )
    assert after.estimate.output_tokens_per_s < before.estimate.output_tokens_per_s
    assert 0 <= after.estimate.sla_probability <= 1


def test_a_run_without_latencies_calibrates_nothing(asked):
    problem, candidates = asked
    empty = replace(run_of(candidates[0], 1.0), ttft=MeasuredSpread(), itl=MeasuredSpread())
    with pytest.raises(InputError, match="neither TTFT nor ITL"):
        observation(problem.request.workload, candidates[0], empty)
    with pytest.raises(InputError, match="no runs"):
        calibration_of([])
    assert measured_figures(empty, 1) is None
