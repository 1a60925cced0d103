"""`simkit benchmark --target k8s`: a Job measures in the cluster; a stand-in kubelet runs what it says."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest
import yaml
from kubelet_stand_in import StandInKubelet
from operator_stand_in import StandInOperator

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd" / "vllm-disagg.yaml"
ASKED = ("--gpu", "h100_sxm", "--isl", 1000, "--osl", 100, "--concurrency", 8)


@pytest.fixture
def file(tmp_path):
    text = GOLDEN.read_text().replace("org/model", "Qwen/Qwen3-8B")
    path = tmp_path / "dgd.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def aiperf(tmp_path):
    """AIPerf on the PATH of the Job's pod: a stand-in with chosen latencies."""
    program = tmp_path / "bin" / "aiperf"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "fakes" / "fake_aiperf.py"} "$@"\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "FAKE_AIPERF_LOG": str(tmp_path / "calls"),
            "FAKE_TTFT_MS": "100", "FAKE_ITL_MS": "10"}  # fmt: skip


def test_a_deployment_is_measured_from_inside_and_compared(bound, at, file, aiperf, tmp_path):
    """With the rights of deploy/cluster/rbac.yaml and no others."""
    cluster, words = bound, ("--target", "k8s", *ASKED, "-o", tmp_path / "run", "--format", "json")
    with StandInOperator(cluster), StandInKubelet(cluster, aiperf):
        assert at("deploy", file, "--timeout", 60, user="simkit").status == 0
        found = at("benchmark", file, *words, user="simkit")
    assert found.status in (0, 1), found.err
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "100" in json.dumps(run)
    assert (tmp_path / "run" / "comparison.json").is_file()
    (call,) = [json.loads(line)["words"] for line in (tmp_path / "calls").read_text().splitlines()]
    assert call[call.index("--url") + 1] == f"http://demo-dgd-frontend.{cluster.namespace}.svc:8000"
    assert "--wait-for-model-timeout" in call
    assert cluster.kubectl("get", "jobs", "-o", "name") == ""


def test_a_job_that_fails_says_its_last_words_and_leaves_nothing(cluster, at, file, aiperf, tmp_path):
    with StandInOperator(cluster), StandInKubelet(cluster, {**aiperf, "FAKE_AIPERF": "fail"}):
        assert at("deploy", file, "--timeout", 60).status == 0
        found = at("benchmark", file, "--target", "k8s", *ASKED, "-o", tmp_path / "run")
    assert found.status == 3
    assert "the tokenizer cannot be loaded" in found.err
    assert cluster.kubectl("get", "jobs", "-o", "name") == ""


AIPERF_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "aiperfjobs.aiperf.nvidia.com"},
    "spec": {"group": "aiperf.nvidia.com", "scope": "Namespaced",
             "names": {"kind": "AIPerfJob", "plural": "aiperfjobs"},
             "versions": [{"name": "v1alpha1", "served": True, "storage": True,
                           "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                               "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
}  # fmt: skip
JOBS = "/apis/aiperf.nvidia.com/v1alpha1"


@pytest.fixture
def aiperf_operator(cluster, monkeypatch):
    """AIPerf's operator as far as we see it: jobs that go through their phases to the one that is given."""
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.install([AIPERF_CRD])
    monkeypatch.setattr("simkit.cluster.aiperf_operator._PAUSE_S", 0.1)
    stopping, last, seen = threading.Event(), {"phase": "Completed"}, []

    def run():
        while not stopping.wait(0.2):
            for one in cluster.api.items(cluster.path("aiperfjobs", base=JOBS)):
                phase = (one.get("status") or {}).get("phase")
                following = {None: {"phase": "Running"}, "Running": last}.get(phase)
                seen.append(one)
                if following:
                    cluster.set_status(cluster.path("aiperfjobs", one["metadata"]["name"], JOBS), following)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield last, seen
    stopping.set()
    thread.join(5)
    found = cluster.api.get(f"{base}/aiperfjobs.aiperf.nvidia.com")
    cluster.api.delete(f"{base}/aiperfjobs.aiperf.nvidia.com", uid=found["metadata"]["uid"])


@pytest.fixture
def results(tmp_path, monkeypatch):
    """`aiperf kube results`, which fetches what the operator kept."""
    program, fake = tmp_path / "aiperf-kube", ROOT / "tests" / "fakes" / "fake_aiperf.py"
    words = "--isl 1000 --osl 100 --request-count 80 --concurrency 8"
    find = 'for word; do [ "$last" = --output ] && out=$word; last=$word; done; mkdir -p "$out"'
    call = f'exec {sys.executable} {fake} --artifact-dir "$out" {words}'
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{find}\n{call}\n')
    program.chmod(0o755)
    monkeypatch.setenv("FAKE_AIPERF_LOG", str(tmp_path / "calls"))
    return program


def test_aiperfs_own_operator_does_it_where_it_is(cluster, at, file, aiperf_operator, results, tmp_path):
    words = ("--target", "k8s", *ASKED, "-o", tmp_path / "run", "--aiperf", results)
    with StandInOperator(cluster):
        assert at("deploy", file, "--timeout", 60).status == 0
        found = at("benchmark", file, *words)
    assert found.status in (0, 1), found.err
    spec = aiperf_operator[1][0]["spec"]["benchmark"]
    assert spec["endpoint"]["url"].startswith("http://demo-dgd-frontend:8000")
    assert spec["phases"][-1]["concurrency"] == 8
    assert "kube results demo-dgd-" in (tmp_path / "asked").read_text()
    assert (tmp_path / "run" / "comparison.json").is_file()
    assert cluster.kubectl("get", "aiperfjobs", "-o", "name") == ""


def test_an_aiperf_job_that_fails_says_why(cluster, at, file, aiperf_operator, results, tmp_path):
    aiperf_operator[0].update(phase="Failed", error="endpoint unreachable")
    with StandInOperator(cluster):
        assert at("deploy", file, "--timeout", 60).status == 0
        found = at("benchmark", file, "--target", "k8s", *ASKED, "-o", tmp_path / "run", "--aiperf", results)
    assert found.status == 3
    assert "Failed: endpoint unreachable" in found.err
    assert cluster.kubectl("get", "aiperfjobs", "-o", "name") == ""


def test_what_does_not_serve_is_not_measured(cluster, at, file, tmp_path):
    found = at("benchmark", file, "--target", "k8s", *ASKED, "-o", tmp_path / "run")
    assert found.status == 3
    assert "is not on the cluster; simkit deploy brings it up" in found.err
    assert at("deploy", file, "--no-wait").status == 0
    found = at("benchmark", file, "--target", "k8s", *ASKED, "-o", tmp_path / "run")
    assert found.status == 3
    assert "not ready (the operator has not seen this generation yet)" in found.err


def test_a_planner_that_scales_is_warned_of():
    from simkit.measure.in_cluster import planner_is_on

    document = yaml.safe_load(GOLDEN.read_text())
    assert not planner_is_on(document)
    document["spec"]["components"].append({"name": "Planner", "type": "planner"})
    assert planner_is_on(document)


def test_the_last_words_of_a_crashed_container_are_shown(cluster, at, file):
    crashed = {"phase": "Running", "containerStatuses": [{
        "name": "main", "restartCount": 2, "image": "x", "imageID": "", "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}]}  # fmt: skip
    with StandInKubelet(cluster) as kubelet, StandInOperator(cluster, pods={"decode": crashed}):
        assert at("deploy", file, "--no-wait").status == 0
        pod = cluster.wait_for(lambda: [
            one["metadata"]["name"] for one in cluster.api.items(cluster.path("pods"))
            if "decode" in one["metadata"]["name"]])[0]  # fmt: skip
        kubelet.logs[pod] = "loading weights\ntorch.OutOfMemoryError: CUDA out of memory\n"
        kubelet.bind(pod)
        found = at("deploy", file, "--timeout", 3)
    assert found.status == 3
    assert "main ended with 1 (Error), 2 restarts" in found.err
    assert "torch.OutOfMemoryError: CUDA out of memory" in found.err
