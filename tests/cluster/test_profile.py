"""`simkit profile --target k8s`: candidates as DGDs, measured, removed; leftovers found by their label."""

import json

import pytest
import yaml
from cluster_objects import GROUP
from openai_server import openai_server
from operator_stand_in import StandInOperator

from simkit.measure.targets.k8s import TRIAL_LABEL, frontend_url

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
    leftover = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": {},
                "metadata": {"name": "small-left-dgd", "labels": {
                    "app.kubernetes.io/managed-by": "simkit", TRIAL_LABEL: "small"}}}  # fmt: skip
    other = {**leftover, "metadata": {"name": "other-dgd", "labels": {TRIAL_LABEL: "small"}}}
    for one in (leftover, other):
        cluster.api.create(cluster.path("dynamographdeployments", base=GROUP), one)
    with StandInOperator(cluster):
        found = profiled()
    assert found.status in (0, 1), found.err
    assert json.loads(found.out)["phase"] == "Deployed"
    assert cluster.kubectl("get", "dgd", "-o", "name") == "dynamographdeployment.nvidia.com/other-dgd"
    (log,) = (tmp_path / "out").rglob("cluster.log")
    assert "all pods are ready" in log.read_text()
    assert "measured" in found.err


def test_the_frontend_is_reached_by_the_clusters_dns_unless_told_otherwise():
    assert frontend_url("a", "b", {}) == "http://a-frontend.b.svc:8000"
    assert frontend_url("a", "b", {"SIMKIT_FRONTEND_URL": "https://{name}.{namespace}.example.com"}) == (
        "https://a.b.example.com"
    )
