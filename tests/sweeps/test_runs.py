"""Runs: any kill is survived, two runners are safe, and what stands behind a dataset is in it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_sweep import SMALL, completed

from simkit.core.errors import ExternalError, InputError
from simkit.experiments import runner
from simkit.experiments.document import parse_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import LOCK, RunFolder, is_running, locked, part_files, read_dataset
from simkit.experiments.work.workers import Workers
from simkit.io.locks import holder

ROOT = Path(__file__).resolve().parents[2]
# Small blocks and a pause after each, so that there is something to kill
SLOW = """
import sys, time
from pathlib import Path
from simkit.experiments import document, points, runner
from simkit.experiments.store import RunFolder
document.BLOCK_POINTS = {"predict": 3}
asked = document.parse_experiment(Path(sys.argv[1]).read_text(), "small.yaml")
for step in runner.run(asked, RunFolder(path=Path(sys.argv[2])), ["test"]):
    print(step.passed, flush=True)
    time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def blocks_of_three(monkeypatch):
    from simkit.experiments import document

    monkeypatch.setattr(document, "BLOCK_POINTS", {"predict": 3})


def sorted_rows(folder):
    return read_dataset(folder).sort_values("point", ignore_index=True)


def started(tmp_path, pause):
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    words = [sys.executable, "-c", SLOW, str(file), str(tmp_path / "run"), str(pause)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1, 3, 7])
def test_a_run_killed_and_resumed_gives_the_same_table(lines, tmp_path, small_run, blocks_of_three):
    process = started(tmp_path, 0.05)
    for _ in range(lines):
        process.stdout.readline()
    if lines == 0:
        time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    folder = RunFolder(path=tmp_path / "run")
    kept = {path.name: path.read_bytes() for path in part_files(folder)} if lines else {}
    assert lines <= len(kept) < 16
    steps = list(run(parse_experiment(SMALL, "small.yaml"), folder, ["test"]))
    assert (steps[-1].passed, steps[-1].kept) == (48, 3 * len(kept) if lines else steps[-1].kept)
    assert all((folder.parts / name).read_bytes() == content for name, content in kept.items())
    pd.testing.assert_frame_equal(sorted_rows(folder), sorted_rows(small_run))
    assert len(list(folder.parts.iterdir())) == 16


def test_a_part_that_was_being_written_is_made_again(tmp_path, small_run, blocks_of_three):
    folder = completed(tmp_path / "run")
    victim = part_files(folder)[4]
    content = victim.read_bytes()
    victim.unlink()
    (folder.parts / f".{victim.name}.99.partial").write_bytes(content[:100])
    assert len(read_dataset(folder)) == 45
    completed(folder.path)
    assert victim.read_bytes() == content
    assert not list(folder.parts.glob(".*"))


def test_two_runners_do_not_meet(tmp_path):
    process = started(tmp_path, 5.0)
    process.stdout.readline()
    folder = RunFolder(path=tmp_path / "run")
    try:
        assert is_running(folder)
        with pytest.raises(InputError, match=rf"another run is at work here .pid {process.pid} on"):
            completed(folder.path)
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert not is_running(folder)
    with locked(folder):  # what a killed runner left is no lock
        assert f"pid {os.getpid()}" in holder(folder.path / LOCK)


def test_another_experiment_is_not_mixed_in(tmp_path):
    completed(tmp_path / "run")
    with pytest.raises(InputError, match=r"was begun with another experiment.*run in a new folder"):
        completed(tmp_path / "run", SMALL.replace("isl_tokens: 1000", "isl_tokens: 500"))


def test_other_artifacts_are_not_mixed_in(tmp_path):
    folder = completed(tmp_path / "run")
    file = folder.path / "run.json"
    known = json.loads(file.read_text())
    known["artifacts"]["calibration"] = "0" * 16
    file.write_text(json.dumps(known))
    with pytest.raises(InputError, match="was begun with other artifacts"):
        completed(folder.path)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds something else than a run"):
        completed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_full_disk_keeps_what_is_finished(tmp_path, blocks_of_three, monkeypatch):
    def full(*args, **kwargs):
        if len(part_files(RunFolder(path=tmp_path / "run"))) == 4:
            raise OSError(28, "No space left on device")
        return write(*args, **kwargs)

    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(ExternalError, match=r"No space left.*experiment resume"):
        completed(tmp_path / "run")
    monkeypatch.undo()
    assert len(part_files(RunFolder(path=tmp_path / "run"))) == 4


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path, small_run, blocks_of_three):
    pytest.importorskip("joblib")
    folder = RunFolder(path=tmp_path / "run")
    steps = list(run(parse_experiment(SMALL, "small.yaml"), folder, ["test"], Workers(jobs=2)))
    assert steps[-1].passed == 48
    pd.testing.assert_frame_equal(sorted_rows(folder), sorted_rows(small_run))


def children():
    found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
    return {int(pid) for pid in found.stdout.split()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of loky itself
def test_a_worker_that_dies_is_said_and_finished_work_kept(tmp_path, blocks_of_three):
    loky = pytest.importorskip("joblib.externals.loky")
    loky.get_reusable_executor().shutdown(wait=True)  # workers of an earlier test would be used again
    folder, asked = RunFolder(path=tmp_path / "run"), parse_experiment(SMALL, "small.yaml")
    before = children()
    with pytest.raises(
        ExternalError, match=r"a worker died.*what is finished is kept: simkit experiment resume"
    ):
        for _ in run(asked, folder, ["test"], Workers(jobs=2)):
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)
    kept = len(part_files(folder))
    assert 1 <= kept < 16
    assert list(run(asked, folder, ["test"]))[-1].kept == 3 * kept


@pytest.mark.parametrize("place", ["/proc/nowhere", "/sys/nowhere"])
def test_a_folder_that_cannot_be_written_is_said(place):
    with pytest.raises(InputError, match=r"cannot be written .*give another folder"):
        completed(Path(place))


def test_provenance_goes_with_the_data(small_run):
    known = json.loads((small_run.path / "run.json").read_text())
    assert known["command"] == ["test"]
    stored = json.loads(pq.read_schema(part_files(small_run)[0]).metadata[b"simkit"])
    assert stored == {name: value for name, value in known.items() if name != "command"}
    assert set(stored) >= {"versions", "artifacts", "seed", "experiment_sha256", "question"}
    assert len(pd.read_parquet(small_run.parts)) == 48


@pytest.mark.slow
def test_simulated_points_follow_their_seed(tmp_path):
    text = SMALL.replace("axes:", "do: simulate\nrepeats: 2\nseed: 5\naxes:").replace(
        "[h100_sxm, h200_sxm]", "h100_sxm"
    )
    text = text.replace("[vllm, trtllm]", "vllm").replace("{start: 1, stop: 64, factor: 4}", "4")
    frame = sorted_rows(completed(tmp_path / "a", text))
    assert (frame["error"] == "").all()
    assert sorted(frame["seed"].unique()) == [5, 6]
    assert (frame["source"] == "simulated").all()
    again = sorted_rows(completed(tmp_path / "b", text))
    pd.testing.assert_frame_equal(frame, again)
    assert runner.count_points(parse_experiment(text, "x")) == len(frame) == 6


def test_a_search_at_every_point(tmp_path):
    text = SMALL.replace("axes:", "do: recommend\naxes:").replace(
        "  plan: [tp1, tp2, 1xtp1+1xtp1]\n", "  num_gpus: 2\n"
    )
    frame = read_dataset(completed(tmp_path / "run", text.replace("{start: 1, stop: 64, factor: 4}", "8")))
    assert (frame["error"] == "").all()
    assert frame["plan"].notna().all()
    assert (frame["predicted_num_gpus"] <= 2).all()
