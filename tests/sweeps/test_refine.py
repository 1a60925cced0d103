"""Refinement: the same answer from fewer points, in the same rounds after any stop."""

import numpy as np
import pandas as pd
import pytest
from small_sweep import completed

from simkit.core.errors import InputError
from simkit.experiments.document import parse_experiment, refined
from simkit.experiments.runner import missing_points, run
from simkit.experiments.selection import selected
from simkit.experiments.store import RunFolder, read_dataset
from simkit.experiments.summary import summary_table
from simkit.experiments.work.budget import RunBudget
from simkit.experiments.work.workers import Workers

FINE = """\
question: Which plan of a small model holds the bounds at the highest output?
axes:
  model: Qwen/Qwen3-8B
  gpu: h200_sxm
  backend: vllm
  plan: [tp1, tp2, tp4]
  isl_tokens: 1000
  osl_tokens: 200
  concurrency: {start: 1, stop: 1000, step: 1}
sla: {ttft_ms: 500, itl_ms: 12}
report: {by: [plan], best: output_tokens_per_s_per_gpu, where: meets_sla, show: [concurrency]}
"""
AXES = ["predicted_tokens_per_s_per_user", "predicted_output_tokens_per_s_per_gpu"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return read_dataset(completed(tmp_path_factory.mktemp("runs") / "whole", FINE))


@pytest.fixture(scope="module")
def fewer(tmp_path_factory):
    return read_dataset(completed(tmp_path_factory.mktemp("runs") / "fewer", FINE + "refine: {}\n"))


def test_the_front_is_within_a_percent_from_a_fifth_of_the_points(whole, fewer):
    assert len(whole) == 3000
    assert len(fewer) <= 0.2 * len(whole)
    front, ours = (selected(frame, "predict", "pareto")[AXES].to_numpy() for frame in (whole, fewer))
    worst = max(np.min(np.max(point / ours, axis=1)) for point in front)
    assert worst <= 1.01


def test_the_table_is_within_a_percent(whole, fewer):
    experiment = parse_experiment(FINE, "x")
    all_, few = (summary_table(experiment, frame).set_index("plan")[AXES[1]] for frame in (whole, fewer))
    assert (few.loc[all_.index] / all_).between(0.99, 1.0 + 1e-9).all()


def test_rounds_go_on_where_a_budget_stopped_them(tmp_path, fewer):
    asked, folder = refined(parse_experiment(FINE, "x")), RunFolder(path=tmp_path / "run")
    stops = 0
    while True:
        step = list(run(asked, folder, ["test"], Workers(budget=RunBudget(points=100))))[-1]
        if not step.stopped:
            break
        stops += 1
        assert missing_points(asked, folder) > 0
    assert stops >= 2
    assert missing_points(asked, folder) == 0
    again = read_dataset(folder).sort_values("point", ignore_index=True)
    pd.testing.assert_frame_equal(again, fewer.sort_values("point", ignore_index=True))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("refine: {by: [gpuu]}", "refine.by.gpuu: unknown key; did you mean gpu"),
        ("refine: {within: 2}", "refine.within: "),
        ("refine: {front: false}", "refine.front: nothing is left to look for"),
    ],
)
def test_a_rule_that_asks_for_nothing_is_refused(rule, told):
    text = FINE.replace("report: {", "# ") + rule
    with pytest.raises(InputError, match=told):
        parse_experiment(text, "x")
