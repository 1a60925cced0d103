"""`simkit deploy`, `status` and `delete` against a real API server, with a stand-in for Dynamo's operator."""

import copy
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from cluster_objects import CORE, GROUP, admission_server
from operator_stand_in import StandInOperator

from simkit.cluster.access import Access, connect
from simkit.cluster.apply import apply_all
from simkit.cluster.documents import bundle_of
from simkit.cluster.failures import GoneError
from simkit.cluster.follow import Followed, follow
from simkit.cluster.kinds import DGD, POD_OF_DGD, WORKER_HASH
from simkit.core.errors import ExternalError

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd" / "vllm-disagg.yaml"
REQUEST = {
    "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "qwen-small"}, "spec": {"model": "Qwen/Qwen3-0.6B"},
}  # fmt: skip
OOM = {"phase": "Running", "containerStatuses": [{
    "name": "main", "restartCount": 3, "image": "x", "imageID": "", "ready": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}  # fmt: skip
_NOBODY = "https://127.0.0.1:9/"
UNSCHEDULABLE = {"phase": "Pending", "conditions": [{
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
    "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}]}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    """A DGD in a file; changes are made to its document first."""

    def written(document=None, **changes):
        document = copy.deepcopy(document) if document else yaml.safe_load(GOLDEN.read_text())
        document["spec"].update(changes)
        path = tmp_path / "document.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    return written


def dgd_path(cluster, name="demo-dgd"):
    return cluster.path("dynamographdeployments", name, GROUP)


def dgdr_path(cluster, name="qwen-small"):
    return cluster.path("dynamographdeploymentrequests", name, GROUP)


def replicas(path, component, count):
    document = yaml.safe_load(path.read_text())
    next(one for one in document["spec"]["components"] if one["name"] == component)["replicas"] = count
    path.write_text(yaml.safe_dump(document))
    return path


# --- A DGD from nothing to ready and away again.


def test_a_deployment_is_applied_followed_and_removed(cluster, at):
    with StandInOperator(cluster):
        found = at("deploy", GOLDEN, "--timeout", 60, "--format", "json")
        assert found.status == 0, found.err
        assert "dgd/demo-dgd created" in found.err
        assert json.loads(found.out)["verdict"] == "ready"
        stored = cluster.kubectl_json("get", "dgd", "demo-dgd")
        assert stored["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "simkit"
        assert [one["name"] for one in stored["spec"]["components"]] == ["Frontend", "prefill", "decode"]
        told = at("status", "demo-dgd")
        assert "all pods are ready" in told.out
        assert told.out.count("pod demo-dgd-") == 5
        removed = at("delete", "demo-dgd")
        assert removed.status == 0, removed.err
        assert "deleted dgd/demo-dgd" in removed.out
        assert cluster.kubectl("get", "dgd", "-o", "name") == ""


def test_a_second_apply_changes_nothing_and_a_third_what_differs(cluster, at, file):
    path = file()
    assert at("deploy", path, "--no-wait").status == 0
    assert "dgd/demo-dgd unchanged" in at("deploy", path, "--no-wait").err
    replicas(path, "decode", 2)
    shown = at("deploy", path, "--diff")
    assert shown.status == 0
    assert "-    replicas: 1\n+    replicas: 2" in shown.out.replace("  replicas", "    replicas").replace(
        "      replicas", "    replicas"
    )
    assert cluster.kubectl_json("get", "dgd", "demo-dgd")["metadata"]["generation"] == 1
    assert "dgd/demo-dgd changed" in at("deploy", path, "--no-wait").err


def test_dry_runs_keep_nothing(cluster, at):
    shown = at("deploy", GOLDEN, "--dry-run", "client")
    assert yaml.safe_load(shown.out)["metadata"]["namespace"] == cluster.namespace
    assert "dgd/demo-dgd created (dry run)" in at("deploy", GOLDEN, "--dry-run", "server").err
    assert cluster.kubectl("get", "dgd", "-o", "name") == ""
    assert at("deploy", GOLDEN, "--no-wait").status == 0
    assert "would delete dgd/demo-dgd" in at("delete", "demo-dgd", "--dry-run", "server").out
    assert "would delete dgd/demo-dgd" in at("delete", "demo-dgd", "--dry-run", "client").out
    assert cluster.kubectl("get", "dgd", "-o", "name") == "dynamographdeployment.nvidia.com/demo-dgd"


def test_applying_something_new_gives_the_object_and_not_none(cluster):
    """The client's own method returns None where a server-side apply creates."""
    api = connect(Access(kubeconfig=cluster.server.kubeconfig("admin")))
    bundle = bundle_of([yaml.safe_load(GOLDEN.read_text())], "f", cluster.namespace, "default")
    (made,) = apply_all(api, bundle)
    assert made.before is None
    assert made.after["metadata"]["uid"]


# --- What is not ours.


def test_look_alikes_survive_every_command(cluster, at):
    other = yaml.safe_load(GOLDEN.read_text())
    other["metadata"] = {"name": "demo-dgd", "labels": {"app.kubernetes.io/managed-by": "helm"}}
    before = cluster.api.create(cluster.path("dynamographdeployments", base=GROUP), other)
    found = at("deploy", GOLDEN, "--no-wait")
    assert found.status == 2
    assert "not made by simkit" in found.err
    found = at("delete", "demo-dgd")
    assert found.status == 2
    assert f"kubectl -n {cluster.namespace} delete dgd demo-dgd" in found.err
    assert (
        cluster.api.get(dgd_path(cluster))["metadata"]["resourceVersion"]
        == before["metadata"]["resourceVersion"]
    )


def test_deleting_takes_config_maps_of_the_deployment_alone(cluster, at, tmp_path):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planner"}, "data": {"a": "1"}}
    path = tmp_path / "dgd.yaml"
    path.write_text(yaml.safe_dump_all([config, yaml.safe_load(GOLDEN.read_text())]))
    ours = {"app.kubernetes.io/managed-by": "simkit"}
    cluster.put(cluster.path("configmaps"), {"metadata": {"name": "other", "labels": ours}})
    assert at("deploy", tmp_path, "--no-wait").status == 0
    assert at("delete", "demo-dgd").status == 0
    left = cluster.kubectl("get", "configmap", "-o", "name").split()
    assert "configmap/other" in left
    assert "configmap/planner" not in left


def test_a_field_of_another_writer_is_a_conflict_with_its_owner(cluster, at, file):
    path = file()
    assert at("deploy", path, "--no-wait").status == 0
    patch = '[{"op": "replace", "path": "/spec/components/2/replicas", "value": 4}]'
    cluster.kubectl("patch", "dgd", "demo-dgd", "--type", "json", "-p", patch, "--field-manager", "planner")
    found = at("deploy", path, "--no-wait")
    assert found.status == 2
    assert "planner owns .spec.components" in found.err
    assert "--force" in found.err
    assert at("deploy", path, "--no-wait", "--force").status == 0
    stored = cluster.kubectl_json("get", "dgd", "demo-dgd")
    assert stored["spec"]["components"][2]["replicas"] == 1


# --- Why it does not get ready.


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (OOM, "main ran out of memory (OOMKilled), 3 restarts"),
        (UNSCHEDULABLE, "cannot be scheduled: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
    ],
    ids=["oom", "unschedulable"],
)
def test_time_runs_out_with_the_reason_of_the_pod(cluster, at, status, reason):
    with StandInOperator(cluster, pods={"decode": status}):
        found = at("deploy", GOLDEN, "--timeout", 3)
    assert found.status == 3
    assert "not ready after 3 s" in found.err
    assert reason in found.err


def test_a_failed_deployment_is_rolled_back_to_what_was_there(cluster, at, file):
    path = file()
    with StandInOperator(cluster):
        assert at("deploy", path, "--timeout", 60).status == 0
    replicas(path, "decode", 3)
    with StandInOperator(cluster, pods={"decode": UNSCHEDULABLE}):
        found = at("deploy", path, "--timeout", 3, "--rollback")
    assert found.status == 3
    assert "as it was before" in found.err
    assert cluster.kubectl_json("get", "dgd", "demo-dgd")["spec"]["components"][2]["replicas"] == 1


def test_pods_of_an_earlier_generation_do_not_count(cluster):
    """The operator calls it successful while pods of the old workers are all that is ready."""
    from simkit.cluster.pods import pods_of, states

    document = yaml.safe_load(GOLDEN.read_text())
    document["metadata"]["annotations"]["nvidia.com/current-worker-hash-v2"] = "new"
    dgd = cluster.api.create(cluster.path("dynamographdeployments", base=GROUP), document)
    for name, digest in (("old", "old"), ("new", "new")):
        cluster.put(cluster.path("pods"), {
            "metadata": {"name": name, "labels": {POD_OF_DGD: "demo-dgd", WORKER_HASH: digest}},
            "spec": {"containers": [{"name": "main", "image": "x"}]},
            **({"status": {"conditions": [{"type": "Ready", "status": "True"}]}} if name == "old" else {}),
        })  # fmt: skip
    found = states(pods_of(cluster.api, dgd, cluster.namespace))
    assert [(one.name, one.ready) for one in found] == [("new", False)]


def test_an_absent_operator_is_said_so(cluster, at):
    found = at("deploy", GOLDEN, "--timeout", 2)
    assert found.status == 3
    assert "the operator has not seen this generation yet" in found.err


# --- Requests.


def test_a_request_is_followed_through_its_phases(cluster, at, file):
    with StandInOperator(cluster):
        found = at("deploy", file(REQUEST), "--timeout", 60, "--format", "json")
        assert found.status == 0, found.err
        for phase in ("Pending", "Profiling, GeneratingDGD", "Deployed as dgd/qwen-small-dgd"):
            assert phase in found.err
        assert json.loads(found.out)["deployment"] == "qwen-small-dgd"
        removed = at("delete", "qwen-small")
        assert "dgd/qwen-small-dgd keeps serving" in removed.out
        assert cluster.kubectl("get", "dgd", "-o", "name").endswith("qwen-small-dgd")
        kept = at("delete", "qwen-small-dgd")
        assert kept.status == 2
        assert "not made by simkit" in kept.err


def test_a_request_for_review_says_how_it_goes_on(cluster, at, file):
    with StandInOperator(cluster):
        found = at("deploy", file(REQUEST, autoApply=False), "--timeout", 60)
        assert found.status == 0, found.err
        assert "selectedConfig" in found.err
        assert "autoApply" in found.err
        assert at("deploy", file(REQUEST, autoApply=True), "--timeout", 60).status == 0
    assert cluster.kubectl_json("get", "dgdr", "qwen-small")["status"]["phase"] == "Deployed"


def test_a_request_that_may_not_change_any_more_names_the_two_commands(cluster, at, file):
    with StandInOperator(cluster):
        assert at("deploy", file(REQUEST), "--timeout", 60).status == 0
        found = at("deploy", file(REQUEST, sla={"ttft": 100, "itl": 10}), "--no-wait")
    assert found.status == 2
    place = f"--namespace {cluster.namespace}"
    assert f"simkit delete qwen-small --kind dgdr {place}, then simkit deploy" in found.err
    assert "sla" not in cluster.kubectl_json("get", "dgdr", "qwen-small")["spec"]


def test_a_failed_request_says_why(cluster, at, file):
    with StandInOperator(cluster, fail="no configuration meets the SLA"):
        found = at("deploy", file(REQUEST), "--timeout", 60)
    assert found.status == 3
    assert "SweepingPrefillFailed: no configuration meets the SLA" in found.err


# --- What clusters do to those who wait.


@pytest.fixture
def waiting(cluster):
    """A DGD that is followed in a thread: what was said, and how it ended."""
    api = connect(Access(kubeconfig=cluster.server.kubeconfig("admin"), request_s=5))

    def start(api=api, timeout_s=60):
        bundle = bundle_of([yaml.safe_load(GOLDEN.read_text())], "f", cluster.namespace, "default")
        (made,) = apply_all(cluster.api, bundle)
        one = Followed(api=api, kind=DGD, name="demo-dgd", namespace=cluster.namespace,
                       uid=made.after["metadata"]["uid"])  # fmt: skip
        lines, result = [], []

        def run():
            try:
                result.append(follow(one, timeout_s, lines.append)[1].verdict)
            except ExternalError as error:
                result.append(str(error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return lines, result, thread

    return start


def test_an_object_that_somebody_deletes_ends_the_wait(cluster, waiting):
    _, result, thread = waiting()
    time.sleep(0.5)
    cluster.kubectl("delete", "dgd", "demo-dgd")
    thread.join(10)
    assert "somebody else deleted it" in result[0]


def test_a_server_that_dies_and_comes_back_is_waited_for(cluster, waiting):
    other = cluster.server.beside()
    try:
        api = connect(Access(kubeconfig=other.kubeconfig("admin"), request_s=5))
        lines, result, thread = waiting(api)
        time.sleep(0.5)
        other.kill_apiserver()
        time.sleep(2)
        with StandInOperator(cluster):
            other.start_apiserver()
            thread.join(30)
        assert result == ["ready"]
        assert any("waiting for the API server" in line for line in lines)
    finally:
        other.stop()


def test_a_watch_whose_place_is_lost_begins_again(cluster, waiting):
    """410: the history before the resource version is gone."""
    api = connect(Access(kubeconfig=cluster.server.kubeconfig("admin")))
    cut = []

    class Cut(type(api)):
        def watch(self, path, query, seconds):
            if not cut:
                cut.append(query["resourceVersion"])
                raise GoneError("too old resource version: 1 (2)", 410)
            return super().watch(path, query, seconds)

    _, result, thread = waiting(Cut(client=api.client, namespace=api.namespace))
    with StandInOperator(cluster):
        thread.join(20)
    assert result == ["ready"]
    assert cut


def test_a_real_server_says_410_for_a_place_that_is_gone(cluster):
    with pytest.raises(GoneError):
        list(
            cluster.api.watch(cluster.path("dynamographdeployments", base=GROUP), {"resourceVersion": "1"}, 2)
        )


def test_a_missing_right_and_an_expired_token_end_at_once(cluster, at):
    found = at("deploy", GOLDEN, "--no-wait", user="stranger")
    assert found.status == 3
    assert "forbidden" in found.err
    assert "deploy/cluster/rbac.yaml" in found.err


def test_a_missing_namespace_and_one_that_ends_are_named(cluster, at):
    found = at("deploy", GOLDEN, "--no-wait", namespace="nobody-made-this")
    assert found.status == 2
    assert "kubectl create namespace nobody-made-this" in found.err


def test_a_namespace_that_is_being_deleted_takes_nothing(cluster, at):
    ending = f"{cluster.namespace}-ending"
    made = cluster.put(
        f"{CORE}/namespaces", {"metadata": {"name": ending, "finalizers": ["example.com/held"]}}
    )
    cluster.api.delete(f"{CORE}/namespaces/{ending}", uid=made["metadata"]["uid"])
    found = at("deploy", GOLDEN, "--no-wait", namespace=ending)
    assert found.status == 3
    assert "the namespace is being deleted" in found.err
    cluster.api.merge(f"{CORE}/namespaces/{ending}", {"metadata": {"finalizers": None}})


@pytest.fixture
def webhook(cluster):
    """An admission webhook on DGDs of the namespace, with an answer of its own, or none at all."""
    with admission_server(cluster.server.folder) as (url, ca, answer):

        def install(denial=None, *, dead=False):
            answer["message"] = denial
            rule = {"apiGroups": ["nvidia.com"], "apiVersions": ["*"], "operations": ["*"],
                    "resources": ["dynamographdeployments"]}  # fmt: skip
            hook = {"name": "vdgd.nvidia.com", "rules": [rule], "sideEffects": "None",
                    "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
                    "namespaceSelector": {"matchLabels": {"hooked": cluster.namespace}},
                    "clientConfig": {"url": _NOBODY if dead else url, "caBundle": ca}}  # fmt: skip
            labels = {"metadata": {"labels": {"hooked": cluster.namespace}}}
            cluster.api.merge(f"{CORE}/namespaces/{cluster.namespace}", labels)
            path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
            cluster.put(path, {"metadata": {"name": cluster.namespace}, "webhooks": [hook]})
            time.sleep(1.5)  # until the server has seen it

        yield install


def test_a_webhook_that_refuses_is_quoted(webhook, at):
    webhook("spec.components[1].replicas: must not be odd")
    found = at("deploy", GOLDEN, "--no-wait")
    assert found.status == 2
    assert "must not be odd" in found.err


def test_a_webhook_that_does_not_answer_points_to_the_operator(webhook, at):
    webhook(dead=True)
    found = at("deploy", GOLDEN, "--no-wait")
    assert found.status == 3
    assert "failed calling webhook" in found.err
    assert "simkit check looks at the operator" in found.err


def test_a_quota_that_is_used_up_is_named(cluster, at, file):
    quota = {"count/dynamographdeployments.nvidia.com": "0"}
    cluster.put(cluster.path("resourcequotas"), {"metadata": {"name": "none"}, "spec": {"hard": quota}})
    cluster.set_status(cluster.path("resourcequotas", "none"), {"hard": quota, "used": quota})
    found = at("deploy", file(), "--no-wait")
    assert found.status == 3
    assert "exceeded quota" in found.err
    assert "kubectl describe resourcequota" in found.err


def test_what_the_server_refuses_is_bad_input(cluster, at, file):
    found = at("deploy", file(backendFramework="vlm"), "--no-wait")
    assert found.status == 2
    assert "backendFramework" in found.err


def test_a_finalizer_that_nobody_serves_is_named(cluster, at, file):
    assert at("deploy", file(), "--no-wait").status == 0
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": ["nvidia.com/finalizer"]}})
    found = at("delete", "demo-dgd", "--timeout", 1)
    assert found.status == 3
    assert "held by nvidia.com/finalizer" in found.err
    cluster.api.merge(dgd_path(cluster), {"metadata": {"finalizers": None}})


def test_an_interrupt_says_what_stays(cluster):
    command = [sys.executable, "-m", "simkit", "deploy", str(GOLDEN), "--namespace", cluster.namespace,
               "--kubeconfig", str(cluster.server.kubeconfig("admin"))]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        told = process.stderr.readline() + process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert "dgd/demo-dgd created" in told
    assert process.returncode == 130
    assert f"simkit delete demo-dgd --namespace {cluster.namespace} removes it" in rest
    assert cluster.kubectl("get", "dgd", "-o", "name").endswith("demo-dgd")


def test_the_profiling_pod_says_why_it_does_not_run(cluster, at, file):
    job = {"metadata": {"name": "profile-aic-x-1", "labels": {"job-name": "profile-aic-x"}},
           "spec": {"containers": [{"name": "profiler", "image": "x"}]}, "status": UNSCHEDULABLE}  # fmt: skip
    cluster.put(cluster.path("pods"), job)
    assert at("deploy", file(REQUEST), "--no-wait").status == 0
    cluster.set_status(dgdr_path(cluster), {"phase": "Profiling", "profilingJobName": "profile-aic-x"})
    found = at("deploy", file(REQUEST), "--timeout", 2)
    assert found.status == 3
    assert "profiling pod profile-aic-x-1: cannot be scheduled" in found.err
    assert "profile-aic-x-1: cannot be scheduled" in at("status", "qwen-small").out
