"""`simkit fit --own`, `--calibration` and `simkit next-runs` as commands."""

import json

import pandas as pd
import pytest

ASKED = (
    "--model", "Qwen/Qwen3-32B", "--backend", "vllm", "--gpu", "h100_sxm", "--total-gpus", "8",
    "--isl", "2000", "--osl", "500", "--concurrency", "8",
)  # fmt: skip


@pytest.fixture
def mine(runs_csv, tmp_path):
    path = tmp_path / "mine.csv"
    pd.read_csv(runs_csv, low_memory=False).iloc[:8].to_csv(path, index=False)
    return path


def test_fit_then_use(simkit, mine, tmp_path):
    own, plain, sharp = (tmp_path / name for name in ("own.json", "plain.csv", "sharp.csv"))
    assert simkit("fit", "--own", mine, "-o", own).status == 0
    assert simkit("predict", mine, "-o", plain, "--quiet").status == 0
    assert simkit("predict", mine, "-o", sharp, "--calibration", own, "--quiet").status == 0
    measured = pd.read_csv(mine)["itl_ms_mean"]
    errors = [
        (pd.read_csv(path)["predicted_itl_ms_mean"] / measured - 1).abs().median() for path in (plain, sharp)
    ]
    assert errors[1] < 0.5 * errors[0]  # the very runs it was fitted on
    done = simkit("estimate", *ASKED, "--worker", "tp2", "--calibration", own, "--format", "json")
    assert json.loads(done.out)["itl_ms"]["mean"] > 0


def test_next_runs_names_deployments_loads_and_commands(simkit):
    done = simkit("next-runs", *ASKED, "--count", "2", "--format", "json")
    assert done.status == 0
    document = json.loads(done.out)
    assert len(document["next"]) == 2
    assert document["next"][1]["doubt_left"] < document["next"][0]["doubt_left"] < document["doubt"]
    assert document["next"][0]["command"][:2] == ["aiperf", "profile"]
    assert "Measure next" in simkit("next-runs", *ASKED, "--count", "2").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit",), "--own"),
        (("fit", "--own", "absent.csv"), "no such file"),
        (("fit", "--own", "a", "--operators", "."), "give it alone"),
        (("next-runs", *ASKED, "--calibration", "absent.json"), "cannot be read"),
        (("next-runs", *ASKED[:-2], "--request-rate", "500"), "serves this load"),
    ],
)
def test_bad_input_is_one_line_and_status_2(simkit, words, said):
    done = simkit(*words)
    assert done.status == 2
    assert said in done.err
    assert done.err.count("\n") == 1
