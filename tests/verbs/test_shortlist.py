"""Candidates simulated after the closed form: best first, within a budget, kept when interrupted."""

from dataclasses import replace

import pytest

import simkit
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.core.errors import InputError
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.search.search import search
from simkit.verbs import shortlist
from simkit.verbs.shortlist import FinalistOptions, Stages, Watch, recommend_in_stages, with_finalists
from simkit.verbs.shortlist_run import simulated_candidate


def problem_of(*, concurrency=None, rate=None, modes=("agg",), slo=None, isl=2000, osl=200, backend="sglang"):
    request = Request(
        model="Qwen/Qwen3-32B-FP8",
        backend=backend,
        hardware=Hardware(gpu="h200_sxm", total_gpus=4),
        workload=Workload(isl_tokens=isl, osl_tokens=osl, concurrency=concurrency, request_rate_per_s=rate),
        slo=slo or Slo(ttft_s=2.0, itl_s=0.03),
        modes=modes,
    )
    return build_problem(request, SearchOptions(limit=4))


class Clock:
    """Seconds that pass only when something is simulated."""

    def __init__(self):
        self.now_s = 0.0

    def watch(self, budget_s):
        return Watch(budget_s=budget_s, clock=lambda: self.now_s, started_s=0.0)

    def simulate(self, problem, candidate, seed):
        self.now_s += 10.0
        return simulated_candidate(problem, candidate, seed)


def test_a_steady_loop_is_not_taken_for_its_opening_burst():
    """Equal requests sent at once would stay in step: TTFT of the burst, eight times the closed form's."""
    problem = problem_of(concurrency=40, isl=4000, osl=1000)
    item = search(problem).selected
    found = simulated_candidate(problem, item, 0).candidate
    assert found.simulated.ttft.mean_s < 2.0 * item.estimate.ttft.mean_s
    assert found.simulated.itl.mean_s == pytest.approx(item.estimate.itl.mean_s, rel=0.1)
    assert found.simulated.request_rate_per_s == pytest.approx(item.estimate.request_rate_per_s, rel=0.1)


def test_figures_hang_together():
    problem = problem_of(concurrency=24)
    found = simulated_candidate(problem, search(problem).selected, 0).candidate.simulated
    assert found.concurrency == 24
    assert found.request_rate_per_s * found.e2e.mean_s == pytest.approx(24)  # Little's law
    assert found.output_tokens_per_s == pytest.approx(200 * found.request_rate_per_s)
    assert found.e2e.mean_s == pytest.approx(found.ttft.mean_s + 199 * found.itl.mean_s)
    assert found.goodput_per_s == pytest.approx(found.good_frac * found.request_rate_per_s)
    for spread in (found.ttft, found.itl, found.e2e):
        assert spread.p50_s <= spread.p90_s <= spread.p99_s


def test_an_offered_rate_comes_out_again():
    problem = problem_of(rate=2.0)
    found = simulated_candidate(problem, search(problem).selected, 0).candidate.simulated
    assert found.request_rate_per_s == pytest.approx(2.0, rel=0.1)


def test_without_a_load_each_is_simulated_at_its_own_concurrency():
    problem = problem_of()
    answer = with_finalists(problem, search(problem), FinalistOptions(count=2), Watch())
    done = [item for item in answer.candidates if item.simulated]
    assert len(done) == 2
    for item in done:
        assert item.simulated.concurrency == round(item.estimate.concurrency)


def test_the_seed_decides():
    problem = problem_of(concurrency=24)
    item = search(problem).selected
    one, same, other = (simulated_candidate(problem, item, seed).candidate.simulated for seed in (1, 1, 2))
    assert one == same
    assert one.ttft != other.ttft


def test_a_pick_that_misses_as_simulated_gives_way_and_the_words_say_why(monkeypatch):
    problem = problem_of(concurrency=24)
    before = search(problem)

    def first_misses(problem, candidate, seed):
        found = simulated_candidate(problem, candidate, seed)
        if candidate.deployment != before.selected.deployment:
            return found
        late = replace(found.candidate.simulated.ttft, mean_s=2.6)
        seen = replace(found.candidate.simulated, ttft=late, violation=1.3, doubtful=True)
        return replace(found, candidate=replace(candidate, simulated=seen, meets_sla=False))

    monkeypatch.setattr(shortlist, "simulated_candidate", first_misses)
    answer = with_finalists(problem, before, FinalistOptions(count=1), Watch())
    assert answer.finalists.simulated == 2  # one was asked for; it missed, and the next might hold
    assert answer.selected.deployment == before.candidates[1].deployment
    assert answer.selected.simulated.meets_sla
    assert answer.meets_sla
    assert any("misses TTFT, 2,600 ms against 2,000 ms" in line for line in answer.explanation)
    assert any("closed form is doubtful" in line for line in answer.explanation)
    assert set(answer.bottlenecks) == {"prefill", "decode"}
    assert answer.candidates[-1].deployment == before.selected.deployment


def test_where_nothing_holds_as_simulated_the_answer_misses_the_sla(monkeypatch):
    problem = problem_of(concurrency=24)

    def misses(problem, candidate, seed):
        found = simulated_candidate(problem, candidate, seed)
        late = replace(found.candidate.simulated.ttft, mean_s=2.6)
        seen = replace(found.candidate.simulated, ttft=late, violation=1.3)
        return replace(found, candidate=replace(candidate, simulated=seen, meets_sla=False))

    monkeypatch.setattr(shortlist, "simulated_candidate", misses)
    answer = with_finalists(problem, search(problem), FinalistOptions(count=1), Watch())
    assert not answer.meets_sla
    assert answer.finalists.simulated == sum(item.meets_sla for item in search(problem).candidates)
    assert "relax TTFT to 2,600 ms" in answer.explanation[1]


def test_the_budget_ends_it_and_the_answer_says_how_many(monkeypatch):
    clock, problem = Clock(), problem_of(concurrency=24)
    monkeypatch.setattr(shortlist, "simulated_candidate", clock.simulate)
    answer = with_finalists(problem, search(problem), FinalistOptions(), clock.watch(25.0))
    listed = len(answer.candidates)
    assert listed > 2
    assert (answer.finalists.asked, answer.finalists.simulated) == (listed, 2)  # a third: until 30 s
    assert answer.finalists.stopped == "time budget"
    assert any(
        f"2 of {listed} finalists simulated" in line and "time budget" in line for line in answer.explanation
    )


def test_an_interrupt_keeps_what_is_there(monkeypatch):
    problem, done = problem_of(concurrency=24), []

    def interrupted(problem, candidate, seed):
        if done:
            raise KeyboardInterrupt
        done.append(candidate)
        return simulated_candidate(problem, candidate, seed)

    monkeypatch.setattr(shortlist, "simulated_candidate", interrupted)
    saved = []
    answer = recommend_in_stages(problem, FinalistOptions(), Watch(), Stages(save=saved.append))
    assert (answer.finalists.simulated, answer.finalists.stopped) == (1, "interrupted")
    assert sum(bool(item.simulated) for item in answer.candidates) == 1
    (first,) = saved  # the closed form, before anything was simulated
    assert first.finalists is None
    assert len(first.candidates) == len(answer.candidates)


def test_from_python():
    problem = problem_of(concurrency=24)
    answer = simkit.recommend(problem.request, SearchOptions(limit=4), finalists=1, seed=3)
    assert (answer.finalists.simulated, answer.finalists.seed) == (1, 3)
    assert answer.versions["simkit"]


def test_engines_for_which_no_time_is_left_are_named():
    problem = problem_of(concurrency=24, backend="auto")
    late = Watch(budget_s=1.0, clock=lambda: 2.0, started_s=0.0)
    answer = recommend_in_stages(problem, None, late, Stages())
    assert {item.deployment.backend for item in answer.candidates} == {problem.engines[0].engine.backend}
    (warning,) = [text for text in answer.request.warnings if "--time-budget" in text]
    for model in problem.engines[1:]:
        assert model.engine.backend in warning


@pytest.mark.parametrize("budget_s", [0.0, -1.0, float("nan")])
def test_a_budget_is_a_positive_time(budget_s):
    with pytest.raises(InputError, match="--time-budget"):
        Watch(budget_s=budget_s)
