"""Budgets: no block begins beyond a limit, and what was stopped goes on."""

import json

import pytest
from small_sweep import SMALL

from simkit.core.errors import InputError
from simkit.experiments.document import parse_experiment
from simkit.experiments.report import progress_words
from simkit.experiments.runner import Progress, run
from simkit.experiments.store import RunFolder
from simkit.experiments.work.budget import RunBudget, Spending
from simkit.experiments.work.workers import Workers


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_money_is_the_price_of_the_workers_times_the_time():
    clock = Clock()
    meter = Spending(budget=RunBudget(money=3.0, worker_hour_price=2.0), workers=4, clock=clock)
    clock.now = 900.0
    assert meter.money == 4 * 2.0 * 0.25 == 2.0
    assert meter.lets_begin(10)
    clock.now = 1350.0
    assert not meter.lets_begin(10)
    assert meter.stopped == "money"


def test_a_limit_once_reached_stays_so():
    clock = Clock()
    meter = Spending(budget=RunBudget(minutes=1.0, points=10), workers=1, clock=clock)
    assert meter.lets_begin(10)
    assert (meter.lets_begin(1), meter.stopped) == (False, "points")
    clock.now = 90.0
    assert (meter.lets_begin(1), meter.stopped) == (False, "points")


def test_flags_change_what_the_file_says():
    budget = parse_experiment(SMALL + "budget: {minutes: 5, points: 100}\n", "x").budget
    assert budget.changed(RunBudget(points=7)) == RunBudget(minutes=5.0, points=7)
    with pytest.raises(InputError, match=r"budget\.money: needs what a worker costs"):
        parse_experiment(SMALL + "budget: {money: 5}\n", "x")
    with pytest.raises(InputError, match="--worker-hour-price"):
        RunBudget(money=5.0)


def test_a_run_stops_and_goes_on(tmp_path, monkeypatch):
    from simkit.experiments import document

    monkeypatch.setattr(document, "BLOCK_POINTS", {"predict": 12})
    asked, folder = parse_experiment(SMALL, "x"), RunFolder(path=tmp_path / "run")
    first = list(run(asked, folder, ["test"], Workers(budget=RunBudget(points=13))))[-1]
    assert (first.passed, first.kept, first.stopped) == (24, 0, "points")
    last = list(run(asked, folder, ["test"]))[-1]
    assert (last.passed, last.kept, last.stopped) == (48, 24, "")


def test_the_command_says_what_stopped_it_and_status_says_the_same(tmp_path, simkit):
    file, folder = tmp_path / "a.yaml", tmp_path / "run"
    file.write_text(SMALL.replace("stop: 64, factor: 4", "stop: 400, step: 1"))
    run = simkit("experiment", "run", file, "-o", folder, "--max-points", 4096, "--format", "json")
    assert run.status == 0
    assert "the budget of points is spent, 704 are missing: simkit experiment resume" in run.err
    said = json.loads(run.out)
    assert (said["finished"], said["missing"], said["stopped_by"]) == (4096, 704, "points")
    status = json.loads(simkit("experiment", "status", folder, "--format", "json").out)
    assert {name: status[name] for name in status} == {name: said[name] for name in status}
    assert simkit("experiment", "run", file, "-o", folder, "--max-money", 5).status == 2
    assert json.loads(simkit("experiment", "resume", folder, "--format", "json").out)["missing"] == 0


def test_progress_has_rate_failures_and_time_left():
    step = Progress(passed=400, kept=100, failed=7, per_s=2.0, money=1.5)
    words = progress_words(step, 1000)
    assert words == "400 of 1,000 points, 2.0 a second, 7 without a result, 5 min left, 1.50 spent"
    assert progress_words(Progress(passed=4, kept=0, failed=0), None) == "4 points"
