"""`simkit experiment` as a person uses it."""

import json
import signal

import pandas as pd
import pytest

ACTIONS = ("new", "schema", "validate", "run", "resume", "status", "list", "export-data")


def test_from_a_new_file_to_a_dataset(tmp_path, simkit):
    file, folder = tmp_path / "mine.yaml", tmp_path / "run"
    assert simkit("experiment", "new", file).status == 0
    assert "80 points" in simkit("experiment", "validate", file).out
    dry = json.loads(simkit("experiment", "run", file, "--dry-run", "--format", "json").out)
    assert dry["points"] == 80
    assert dry["seconds"] > 0
    assert dry["bytes"] > 1000
    assert not folder.exists()
    run = simkit("experiment", "run", file, "-o", folder, "--format", "json")
    assert run.status == 0
    status = json.loads(run.out)
    assert (status["points"], status["finished"], status["missing"], status["running"]) == (80, 80, 0, False)
    assert "| gpu | backend | plan |" in (folder / "summary.md").read_text()
    assert simkit("experiment", "resume", folder).status == 0
    listed = json.loads(simkit("experiment", "list", tmp_path, "--format", "json").out)
    assert {item["kind"] for item in listed} == {"run", "experiment"}
    for name in ("all.csv", "all.parquet"):
        assert simkit("experiment", "export-data", folder, "-o", tmp_path / name).status == 0
    csv, parquet = pd.read_csv(tmp_path / "all.csv"), pd.read_parquet(tmp_path / "all.parquet")
    assert len(csv) == len(parquet) == 80
    assert parquet["point"].is_monotonic_increasing


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_own_status(tmp_path, simkit, monkeypatch, number, status):
    from simkit.experiments.work import workers

    def interrupted(task, block):
        if number is signal.SIGINT:  # which is the runner's own here
            raise KeyboardInterrupt
        signal.raise_signal(number)

    monkeypatch.setattr(workers, "result", interrupted)
    simkit("experiment", "new", tmp_path / "a.yaml")
    found = simkit("experiment", "run", tmp_path / "a.yaml", "-o", tmp_path / "run")
    assert found.status == status
    assert "interrupted; what is finished is kept" in found.err
    assert not (tmp_path / "run" / "lock").exists()


def test_a_new_file_replaces_none(tmp_path, simkit):
    simkit("experiment", "new", tmp_path / "a.yaml")
    assert simkit("experiment", "new", tmp_path / "a.yaml").status == 2


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_a_help_page_with_an_example(simkit, action):
    run = simkit("experiment", action, "-h")
    assert run.status == 0
    assert f"simkit experiment {action}" in run.out
    assert "Example: simkit experiment" in run.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "unknown action 'rnu'; did you mean run"),
        (["run", "none.yaml"], "none.yaml: cannot be read"),
        (["status", "nowhere"], "nowhere: no run is here; start one with simkit experiment run FILE -o DIR"),
        (["resume", "nowhere"], "no run is here"),
        (["list", "nowhere"], "no such folder"),
        (["export-data", "nowhere", "-o", "x.csv"], "no run is here"),
    ],
)
def test_bad_input_is_one_line(simkit, words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = simkit("experiment", *words)
    assert run.status == 2
    assert told in run.err
    assert run.err.count("\n") == 1


def test_a_run_needs_a_folder(tmp_path, simkit):
    simkit("experiment", "new", tmp_path / "a.yaml")
    run = simkit("experiment", "run", tmp_path / "a.yaml")
    assert (run.status, "add -o DIR" in run.err) == (2, True)
