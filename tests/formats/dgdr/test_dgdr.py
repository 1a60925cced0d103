"""DGDR documents: what is accepted and what it means, and how each mistake is told."""

import json
import math
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.core.request import Hardware, ModelCache
from simkit.core.slo import Slo
from simkit.formats.dgdr.model import NO_SLA, known_keys
from simkit.formats.dgdr.read import (
    dgdr_faults,
    read_document,
    read_request,
    request_from_document,
    request_to_document,
    set_path,
)
from simkit.formats.dgdr.skus import GPU_SKUS
from simkit.formats.validate import validate_documents

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
GUIDE = ROOT / "experiments" / "guide"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")

FULL = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "full", "namespace": "ml", "labels": {"team": "a"}, "uid": "from the cluster"},
    "spec": {
        "model": "Qwen/Qwen3-32B",
        "backend": "vllm",
        "image": "registry.example:5000/ai/dynamo-planner:1.6.1",
        "runtimeVersionOverride": "1.6.0",
        "modelCache": {"pvcName": "weights", "pvcModelPath": "qwen", "pvcMountPath": "/models"},
        "hardware": {
            "gpuSku": "h200_sxm",
            "vramMb": 143771,
            "totalGpus": 16,
            "numGpusPerNode": 8,
            "interconnect": "nvlink",
            "rdma": True,
        },
        "workload": {"isl": 3000, "osl": 150, "concurrency": 12.5},
        "sla": {"ttft": 250, "itl": 12.5, "optimizationType": "latency"},
        "overrides": {
            "profilingJob": {
                "template": {
                    "spec": {"containers": [], "tolerations": [{"key": "gpu", "operator": "Exists"}]}
                }
            },
            "trustRemoteCode": True,
            "dgd": {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment"},
        },
        "features": {
            "planner": {"enabled": True, "optimization_target": "sla"},
            "kvRouter": {"enabled": True},
            "mocker": {"enabled": False},
        },
        "searchStrategy": "thorough",
        "autoApply": False,
    },
    "status": {"phase": "Ready"},
}


def changed(path, value, base=FULL):
    return set_path(base, path, value)


def message(document):
    with pytest.raises(InputError) as caught:
        request_from_document(document, "f.yaml")
    text = str(caught.value)
    assert text.startswith("f.yaml: ")
    assert "\n" not in text
    return text


def test_every_field_arrives_in_si():
    request = request_from_document(FULL, "f.yaml")
    assert request.model == "Qwen/Qwen3-32B"
    assert request.backend == "vllm"
    assert request.hardware == Hardware(
        gpu="h200_sxm", total_gpus=16, gpus_per_node=8, vram_mb=143771, interconnect="nvlink", rdma=True
    )
    assert (request.workload.isl_tokens, request.workload.osl_tokens) == (3000, 150)
    assert request.workload.concurrency == 12.5
    assert request.slo == Slo(ttft_s=0.25, itl_s=0.0125)
    assert request.optimization == "latency"
    assert request.search_strategy == "thorough"
    assert request.auto_apply is False
    deploy = request.deploy
    assert (deploy.name, deploy.namespace) == ("full", "ml")
    assert deploy.model_cache == ModelCache(
        pvc_name="weights", pvc_model_path="qwen", pvc_mount_path="/models"
    )
    assert deploy.planner == {"optimization_target": "sla"}
    assert (deploy.kv_router, deploy.mocker, deploy.trust_remote_code) == (True, False, True)
    assert deploy.tolerations == ({"key": "gpu", "operator": "Exists"},)
    assert without_planner(request.warnings) == []


def test_only_the_model_is_needed():
    request = read_request(GUIDE / "qwen-small.yaml")
    assert request.model == "Qwen/Qwen3-0.6B"
    assert (request.backend, request.search_strategy, request.auto_apply) == ("auto", "rapid", True)
    assert (request.workload.isl_tokens, request.workload.osl_tokens) == (4000, 1000)
    assert (request.workload.concurrency, request.workload.request_rate_per_s) == (None, None)
    assert request.slo == Slo(ttft_s=2.0, itl_s=0.03, assumed=True)
    assert request.warnings == (NO_SLA,)
    assert request.deploy.planner is None
    assert request.deploy.model_cache is None


def test_the_guides_dense_example():
    request = read_request(GUIDE / "llama-70b.yaml")
    assert request.slo == Slo(ttft_s=0.5, itl_s=0.05)
    assert request.workload.request_rate_per_s == 10
    assert request.auto_apply is False
    assert request.deploy.planner == {}
    (warning,) = request.warnings
    assert "<commit-hash>" in warning
    assert "replace it" in warning


def test_the_guides_moe_example():
    request = read_request(GUIDE / "deepseek-r1.yaml")
    assert (request.backend, request.search_strategy) == ("sglang", "thorough")
    assert request.hardware.total_gpus == 32
    assert request.deploy.tolerations == (
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    )


@pytest.mark.parametrize("name", ["qwen-small", "llama-70b", "deepseek-r1"])
def test_the_guides_examples_have_no_fault(name):
    assert validate_documents([read_document(GUIDE / f"{name}.yaml")], name) == []


@needs_shared
def test_the_guides_examples_are_as_printed():
    lines = (SHARED / "reference" / "deployment-guide.txt").read_text().splitlines()
    printed = [line.lstrip("0123456789 ").strip() for line in lines]
    for name in ("qwen-small", "llama-70b", "deepseek-r1"):
        ours = [line.strip() for line in (GUIDE / f"{name}.yaml").read_text().splitlines()]
        ours = [line for line in ours if not line.startswith("#")]
        start = next(i for i in range(len(printed)) if printed[i : i + len(ours)] == ours)
        assert printed[start + len(ours)] == ""


@needs_shared
def test_requests_that_the_real_profiler_took_are_accepted():
    files = sorted((SHARED / "examples" / "dgd" / "profiler_1.6.1").glob("*.dgdr.yaml"))
    assert len(files) == 11
    for path in files:
        request = read_request(path)
        assert request.slo == Slo(ttft_s=2.0, itl_s=0.03)
        assert without_planner(request.warnings) == []
        assert validate_documents([read_document(path)], str(path)) == []


@needs_shared
def test_the_model_has_the_fields_of_the_published_schema():
    path = SHARED / "schemas" / "dgdr_v1beta1.pydantic-1.6.1.schema.json"
    definitions = json.loads(path.read_text())["$defs"]
    blocks = {
        "spec": "DynamoGraphDeploymentRequestSpec",
        "spec.hardware": "HardwareSpec",
        "spec.workload": "WorkloadSpec",
        "spec.sla": "SLASpec",
        "spec.modelCache": "ModelCacheSpec",
        "spec.overrides": "OverridesSpec",
        "spec.features": "FeaturesSpec",
        "spec.features.kvRouter": "KVRouterSpec",
        "spec.features.mocker": "MockerSpec",
    }
    ours = known_keys()
    for block, name in blocks.items():
        assert sorted(ours[block]) == sorted(definitions[name]["properties"]), block
    assert sorted(GPU_SKUS) == sorted(definitions["GPUSKUType"]["enum"])


def test_null_is_not_given():
    spec = {"model": "m", **dict.fromkeys(known_keys()["spec"][1:])}
    request = request_from_document({**FULL, "spec": spec}, "f.yaml")
    assert (request.backend, request.auto_apply) == ("auto", True)
    assert request.deploy.planner is None


@pytest.mark.parametrize(
    ("planner", "expected"),
    [
        ({"enabled": False, "mode": "disagg"}, None),
        ({"enabled": True}, {}),
        ({}, {}),
        (None, None),
        ({"mode": "agg"}, {"mode": "agg"}),
    ],
)
def test_the_planner_is_on_by_presence_unless_disabled(planner, expected):
    request = request_from_document(changed("features.planner", planner), "f.yaml")
    assert request.deploy.planner == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.slas", {}, "spec.slas: unknown key; did you mean sla?"),
        ("features.kvRouter", {"enable": True}, "spec.features.kvRouter.enable: unknown key; did you mean"),
        ("backend", "vlm", "spec.backend: expected one of auto, sglang, trtllm, vllm, got 'vlm'; did you"),
        ("model", "", "spec.model: must not be empty"),
        ("model", None, "spec.model: expected a text, got None"),
        ("workload.isl", "4000", "spec.workload.isl: expected a whole number, got '4000'"),
        ("workload.isl", 0, "spec.workload.isl: must be above 0, got 0"),
        ("workload.isl", 1.5, "spec.workload.isl: expected a whole number, got 1.5"),
        ("workload", [1], "spec.workload: expected a mapping, got a list"),
        ("sla.ttft", -5, "spec.sla.ttft: must be above 0, got -5"),
        ("sla.ttft", math.inf, "spec.sla.ttft: expected a finite number"),
        ("sla.ttft", True, "spec.sla.ttft: expected a number, got True"),
        ("hardware.totalGpus", 0, "spec.hardware.totalGpus: must be above 0"),
        ("hardware.gpuSku", "h200", None),
        ("hardware.gpuSku", "h999_xyz", "spec.hardware.gpuSku: unknown GPU 'h999_xyz'"),
        ("autoApply", "yes", "spec.autoApply: expected true or false, got 'yes'"),
        ("runtimeVersionOverride", "1.6", "spec.runtimeVersionOverride: must be MAJOR.MINOR.PATCH"),
        ("runtimeVersionOverride", "01.6.1", "spec.runtimeVersionOverride: must be MAJOR.MINOR.PATCH"),
        ("metadata.name", "Not_ok", "metadata.name: must be lower-case letters"),
        ("modelCache.pvcName", None, "spec.modelCache.pvcName: required when spec.modelCache is given"),
        ("modelCache.pvcModelPath", "/elsewhere", "spec.modelCache.pvcModelPath: absolute path"),
        ("modelCache.pvcModelPath", "../up", "spec.modelCache.pvcModelPath: '../up' leaves the volume"),
        ("modelCache.pvcModelPath", "/models/qwen", None),
        ("modelCache.pvcModelPath", "/modelsqwen", "spec.modelCache.pvcModelPath: absolute path"),
        ("modelCache.pvcMountPath", "models", "spec.modelCache.pvcMountPath: expected an absolute path"),
        ("features.planner", {"enabled": "no"}, "spec.features.planner.enabled: expected true or false"),
        ("features.planner", [], "spec.features.planner: expected a mapping, got a list"),
        ("overrides.dgd", {"spec": {}}, "spec.overrides.dgd.apiVersion: expected one of"),
        ("overrides.profilingJob.template.spec.tolerations", [1], "tolerations[0]: expected a mapping"),
    ],
)  # fmt: skip
def test_faults_name_the_path_what_was_expected_and_the_remedy(path, value, expected):
    document = changed(path, value)
    if expected is None:
        assert request_from_document(document, "f.yaml")
    else:
        assert expected in message(document)


def test_thorough_needs_an_engine():
    assert "set spec.backend to vllm, sglang or trtllm" in message(changed("backend", "auto"))


def test_concurrency_and_request_rate_exclude_each_other():
    assert "spec.workload: concurrency and requestRate are both given" in message(
        changed("workload.requestRate", 3)
    )


@pytest.mark.parametrize("name", ["ttft", "itl"])
def test_ttft_and_itl_come_as_a_pair(name):
    lone = changed(f"sla.{name}", None)
    assert "Dynamo takes them as a pair" in message(lone)
    assert len(request_from_document(lone, "f", paired=False).slo.bounds) == 1


@pytest.mark.parametrize(
    ("name", "value", "meant"), [("ttft", 0.5, "500"), ("itl", 0.03, "30"), ("ttft", 2, "2000")]
)
def test_a_bound_that_looks_like_seconds_is_questioned(name, value, meant):
    found = message(changed(f"sla.{name}", value))
    assert f"spec.sla.{name}: {value:g} ms looks like seconds" in found
    assert f"write {meant} for {value:g} s" in found


def test_e2e_latency_stands_alone():
    assert "e2eLatency cannot go together with ttft and itl" in message(changed("sla.e2eLatency", 3000))
    alone = changed("sla", {"e2eLatency": 3000})
    assert request_from_document(alone, "f").slo == Slo(e2e_s=3.0)


@pytest.mark.parametrize("image", ["x/dynamo-planner:latest", "x/dynamo-planner", "x/p@sha256:" + "0" * 64])
def test_an_image_without_a_version_needs_one(image):
    document = changed("runtimeVersionOverride", None, changed("image", image))
    assert "spec.runtimeVersionOverride: required" in message(document)
    assert request_from_document(changed("image", image), "f")  # FULL gives the override


@pytest.mark.parametrize("image", ["x/p:1.6.1", "x/p:v1.6.1", "x:5000/p:1.7.0-dev.3", "x/p:1.6.1rc2"])
def test_an_image_with_a_version_says_it_itself(image):
    document = changed("runtimeVersionOverride", None, changed("image", image))
    if image.endswith("rc2"):
        assert "required" in message(document)
    else:
        assert request_from_document(document, "f")


def test_all_faults_come_at_once_in_one_line():
    document = changed("sla.ttft", -1, changed("workload.islx", 3, changed("hardware.gpuSku", "h999_xyz")))
    text = message(document)
    for part in ("spec.sla.ttft", "spec.workload.islx", "spec.hardware.gpuSku"):
        assert part in text
    assert len(dgdr_faults(document)) == 3


def without_planner(warnings):
    return [text for text in warnings if "features.planner" not in text]


@pytest.mark.parametrize(
    ("written", "meant", "why"),
    [
        ("H100-SXM5-80GB", "h100_sxm", "does not accept that name"),
        ("gb200_sxm", "gb200", "deprecated"),
        ("h800_sxm", "h800_sxm", "does not accept that name"),
    ],
)
def test_gpu_names_are_put_right_with_a_warning(written, meant, why):
    document = changed("hardware.gpuSku", written)
    request = request_from_document(document, "f")
    assert request.hardware.gpu == meant
    (warning,) = without_planner(request.warnings)
    assert repr(written) in warning
    assert why in warning
    # What simkit reads with a warning, Dynamo's own API refuses, except for the old spelling.
    assert bool(dgdr_faults(document, as_crd=True)) == (written != "gb200_sxm")


def test_a_cache_without_a_path_is_told():
    found = request_from_document(changed("modelCache", {"pvcName": "w"}), "f").warnings
    (warning,) = without_planner(found)
    assert "HF_HOME" in warning


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({"kind": "DynamoGraphDeployment"}, "kind: expected DynamoGraphDeploymentRequest"),
        ({"apiVersion": "nvidia.com/v1alpha1"}, "spec.workload: a field of v1beta1 in a v1alpha1 request"),
        ({"apiVersion": "v2"}, "apiVersion: expected nvidia.com/v1beta1, got 'v2'"),
        ({"spec": None}, "spec: expected a mapping, got None"),
        ({"metadata": {}}, "metadata.name: required but missing"),
        ({"extra": 1}, "extra: unknown key"),
    ],
)
def test_the_envelope(top, expected):
    assert expected in message({**FULL, **top})


@pytest.mark.parametrize("name", ["qwen-small", "llama-70b", "deepseek-r1"])
def test_request_to_document_round_trips_the_guide(name):
    request = read_request(GUIDE / f"{name}.yaml")
    document = request_to_document(request)
    assert dgdr_faults(document) == []
    assert request_from_document(document, request.source) == request


def test_request_to_document_round_trips_every_field():
    request = request_from_document(FULL, "f")
    document = request_to_document(request)
    assert document["spec"]["sla"] == {"ttft": 250, "itl": 12.5, "optimizationType": "latency"}
    assert request_from_document(document, "f") == request
