"""`simkit profile --target k8s`: candidates as DGDs, measured, removed; leftovers found by their label."""

import json

import pytest
import yaml
from cluster_objects import GROUP
from openai_server import openai_server
from operator_stand_in import StandInOperator

from simkit.measure.targets.k8s import RUN_FILE, TRIAL_LABEL, frontend_url

REQUEST = {
    "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest", "metadata": {"name": "small"},
    "spec": {"model": "Qwen/Qwen3-0.6B", "backend": "vllm", "autoApply": True,
             "hardware": {"gpuSku": "h100_sxm", "totalGpus": 2, "numGpusPerNode": 8},
             "workload": {"isl": 64, "osl": 8, "concurrency": 2}, "sla": {"ttft": 5000, "itl": 5000}},
}  # fmt: skip


@pytest.fixture
def profiled(cluster, simkit, tmp_path, monkeypatch):
    """The verb against a stand-in server; the request is in the test's namespace."""
    with openai_server(ttft_s=0.01, itl_s=0.001, model="Qwen/Qwen3-0.6B") as (url, _):
        monkeypatch.setenv("KUBECONFIG", str(cluster.server.kubeconfig("admin")))
        monkeypatch.setenv("SIMKIT_FRONTEND_URL", url)
        file = tmp_path / "request.yaml"
        document = {**REQUEST, "metadata": {"name": "small", "namespace": cluster.namespace}}
        file.write_text(yaml.safe_dump(document))

        def run(*more):
            client = ("--client", "builtin", "--requests", 8, "--warmup", 2)
            place = ("--target", "k8s", "-o", tmp_path / "out", "--format", "json")
            return simkit("profile", file, *place, *client, *more)

        yield run


def test_a_candidate_is_brought_up_measured_and_removed(cluster, profiled, tmp_path):
    run = tmp_path / "out" / "local" / RUN_FILE  # of a run of this folder that was killed
    run.parent.mkdir(parents=True)
    run.write_text("abc123\n")
    leftover = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": {},
                "metadata": {"name": "small-left-dgd", "labels": {
                    "app.kubernetes.io/managed-by": "simkit", TRIAL_LABEL: "small-abc123"}}}  # fmt: skip
    other = {**leftover, "metadata": {"name": "other-dgd", "labels": {TRIAL_LABEL: "small-abc123"}}}
    running = {**leftover, "metadata": {"name": "small-theirs-dgd", "labels": {
        "app.kubernetes.io/managed-by": "simkit", TRIAL_LABEL: "small-def456"}}}  # fmt: skip
    for one in (leftover, other, running):
        cluster.api.create(cluster.path("dynamographdeployments", base=GROUP), one)
    with StandInOperator(cluster):
        found = profiled()
    assert found.status in (0, 1), found.err
    assert json.loads(found.out)["phase"] == "Deployed"
    left = cluster.kubectl("get", "dgd", "-o", "jsonpath={.items[*].metadata.name}")
    assert left.split() == ["other-dgd", "small-theirs-dgd"], "one is not ours, one another profile's"
    (log,) = (tmp_path / "out").rglob("cluster.log")
    assert "all pods are ready" in log.read_text()
    assert "measured" in found.err


def test_the_whole_loop_is_one_command(cluster, profiled, tmp_path):
    """Recommended, deployed, measured, recalibrated, recommended again; nothing is left behind."""
    with StandInOperator(cluster):
        found = profiled("--search-strategy", "thorough", "--candidates", 2)
    assert found.status in (0, 1), found.err
    out = tmp_path / "out"
    assert found.err.index("predicted: ") < found.err.index("deploying ") < found.err.index("measured ")
    own = json.loads((out / "own_calibration.json").read_text())
    answer = json.loads((out / "recommendation.json").read_text())
    summary = json.loads((out / "profile_summary.json").read_text())
    assert len(own["observations"]) >= 1
    assert summary["changed"], "what measuring changed of the answer"
    first = json.loads((out / "prediction.json").read_text())
    assert answer["selected"]["ttft_ms"]["mean"] != first["about"]["ttft_ms"]["mean"]
    assert cluster.kubectl("get", "dgd", "-o", "name") == ""


def test_the_frontend_is_reached_by_the_clusters_dns_unless_told_otherwise():
    assert frontend_url("a", "b", {}) == "http://a-frontend.b.svc:8000"
    assert frontend_url("a", "b", {"SIMKIT_FRONTEND_URL": "https://{name}.{namespace}.example.com"}) == (
        "https://a.b.example.com"
    )
