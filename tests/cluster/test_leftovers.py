"""What is left when something goes wrong half-way, and what others keep on our objects."""

from types import SimpleNamespace

import pytest
import yaml
from deploy_samples import GOLDEN, REQUEST, UNSCHEDULABLE, dgd_path
from operator_stand_in import StandInOperator

from simkit.cluster.failures import ClusterError, NotFoundError, UnreachableError
from simkit.cluster.jobs import MeasuringJob, run_job
from simkit.cluster.pods import events_of
from simkit.cluster.standing import standing
from simkit.core.errors import ExternalError

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planner"}, "data": {"a": "1"}}
STORAGE = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "weights"},
    "spec": STORAGE,
}


@pytest.fixture
def several(tmp_path):
    """A file of several objects, the DGD last; changes are made to its spec."""

    def written(*documents, **changes):
        dgd = yaml.safe_load(GOLDEN.read_text())
        dgd["spec"].update(changes)
        path = tmp_path / "several.yaml"
        path.write_text(yaml.safe_dump_all([*documents, dgd]))
        return path

    return written


def test_what_a_refused_deployment_leaves_is_said_and_can_be_removed(cluster, at, several):
    found = at("deploy", several(CONFIG, backendFramework="vlm"), "--no-wait")
    assert found.status == 2
    assert "what was created stays" in found.err
    assert "configmap/planner" in cluster.kubectl("get", "configmap", "-o", "name")
    removed = at("delete", "demo-dgd")
    assert removed.status == 0, removed.err
    assert removed.out == "deleted configmap/planner\n"
    assert at("delete", "demo-dgd").status == 2


def test_rollback_undoes_a_refused_deployment_but_keeps_claims(cluster, at, several):
    found = at("deploy", several(CONFIG, CLAIM, backendFramework="vlm"), "--no-wait", "--rollback")
    assert found.status == 2
    assert "configmap/planner" not in cluster.kubectl("get", "configmap", "-o", "name")
    assert cluster.kubectl("get", "pvc", "-o", "name") == "persistentvolumeclaim/weights"
    assert "kept, as it may hold weights" in found.err


def test_rollback_leaves_what_the_operator_keeps_on_the_object(cluster, at, several):
    with StandInOperator(cluster):
        assert at("deploy", several(), "--timeout", 60).status == 0
    key = "nvidia.com/current-worker-hash-v2"
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": ["nvidia.com/finalizer"]}})
    path = several(backendFramework="sglang")
    with StandInOperator(cluster, pods={"decode": UNSCHEDULABLE}):
        assert at("deploy", path, "--timeout", 2, "--rollback").status == 3
    stored = cluster.kubectl_json("get", "dgd", "demo-dgd", "--show-managed-fields")
    assert stored["spec"]["backendFramework"] == "vllm"
    ours = [one["fieldsV1"] for one in stored["metadata"]["managedFields"] if one["manager"] == "simkit"
            and one["operation"] == "Apply"]  # fmt: skip
    assert f"f:{key}" not in str(ours)
    assert "f:finalizers" not in str(ours)
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": None}})


def test_a_request_of_the_same_name_leaves_the_deployments_objects(cluster, at, several, file):
    assert at("deploy", several(CONFIG), "--no-wait").status == 0
    request = {**REQUEST, "metadata": {"name": "demo-dgd"}}
    assert at("deploy", file(request), "--no-wait").status == 0
    found = at("delete", "demo-dgd", "--kind", "dgdr")
    assert found.out == "deleted dgdr/demo-dgd\n"
    assert "configmap/planner" in cluster.kubectl("get", "configmap", "-o", "name")


def test_events_of_a_pod_that_was_there_before_are_not_told(cluster):
    for name, uid in (("old", "u-old"), ("new", "u-new")):
        cluster.put(cluster.path("events"), {
            "metadata": {"name": name}, "type": "Warning", "reason": "Unhealthy", "message": name,
            "involvedObject": {"kind": "Pod", "name": "same", "namespace": cluster.namespace, "uid": uid},
        })  # fmt: skip
    for uids in (["u-new"], ["u-new", "u-other"]):
        found = events_of(cluster.api, cluster.namespace, uids)
        assert [one["message"] for one in found] == ["new"]


def test_the_phase_of_an_earlier_request_does_not_count():
    status = {"phase": "Failed", "observedGeneration": 1}
    document = {"kind": "DynamoGraphDeploymentRequest", "metadata": {"generation": 2}, "status": status}
    assert standing(document).verdict == "waiting"
    assert standing({**document, "metadata": {"generation": 1}}).verdict == "failed"
    assert standing({**document, "status": {"phase": "Failed"}}).verdict == "failed"


JOB = MeasuringJob(command=("true",), result="x", image="x", deployment="d", namespace="n", timeout_s=5.0,
                   token_secret="t")  # fmt: skip  # noqa: S106


def job_api(answers, *, removal=None):
    """An API that gives these answers to the questions about a Job, one after another."""

    def get(path):
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return {"metadata": {"name": "j"}, "status": {"conditions": found}}

    def delete(path, uid):
        if removal:
            raise removal

    pods = [{"metadata": {"name": "p"}, "status": {}}]
    log = "-----simkit result begins-----\n{}\n-----simkit result ends-----\n"
    made = {"metadata": {"name": "j", "uid": "u"}}
    return SimpleNamespace(create=lambda path, body: made, get=get, delete=delete,
                           items=lambda path, query=None: pods, text=lambda path, query: log)  # fmt: skip


@pytest.mark.parametrize("error", [UnreachableError("away"), ClusterError("failing", 503)])
def test_a_server_that_fails_for_a_while_does_not_end_a_measurement(monkeypatch, error):
    monkeypatch.setattr("simkit.cluster.jobs._PAUSE_S", 0.0)
    said = []
    done = [{"type": "Complete", "status": "True"}]
    assert run_job(job_api([error, done]), JOB, said.append) == "{}"
    assert any("waiting for the API server" in line for line in said)


def test_an_end_that_cannot_clean_up_keeps_its_reason_and_says_what_stays(monkeypatch):
    monkeypatch.setattr("simkit.cluster.jobs._PAUSE_S", 0.0)
    said = []
    api = job_api([NotFoundError("no", 404)], removal=ClusterError("expired", 401))
    with pytest.raises(ExternalError, match="somebody else deleted the Job"):
        run_job(api, JOB, said.append)
    assert "could not be removed" in said[-1]


def test_a_request_timeout_that_is_none_is_refused(simkit):
    found = simkit("discover", "--target", "k8s", "--kubeconfig", "x", "--request-timeout", 0)
    assert found.status == 2
    assert "--request-timeout 0" in found.err
