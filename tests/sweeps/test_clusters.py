"""Clusters: the same blocks handed to Dask and Ray workers give the same table."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from small_sweep import SMALL

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.document import parse_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder, part_files, read_dataset
from simkit.experiments.work import clusters
from simkit.experiments.work.workers import Workers

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def blocks_of_three(monkeypatch):
    from simkit.experiments import document

    monkeypatch.setattr(document, "BLOCK_POINTS", {"predict": 3})


def started(module, *words):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"distributed.cli.{module}", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)


def said(process, words):
    """Read what a process says until it says this."""
    line = next(line for line in process.stderr if words in line)
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return line


@pytest.fixture
def dask_cluster():
    """A scheduler and two workers, as processes of their own."""
    pytest.importorskip("distributed")
    scheduler = started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    workers = []
    try:
        place = re.search(r"tcp://(\S+)", said(scheduler, "Scheduler at:")).group(1)
        for _ in range(2):
            words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "10"]
            workers.append(started("dask_worker", f"tcp://{place}", *words))
        for worker in workers:
            said(worker, "Registered to:")
        yield scheduler, workers, f"dask://{place}"
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait(timeout=30)


def worked(folder, address):
    asked, place = parse_experiment(SMALL, "small.yaml"), RunFolder(path=folder)
    steps = list(run(asked, place, ["test"], Workers(cluster=address)))
    assert steps[-1].passed == 48
    return read_dataset(place).sort_values("point", ignore_index=True)


def test_two_dask_workers_give_what_one_process_gives(tmp_path, small_run, dask_cluster, blocks_of_three):
    frame = worked(tmp_path / "run", dask_cluster[2])
    pd.testing.assert_frame_equal(frame, read_dataset(small_run).sort_values("point", ignore_index=True))
    # parts are named by place and content: they are the very blocks that processes are handed
    again = worked(tmp_path / "run", dask_cluster[2])
    pd.testing.assert_frame_equal(frame, again)
    assert len(part_files(RunFolder(path=tmp_path / "run"))) == 16


@pytest.mark.parametrize("victims", ["scheduler", "workers"])
def test_a_cluster_that_goes_away_is_said_and_finished_work_kept(
    tmp_path, dask_cluster, blocks_of_three, monkeypatch, victims
):
    monkeypatch.setattr(clusters, "_LOOK_S", 0.5)
    monkeypatch.setattr(clusters, "_RESULT_S", 3)
    scheduler, workers, address = dask_cluster
    folder, asked = RunFolder(path=tmp_path / "run"), parse_experiment(SMALL, "small.yaml")
    with pytest.raises(
        ExternalError, match=r"went away .*what is finished is kept: simkit experiment resume"
    ):
        for number, _ in enumerate(run(asked, folder, ["test"], Workers(cluster=address))):
            if number == 1:
                for process in [scheduler] if victims == "scheduler" else workers:
                    process.kill()
    kept = len(part_files(folder))
    assert 2 <= kept < 16
    assert list(run(asked, folder, ["test"]))[-1].kept == 3 * kept


def test_workers_with_another_simkit_are_refused(tmp_path, dask_cluster, monkeypatch):
    monkeypatch.setattr(clusters, "artifact_hashes", lambda: {"gpus": "another"})
    with pytest.raises(InputError, match="a worker has other artifacts"):
        worked(tmp_path / "run", dask_cluster[2])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("spark://x:1", r"expected dask://HOST:PORT or ray"),
        ("dask://", "expected dask"),
        ("localhost", "expected dask"),
    ],
)
def test_another_kind_of_cluster_is_refused(tmp_path, address, told):
    with pytest.raises(InputError, match=told):
        worked(tmp_path / "run", address)


def test_a_cluster_that_does_not_answer_is_said(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(clusters, "_CONNECT_S", 1)
    with pytest.raises(ExternalError, match="no scheduler answers"):
        worked(tmp_path / "run", "dask://127.0.0.1:9")


@pytest.fixture
def ray_cluster(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # what workers import
    binary = Path(sys.executable).with_name("ray")
    words = ["--head", "--port=46379", "--num-cpus=2", "--object-store-memory=100000000", "--block"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats"]
    head = subprocess.Popen(
        [binary, "start", *words, *quiet], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in head.stdout:
            if "runtime started" in line:
                break
        yield "ray://auto"
    finally:
        head.send_signal(signal.SIGTERM)
        head.communicate(timeout=60)


def test_ray_workers_give_what_one_process_gives(tmp_path, small_run, ray_cluster, blocks_of_three):
    frame = worked(tmp_path / "run", ray_cluster)
    pd.testing.assert_frame_equal(frame, read_dataset(small_run).sort_values("point", ignore_index=True))
