"""Recorded runs of a real engine: step times from some loads, the others predicted, again and again."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from real_engine.cases import CASES, engine  # noqa: E402
from real_engine.study import FITTERS, by_case, fit, measured, predicted, records  # noqa: E402

from simkit.closed_form.linear_steps import linear_loop  # noqa: E402
from simkit.core.workload import Lengths  # noqa: E402

ALLOWED = 0.15
HELD_OUT = [case for case in CASES if not case.fitted]
SAME_LENGTH = [case for case in HELD_OUT if case.isl == 128]


@pytest.fixture(scope="module")
def found():
    """Every recorded pass."""
    return records()


@pytest.fixture(scope="module")
def steps(found):
    """Step times by method, from the fitted loads alone."""
    fitted = [record for record in found if record.case.fitted]
    return {by: fit(fitted, by) for by in FITTERS}


def test_every_load_was_measured_five_times_without_a_failure(found):
    assert {case: len(passes) for case, passes in by_case(found).items()} == dict.fromkeys(CASES, 5)
    for record in found:
        assert (record.run.num_requests, record.run.num_errors) == (record.case.requests, 0)
        assert record.run.osl_tokens == 48
        assert record.run.server.itl_s > 0


def error(steps, passes, by, name):
    """predicted/measured - 1 of the mean over repeats."""
    got = np.mean([measured(record.run)[name] for record in passes])
    return predicted(steps, passes[0].run, by)[name] / got - 1.0


@pytest.mark.parametrize("case", HELD_OUT, ids=[case.name for case in HELD_OUT])
def test_the_simulation_predicts_loads_that_were_not_fitted(found, steps, case):
    for name in ("itl", "throughput"):
        assert abs(error(steps["simulation"], by_case(found)[case], "simulation", name)) < ALLOWED, name


@pytest.mark.parametrize("case", SAME_LENGTH, ids=[case.name for case in SAME_LENGTH])
def test_the_closed_form_predicts_other_concurrencies(found, steps, case):
    for name in ("itl", "throughput"):
        assert abs(error(steps["closed form"], by_case(found)[case], "closed form", name)) < ALLOWED, name


def test_where_prompts_crowd_out_decoding_the_closed_form_says_so_itself(found, steps):
    (case,) = (case for case in HELD_OUT if case.isl == 384)
    run = by_case(found)[case][0].run
    lengths = Lengths(isl_tokens=np.array([run.isl_tokens]), osl_tokens=np.array([run.osl_tokens]))
    loop = linear_loop(steps["closed form"], engine(), (lengths, np.array([run.concurrency])))
    assert loop.doubtful[0, 0]
    assert loop.prefill_share[0, 0] > 0.4


def test_one_repeat_is_nearly_always_enough(found):
    """One run under heavy foreign load is not: four of five repeats predict every held-out load."""
    worst = []
    for seed in range(1, 6):
        one = fit([record for record in found if record.seed == seed], "simulation")
        worst.append(max(abs(error(one, by_case(found)[case], "simulation", "itl")) for case in HELD_OUT))
    assert sorted(worst)[3] < ALLOWED


def test_a_wrong_engine_would_be_found_out(found, steps):
    """The same check fails where sequences and their caches cost nothing."""
    flat = replace(steps["simulation"], seq_s=0.0, key_s=0.0)
    off = [error(flat, by_case(found)[case], "simulation", "itl") for case in HELD_OUT]
    assert max(map(abs, off)) > ALLOWED
