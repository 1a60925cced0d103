"""One calibration on every verb that predicts, remembered by what was made with it."""

import json
import sys

import pandas as pd
import pytest
import yaml

from simkit.cli.main import main
from simkit.formats.user_calibration import read_own

DEPLOYED = (
    "--model", "Qwen/Qwen3-32B", "--backend", "vllm", "--gpu", "h100_sxm", "--isl", "2000", "--osl", "500",
)  # fmt: skip
ASKED = (*DEPLOYED, "--total-gpus", "2", "--concurrency", "32", "--mode", "agg")
BOUNDS = ("--ttft", "1500", "--itl", "35")


def called(*words) -> int:
    """The exit status of a command, for what all tests share."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(sys, "argv", ["simkit", *map(str, words)])
        main()
    return stopped.value.code


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with runs that took 1.4 and 1.3 times as long, their calibration, and what it recommends."""
    folder = tmp_path_factory.mktemp("home")
    loads = (4, 16, 32, 64)
    rows = pd.DataFrame({
        "run_id": [f"r{load}" for load in loads], "model": "Qwen/Qwen3-32B", "gpu": "h100_sxm",
        "backend": "vllm", "num_gpus": 2, "tp": 2, "isl_tokens": 2000, "osl_tokens": 500,
        "concurrency": loads,
    })  # fmt: skip
    rows.to_csv(folder / "asked.csv", index=False)
    assert called("predict", folder / "asked.csv", "-o", folder / "said.csv") == 0
    said = pd.read_csv(folder / "said.csv")
    rows["ttft_ms_mean"] = 1.4 * said["predicted_ttft_ms_mean"]
    rows["itl_ms_mean"] = 1.3 * said["predicted_itl_ms_mean"]
    rows.to_csv(folder / "mine.csv", index=False)
    assert called("fit", "--own", folder / "mine.csv", "-o", folder / "own.json") == 0
    words = (*ASKED, *BOUNDS, "--calibration", folder / "own.json", "-o", folder / "out")
    assert called("recommend", *words) == 0
    return folder


def itl(document) -> float:
    return document["itl_ms"]["mean"]


def asked(simkit, *words):
    found = simkit(*words, "--format", "json")
    assert found.status in (0, 1), found.err
    return json.loads(found.out)


def test_every_verb_says_what_the_calibrated_recommendation_said(simkit, home, tmp_path):
    said = json.loads((home / "out" / "recommendation.json").read_text())
    best, own = said["selected"], home / "own.json"
    assert said["request"]["own_calibration"]["runs"] == 4
    plain = asked(simkit, "estimate", home / "out", "--calibration", "none")
    assert itl(best) == pytest.approx(1.3 * itl(plain), rel=0.05)
    again = asked(simkit, "estimate", home / "out")
    assert itl(again) == pytest.approx(itl(best), rel=1e-5)
    assert any("corrected by 4 runs of your own" in note for note in again["notes"])
    flags = asked(simkit, "estimate", *ASKED, "--worker", "tp2", "--calibration", own)
    both = asked(simkit, "compare", home / "out" / "dgd.yaml", home / "out")
    figures = next(row for row in both["figures"] if row["metric"] == "itl_ms")
    assert figures["a"] == pytest.approx(figures["b"], rel=1e-4)
    table = home / "asked.csv"
    assert simkit("predict", table, "-o", tmp_path / "p.csv", "--calibration", own).status == 0
    rows = pd.read_csv(tmp_path / "p.csv")
    assert rows["predicted_itl_ms_mean"][2] == pytest.approx(itl(flags), rel=1e-4)


def test_an_evaluation_with_the_runs_themselves_finds_little_error(simkit, home):
    plain = asked(simkit, "evaluate", home / "mine.csv")["by"][0]["itl"]["mdape"]
    own = asked(simkit, "evaluate", home / "mine.csv", "--calibration", home / "own.json")
    assert plain == pytest.approx(1 - 1 / 1.3, rel=0.01)
    assert own["by"][0]["itl"]["mdape"] < 0.1 * plain


def test_a_simulation_is_slower_by_what_was_measured(simkit, home):
    alone = ("simulate", home / "out", "--concurrency", "1", "--requests", "20")
    own, plain = asked(simkit, *alone), asked(simkit, *alone, "--calibration", "none")
    estimate = asked(simkit, "estimate", home / "out", "--concurrency", "1")
    for name in ("time_to_first_token", "inter_token_latency"):
        assert own[name]["avg"] > 1.1 * plain[name]["avg"], name
    assert own["inter_token_latency"]["avg"] == pytest.approx(itl(estimate), rel=0.03)


EXPERIMENT = """\
question: How fast is a decode step under my own runs?
axes: {model: Qwen/Qwen3-32B, backend: vllm, gpu: h100_sxm, num_gpus: 2, tp: 2, isl_tokens: 2000,
  osl_tokens: 500, concurrency: [16, 32]}
"""


def test_a_sweep_keeps_its_calibration_in_its_folder(simkit, home, tmp_path):
    (tmp_path / "sweep.yaml").write_text(EXPERIMENT + f"calibration: {home / 'own.json'}\n")
    assert simkit("experiment", "run", tmp_path / "sweep.yaml", "-o", tmp_path / "run").status == 0
    assert simkit("experiment", "export-data", tmp_path / "run", "-o", tmp_path / "t.csv").status == 0
    found = pd.read_csv(tmp_path / "t.csv").set_index("concurrency")["predicted_itl_ms_mean"]
    measured = pd.read_csv(home / "mine.csv").set_index("concurrency")["itl_ms_mean"]
    assert found[32] == pytest.approx(measured[32], rel=0.01)
    assert simkit("export", tmp_path / "run", "--select", "best", "-o", tmp_path / "x").status in (0, 1)
    assert simkit("experiment", "resume", tmp_path / "run").status == 0
    (tmp_path / "plain.yaml").write_text(EXPERIMENT)
    other = simkit(
        "experiment", "run", tmp_path / "plain.yaml", "-o", tmp_path / "two", "--calibration",
        home / "own.json",
    )  # fmt: skip
    assert other.status == 0, other.err
    mixed = simkit("experiment", "run", tmp_path / "plain.yaml", "-o", tmp_path / "two")
    assert mixed.status == 2
    assert "other own_calibration" in mixed.err


@pytest.mark.parametrize("fate", ["changed", "gone"])
def test_a_calibration_that_changed_or_went_is_said(simkit, home, tmp_path, fate):
    documents = list(yaml.safe_load_all((home / "out" / "dgd.yaml").read_text()))
    asked_of = documents[-1]["metadata"]["annotations"]["simkit.io/asked"]
    assert f"--calibration ../own.json@{read_own(home / 'own.json').sha256}" in asked_of
    place = tmp_path / "deep" / "dgd.yaml"
    place.parent.mkdir()
    place.write_text(yaml.safe_dump_all(documents))
    if fate == "changed":
        (tmp_path / "own.json").write_text((home / "own.json").read_text() + "\n")
    for verb in ("estimate", "simulate"):
        found = simkit(verb, place, "--quiet")
        assert found.status == 2
        assert "--calibration" in found.err and found.err.count("\n") == 1
        assert ("holds other runs" if fate == "changed" else "is not there") in found.err
