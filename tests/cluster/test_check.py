"""`simkit check`: what a real cluster lacks, everything at once, each with what mends it."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from cluster_objects import CORE, node, pod

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "dgd" / "vllm-disagg.yaml"
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
APPS = "/apis/apps/v1"
REQUEST = {
    "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "llama-70b"},
    "spec": {
        "model": "meta-llama/Llama-3.1-70B-Instruct", "backend": "vllm",
        "image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
        "modelCache": {"pvcName": "model-cache", "pvcMountPath": "/home/dynamo/.cache/huggingface",
                       "pvcModelPath": "hub/models--meta-llama--Llama-3.1-70B-Instruct/snapshots/0123abc"},
        "hardware": {"gpuSku": "h100_sxm", "totalGpus": 64},
        "features": {"planner": {"optimization_target": "sla"}},
        "sla": {"ttft": 500, "itl": 50},
    },
}  # fmt: skip


def dgd(change=lambda spec: None):
    document = yaml.safe_load(GOLDEN.read_text())
    change(document["spec"])
    return document


@pytest.fixture
def checked(at, tmp_path):
    """Findings of a document, by subject, with the exit status."""

    def run(document, **how):
        file = tmp_path / "document.yaml"
        file.write_text(yaml.safe_dump(document))
        found = at("check", file, "--format", "json", **how)
        assert found.status in (0, 1), found.err
        findings = json.loads(found.out)["findings"]
        return found.status, {one["subject"]: one for one in findings if one["level"] != "ok"}

    return run


def mend(cluster):
    """The commands that the findings name, as far as a test can run them."""
    container = {"name": "manager", "image": "nvcr.io/nvidia/ai-dynamo/dynamo-operator:1.6.1"}
    labels = {"app": "operator"}
    cluster.kubectl(
        "create", "secret", "generic", "hf-token-secret", "--from-literal=HF_TOKEN=hf_do_not_show"
    )
    made = cluster.put(f"{APPS}/namespaces/{cluster.namespace}/deployments", {
        "metadata": {"name": "dynamo-operator"},
        "spec": {"selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
    })  # fmt: skip
    path = f"{APPS}/namespaces/{cluster.namespace}/deployments/{made['metadata']['name']}"
    cluster.set_status(
        path, {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    )


def test_everything_that_is_missing_comes_at_once_and_each_command_mends_it(cluster, nodes, checked):
    nodes(*[node(f"{cluster.namespace}-{index}", taints=[TAINT]) for index in range(2)])
    status, found = checked(dgd())
    assert status == 1
    assert {"operator", "secret hf-token-secret", "taints for prefill", "taints for decode"} <= set(found)
    assert "--from-literal=HF_TOKEN=<your-token>" in found["secret hf-token-secret"]["command"]
    assert (
        "{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}" in found["taints for decode"]["command"]
    )
    assert "helm install dynamo-platform" in found["operator"]["command"]
    mend(cluster)

    def tolerate(spec):
        for component in spec["components"]:
            component["podTemplate"]["spec"]["tolerations"] = [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ]

    assert checked(dgd(tolerate)) == (0, {})


def test_the_values_of_secrets_are_never_fetched(cluster, nodes, at, tmp_path):
    nodes(node(f"{cluster.namespace}-0"), node(f"{cluster.namespace}-1"))
    mend(cluster)
    found = at("check", GOLDEN)
    assert found.status == 0, found.out
    assert "secret hf-token-secret: there" in found.out
    assert "hf_do_not_show" not in found.out + found.err


def test_gpus_that_are_there_but_taken_are_a_warning_and_too_few_an_error(cluster, nodes, checked):
    mend(cluster)
    nodes(node(f"{cluster.namespace}-0"), node(f"{cluster.namespace}-1"))
    cluster.put(cluster.path("pods"), pod("busy", gpus=8, node_name=f"{cluster.namespace}-0"))
    status, found = checked(dgd())
    assert status == 0
    assert found["GPUs"]["level"] == "warning"
    assert "10 asked for, 8 free now: no room for 1 of 3 prefill pods of 2 GPUs" in found["GPUs"]["problem"]

    def grow(spec):
        spec["components"][2]["replicas"] = 4

    status, found = checked(dgd(grow))
    assert status == 1
    assert "even on empty nodes there is no room for 3 of 3 prefill pods" in found["GPUs"]["problem"]


def test_engines_over_nodes_need_grove_or_lws(cluster, nodes, checked):
    mend(cluster)
    nodes(*[node(f"{cluster.namespace}-{index}", gpus=4) for index in range(6)])

    def span(spec):
        spec["components"][2]["multinode"] = {"nodeCount": 2}
        args = spec["components"][2]["podTemplate"]["spec"]["containers"][0]["args"]
        args[args.index("--tensor-parallel-size") + 1] = "8"

    status, found = checked(dgd(span))
    assert status == 1
    assert "neither Grove nor LeaderWorkerSet" in found["multinode"]["problem"]


def test_a_quota_says_how_much_is_left(cluster, nodes, checked):
    mend(cluster)
    nodes(node(f"{cluster.namespace}-0"), node(f"{cluster.namespace}-1"))
    cluster.put(cluster.path("resourcequotas"), {
        "metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "4"}}})  # fmt: skip
    status, found = checked(dgd())
    assert status == 1
    assert found["quota gpus"]["problem"] == "requests.nvidia.com/gpu: 10 wanted, 4 left"


def test_a_request_is_checked_for_claims_prometheus_and_gpus(cluster, nodes, checked):
    mend(cluster)
    nodes(node(f"{cluster.namespace}-0"))
    claim = {"metadata": {"name": "model-cache"}, "spec": {"accessModes": ["ReadWriteOnce"],
             "resources": {"requests": {"storage": "1Ti"}}}}  # fmt: skip
    assert "does not exist" in checked(REQUEST)[1]["pvc model-cache"]["problem"]
    cluster.put(cluster.path("persistentvolumeclaims"), claim)
    status, found = checked(REQUEST)
    assert status == 1
    assert "is Pending" in found["pvc model-cache"]["problem"]
    assert "ReadWriteMany" in found["pvc model-cache"]["problem"]
    assert "kube-prometheus-stack" in found["Prometheus"]["command"]
    assert found["GPUs"]["problem"] == "totalGpus 64, but only 8 are here"


def test_a_planner_that_scales_by_the_sla_needs_prometheus(cluster, nodes, at, tmp_path):
    planner = {"planner_config.json": json.dumps({"optimization_target": "sla"})}
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "planner-config"},
        "data": planner,
    }
    (tmp_path / "dgd.yaml").write_text(yaml.safe_dump_all([config, dgd()]))
    found = json.loads(at("check", tmp_path, "--format", "json").out)["findings"]
    assert any(one["subject"] == "Prometheus" and one["level"] == "error" for one in found)


def test_a_cache_path_that_is_no_snapshot_is_named(cluster, nodes, checked):
    request = copy.deepcopy(REQUEST)
    request["spec"]["modelCache"]["pvcModelPath"] = "llama"
    cluster.put(cluster.path("persistentvolumeclaims"), {
        "metadata": {"name": "model-cache"}, "spec": {"accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Ti"}}}})  # fmt: skip
    cluster.set_status(cluster.path("persistentvolumeclaims", "model-cache"), {"phase": "Bound"})
    found = checked(request)[1]
    assert found["pvc model-cache"]["level"] == "warning"
    assert "is no snapshot" in found["pvc model-cache"]["problem"]


def test_what_is_wrong_by_itself_is_said_with_its_path(checked):
    request = copy.deepcopy(REQUEST)
    request["spec"]["hardware"]["gpuSku"] = "gb300"
    status, found = checked(request)
    assert status == 1
    assert "not a GPU name that Dynamo's DGDR accepts" in found["spec.hardware.gpuSku"]["problem"]


def test_a_namespace_that_is_missing_or_ending_is_named(cluster, nodes, at):
    found = at("check", GOLDEN, namespace="nobody-made-this")
    assert found.status == 1
    assert "kubectl create namespace nobody-made-this" in found.out
    ending = f"{cluster.namespace}-ending"
    made = cluster.put(f"{CORE}/namespaces", {"metadata": {"name": ending}})
    config = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    cluster.api.create(f"{CORE}/namespaces/{ending}/configmaps", config)
    cluster.api.delete(f"{CORE}/namespaces/{ending}", uid=made["metadata"]["uid"])
    found = at("check", GOLDEN, namespace=ending)
    assert "is being deleted" in found.out
    cluster.api.merge(f"{CORE}/namespaces/{ending}/configmaps/held", {"metadata": {"finalizers": None}})


def test_missing_rights_are_listed_and_no_other_check_suffers(nodes, checked):
    status, found = checked(dgd(), user="stranger")
    assert status == 1
    assert "you may not get dynamographdeployments" in found["rights"]["problem"]
    assert "deploy/cluster/rbac.yaml" in found["operator"]["command"]
