"""`simkit deploy`, `status` and `delete` against a real API server, with a stand-in for Dynamo's operator."""

import json

import pytest
import yaml
from cluster_objects import GROUP
from deploy_samples import GOLDEN, OOM, REQUEST, UNSCHEDULABLE, dgd_path
from operator_stand_in import StandInOperator

from simkit.cluster.access import Access, connect
from simkit.cluster.apply import apply_all
from simkit.cluster.documents import bundle_of
from simkit.cluster.kinds import POD_OF_DGD, WORKER_HASH


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
