"""A calibration from a user's runs gives back what they hold: nothing where they agree, else the factor."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from deployments import request_of, row_of
from routes import table_figures

from perfmodels.uncertainty.user_runs import ITL_PRIOR, TTFT_PRIOR
from simkit.calibrate.user_runs import own_calibration
from simkit.formats.user_calibration import read_own, write_own
from simkit.verbs.estimate import Layouts, estimate
from simkit.verbs.predict import predict_table

LOADS = (4.0, 16.0, 64.0, 256.0)
BETWEEN = 32.0  # a load that was not measured
NOTHING = 1e-6
FACTORS = {"ttft": 1.3, "itl": 0.8}
BETWEEN_LOADS = 0.05  # what a calibration may miss of these factors at a load between two measured ones
LEAST_DOUBT = 0.03  # the standard deviation of logs that a prediction of these families has at least
FAMILIES = [
    ("Qwen/Qwen3-32B", "h100_sxm", "vllm", {"worker": "1xtp2"}),
    ("Qwen/Qwen3-32B-FP8", "h200_sxm", "vllm", {"worker": "2xtp2"}),
    ("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm", {"worker": "1xtp4"}),
    ("openai/gpt-oss-120b", "b200_sxm", "trtllm", {"worker": "1xtp2"}),
    ("deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang", {"worker": "1xtp8"}),
    ("Qwen/Qwen3-Next-80B-A3B-Thinking", "h200_sxm", "sglang", {"worker": "1xtep4"}),
    ("Qwen/Qwen3-32B", "h200_sxm", "trtllm", {"prefill": "1xtp2", "decode": "1xtp4"}),
    ("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm", {"prefill": "1xtp2", "decode": "2xtp2"}),
]
EACH = pytest.mark.parametrize(
    "family", FAMILIES, ids=lambda one: f"{one[0].split('/')[1]}-{one[2]}-{len(one[3])}"
)


@cache
def asked(place: int, load: float):
    """The request of a family under a load, and its plain estimate."""
    model, gpu, backend, _ = FAMILIES[place]
    request = request_of(model, gpu, backend, isl_tokens=1024.0, osl_tokens=512.0, concurrency=load)
    return request, estimate(request, Layouts(**FAMILIES[place][3]))


def measured_rows(place: int, factors: dict[str, float]) -> list[dict]:
    """Runs that show the estimates times the factors, as a user would write them: no word on moe_tp."""
    rows = []
    for load in LOADS:
        request, said = asked(place, load)
        deployment = said.candidate.deployment
        row = row_of(request, deployment, deployment.precision)
        row |= {f"{name}_ms_mean": 1e3 * mean(said, name) * factor for name, factor in factors.items()}
        rows.append({name: value for name, value in row.items() if "moe_tp" not in name})
    return rows


def mean(said, name: str) -> float:
    return getattr(said.candidate.estimate, name).mean_s


def planted(folder, rows: list[dict]):
    """The calibration that `fit --own` writes, read back from its file."""
    pd.DataFrame(rows).to_csv(folder / "runs.csv", index=False)
    write_own(folder / "own.json", own_calibration([folder / "runs.csv"]))
    return read_own(folder / "own.json")


def moved(own, place: int, load: float) -> dict[str, float]:
    """By what the calibration multiplies an estimate."""
    request, said = asked(place, load)
    after = estimate(replace(request, own=own), Layouts(**FAMILIES[place][3]))
    return {name: mean(after, name) / mean(said, name) for name in FACTORS}


def missed(found: dict[str, float], factors: dict[str, float]) -> dict[str, float]:
    return {name: abs(found[name] / factors[name] - 1.0) for name in factors}


def shrinkage(name: str) -> float:
    """What the prior holds back of the factor at a point measured once: noise over all it thinks possible.

    One observation's mean is log(factor) * variance / (variance + noise^2); more observations add to it.
    """
    prior = {"ttft": TTFT_PRIOR, "itl": ITL_PRIOR}[name]
    variance = float(prior.variance(LEAST_DOUBT))
    kept = variance / (variance + prior.noise**2)
    return abs(np.expm1((kept - 1.0) * np.log(FACTORS[name])))


@EACH
def test_runs_that_hold_what_was_estimated_move_nothing(tmp_path, family):
    place, ones = FAMILIES.index(family), dict.fromkeys(FACTORS, 1.0)
    own = planted(tmp_path, measured_rows(place, ones))
    found = {load: moved(own, place, load) for load in (*LOADS, BETWEEN)}
    far = {load: each for load, each in found.items() if max(missed(each, ones).values()) > NOTHING}
    assert not far, f"{family}: estimates times, by load: {far}"


@EACH
def test_a_planted_factor_comes_back(tmp_path, family):
    place = FAMILIES.index(family)
    own = planted(tmp_path, measured_rows(place, FACTORS))
    far = {}
    for load in LOADS:
        found = moved(own, place, load)
        off = missed(found, FACTORS)
        far |= {f"{name} at {load:g}": found[name] for name in FACTORS if off[name] > shrinkage(name) + 1e-6}
    between = moved(own, place, BETWEEN)
    far |= {
        f"{name} at {BETWEEN:g}, between": between[name]
        for name, off in missed(between, FACTORS).items()
        if off > BETWEEN_LOADS
    }
    assert not far, f"{family}: expected {FACTORS}, found {far}"


def test_one_calibration_of_a_whole_cluster_gives_every_family_its_factor(tmp_path):
    rows = [row for place in range(len(FAMILIES)) for row in measured_rows(place, FACTORS)]
    own = planted(tmp_path, rows)
    far = {}
    for place, family in enumerate(FAMILIES):
        found = moved(own, place, 64.0)
        if max(off := missed(found, FACTORS).values()) > BETWEEN_LOADS:
            far[f"{family[0]} {family[2]}"] = (found, off)
    assert not far, far


def test_a_table_is_calibrated_as_an_estimate_is(tmp_path):
    """`predict --calibration` and `estimate --calibration` say the same, for every family at one load."""
    places = range(len(FAMILIES))
    own = planted(tmp_path, [row for place in places for row in measured_rows(place, FACTORS)])
    frame = pd.DataFrame([measured_rows(place, FACTORS)[2] for place in places])
    table = predict_table(frame, own=own)
    far = {}
    for place in places:
        request, _ = asked(place, LOADS[2])
        after = estimate(replace(request, own=own), Layouts(**FAMILIES[place][3])).candidate.estimate
        for name in FACTORS:
            for side in ("mean", "lo", "hi"):
                one = getattr(getattr(after, name), f"{side}_s")
                other = 1e-3 * table[f"predicted_{name}_ms_{side}"][place]
                if not abs(one - other) <= 1e-9 * one:
                    far[f"{FAMILIES[place][0]} {name} {side}"] = (one, other)
    assert not far, far


@EACH
def test_the_rows_a_user_writes_are_predicted_as_estimated(family):
    """What the two tests above rest on: the same question, in a table and in flags."""
    place = FAMILIES.index(family)
    found = table_figures(measured_rows(place, dict.fromkeys(FACTORS, 1.0)))
    said = [mean(asked(place, load)[1], "itl") for load in LOADS]
    assert [one["ITL"] for one in found] == pytest.approx(said, rel=1e-9), found[0]["error"]
