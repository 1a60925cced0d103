"""Runs that end early: the exit status, and a status file that names the fault and its phase."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from .conftest import environment, spec

FAULTS = [
    ("not JSON", '{"model": ', "--config: not valid JSON"),
    ("no such file", "absent.yaml", "neither a file nor JSON"),
    ("key twice", '{"model": "a", "model": "b"}', "'model' is given twice"),
    ("deep", '{"a":' * 5000 + "1" + "}" * 5000, "nested"),
    ("a list", "[1]", "neither a file nor JSON"),
    ("half a character", '{"model": "\\ud800"}', "half of a character"),
    ("huge number", '{"model": "a", "workload": {"isl": ' + "9" * 5000 + "}}", "--config"),
    ("no model", {"backend": "vllm"}, "spec.model: required but missing"),
    ("unknown model", spec(model="acme/unheard-of"), "acme/unheard-of"),
    ("unknown GPU", spec(hardware={"gpuSku": "h2000_sxm"}), "did you mean h200_sxm"),
    ("no GPU", spec(hardware={"totalGpus": 8}), "hardware.gpuSku"),
    ("unknown key", spec(backends=["vllm"]), "did you mean backend"),
    ("two loads", spec(workload={"concurrency": 4, "requestRate": 2}), "spec.workload"),
    ("thorough and auto", spec(backend="auto", searchStrategy="thorough"), "spec.searchStrategy"),
    ("a deployment", {"apiVersion": "nvidia.com/v1beta1", "kind": "Deployment"}, "kind"),
]


def refused(run, phase="Initializing"):
    assert run.exit_status == 2
    assert "Traceback" not in run.err
    assert run.status["status"] == "failed"
    assert run.status["phase"] == phase
    assert run.status["message"] == "Request refused"
    assert "outputs" not in run.status
    assert not (run.folder / "final_config.yaml").exists()
    return run.status["error"]


@pytest.mark.parametrize(("config", "mention"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_faulty_request_is_refused_and_named(profile, config, mention):
    assert mention in refused(profile(config))


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        ((), "--config"),
        (("--config", "{}", "--fast"), "--fast"),
        (("--config", "{}", "--deployment-timeout", "soon"), "soon"),
    ],
)
def test_a_faulty_command_line_leaves_a_status_too(profile, words, mention):
    assert mention in refused(profile(None, *words))


def test_a_model_that_fits_nowhere_fails_in_the_search(profile):
    request = spec(model="deepseek-ai/DeepSeek-R1", hardware={"gpuSku": "h100_sxm", "totalGpus": 4})
    assert "hardware.totalGpus" in refused(profile(request), phase="SweepingPrefill")


def override_of(component):
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "spec": {"components": [{"name": component, "replicas": 2}]},
    }


def test_an_override_of_a_component_no_deployment_has_fails_before_the_search(profile):
    assert "wroker" in refused(profile(spec(overrides={"dgd": override_of("wroker")})))


def test_an_override_of_a_component_not_chosen_fails_where_the_deployment_is_written(profile):
    asked = spec(overrides={"dgd": override_of("worker")}, features={"planner": {}})  # so no aggregated one
    assert "worker" in refused(profile(asked), phase="GeneratingDGD")


def test_a_dgdr_name_too_long_for_pods_is_refused_under_an_operator(profile):
    name = "a-name-much-longer-than-pods-can-take"
    error = refused(profile(spec(), DGDR_NAME=name))
    assert f"{name}-dgd" in error
    assert "45" in error
    fitting = name[:33].rstrip("-")
    run = profile(spec(), DGDR_NAME=fitting)
    assert run.documents[-1]["metadata"]["name"] == f"{fitting}-dgd"


def test_an_override_name_makes_a_long_dgdr_name_fit(profile):
    override = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "short"},
    }
    run = profile(spec(overrides={"dgd": override}), DGDR_NAME="n" * 60)
    assert run.documents[-1]["metadata"]["name"] == "short"


def unwritable(run, status=2):
    assert run.exit_status == status
    assert "cannot be written" in run.err
    assert run.err.count("\n") == 1
    return run.err


def test_a_folder_that_cannot_be_made(profile, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "profiler_status.yaml" in unwritable(profile(spec(), folder=tmp_path / "file" / "data"))
    assert (tmp_path / "file").read_text() == "mine"


# Root may write anywhere; without its capabilities it is held to a folder's mode like everyone.
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()


@pytest.mark.skipif(bool(POWERLESS) and not shutil.which("setpriv"), reason="needs setpriv to bind root")
def test_a_read_only_folder(profile, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    assert "Permission denied" in unwritable(profile(spec(), folder=folder, before=POWERLESS), 3)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, which nobody can write to")  # noqa: PTH112
def test_a_read_only_file_system(profile):
    unwritable(profile(spec(), folder="/proc/self"))


# A real process, held in the search for as long as the test needs.
HELD = """
import sys, time
import simkit.profiler.job as job
from simkit.profiler.__main__ import main
job.answer = lambda problem: time.sleep(60)
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_status_that_says_so(tmp_path, number, exit_status):
    words = ["--config", json.dumps(spec()), "--output-dir", str(tmp_path)]
    command = [sys.executable, "-c", HELD, *words]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        path = tmp_path / "profiler_status.yaml"
        wait_for(lambda: path.is_file() and "SweepingPrefill" in path.read_text())
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    status = yaml.safe_load(path.read_text())
    assert process.returncode == exit_status
    assert status["status"] == "failed"
    assert status["phase"] == "SweepingPrefill"
    assert signal.Signals(number).name in status["error"]
    assert "Traceback" not in err
    assert [item.name for item in tmp_path.iterdir()] == ["profiler_status.yaml"]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


BROKEN = HELD.replace("time.sleep(60)", "1 / 0")


def test_a_fault_of_our_own_is_told_as_one(tmp_path):
    words = ["--config", json.dumps(spec()), "--output-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, *words], env=environment(), capture_output=True, text=True, check=False
    )
    status = yaml.safe_load((tmp_path / "profiler_status.yaml").read_text())
    assert done.returncode == 1
    assert status["status"] == "failed"
    assert "ZeroDivisionError" in status["error"]
