"""v1alpha1 requests: the same Request as from v1beta1, and no value lost in silence."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.core.request import ModelCache
from simkit.core.slo import Slo
from simkit.formats.dgdr.alpha import DEPRECATED
from simkit.formats.dgdr.read import dgdr_faults, read_document, request_from_document, set_path
from simkit.formats.validate import validate_documents

SEED = Path(__file__).resolve().parents[3] / "experiments" / "faults" / "seeds" / "v1alpha1.yaml"
ALPHA = read_document(SEED)
SMALL = {
    "apiVersion": "nvidia.com/v1alpha1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "small"},
    "spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm", "profilingConfig": {"profilerImage": "a/b:1.0.0"}},
}


CONFIG = "spec.profilingConfig.config"


def changed(path, value, base=ALPHA):
    return set_path(base, f"spec.{path}", value)


def config(path, value, base=SMALL):
    return changed(f"profilingConfig.config.{path}", value, base)


def test_every_field_arrives():
    request = request_from_document(ALPHA, "old.yaml")
    assert (request.model, request.backend, request.auto_apply) == ("Qwen/Qwen3-32B", "trtllm", True)
    assert (request.workload.isl_tokens, request.workload.osl_tokens) == (4000, 500)
    assert request.slo == Slo(ttft_s=0.3, itl_s=0.01)
    assert (request.hardware.gpu, request.hardware.gpus_per_node) == ("h200_sxm", 8)
    assert request.search_strategy == "rapid"
    deploy = request.deploy
    assert deploy.image == "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.0.0"
    assert deploy.model_cache == ModelCache(
        pvc_name="cache", pvc_model_path="models/qwen", pvc_mount_path="/opt/model-cache"
    )
    assert deploy.planner == {"optimization_target": "sla"}
    assert deploy.tolerations == ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
    pod = deploy.profiling_job["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["containers"] == [{"name": "profiler", "resources": {"requests": {"cpu": "4"}}}]
    assert deploy.dgd_override["metadata"] == {"name": "older-dgd", "labels": {"a": "b"}}


def test_what_is_left_behind_is_named():
    warnings = request_from_document(ALPHA, "old.yaml").warnings
    assert warnings[0] == DEPRECATED
    left = {warning.split(" ")[0] for warning in warnings if "not carried over" in warning}
    assert left == {
        "spec.enableGpuDiscovery",
        "spec.profilingConfig.outputPVC",
        "spec.profilingConfig.configMapRef.name",
        "spec.profilingConfig.configMapRef.key",
        f"{CONFIG}.hardware.minNumGpusPerEngine",
        f"{CONFIG}.hardware.maxNumGpusPerEngine",
        f"{CONFIG}.sweep.aicHfId",
        "spec.deploymentOverrides.namespace",
        "spec.deploymentOverrides.workersImage",
    }
    assert all(": " in warning for warning in warnings[1:])


def test_the_same_request_as_in_v1beta1():
    beta = {
        **SMALL,
        "apiVersion": "nvidia.com/v1beta1",
        "spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm", "image": "a/b:1.0.0", "autoApply": False},
    }
    old, new = (request_from_document(document, "f") for document in (SMALL, beta))
    assert replace(old, warnings=()) == replace(new, warnings=())
    assert old.warnings == (DEPRECATED, *new.warnings)


def test_nothing_is_applied_unless_asked():
    """The default of the old version, opposite to today's."""
    assert request_from_document(SMALL, "f").auto_apply is False
    assert request_from_document(changed("autoApply", True, SMALL), "f").auto_apply is True


@pytest.mark.parametrize(("simulated", "strategy"), [(True, "rapid"), (False, "thorough"), (None, "rapid")])
def test_the_sweep_says_the_strategy(simulated, strategy):
    document = config("sweep.useAiConfigurator", simulated)
    assert request_from_document(document, "f").search_strategy == strategy


@pytest.mark.parametrize("key", ["numGpusPerNode", "num_gpus_per_node"])
def test_both_spellings_of_the_profilers_keys(key):
    assert request_from_document(config(f"hardware.{key}", 4), "f").hardware.gpus_per_node == 4


def test_a_second_source_that_disagrees_is_named():
    document = config("hardware.gpuModel", "H100-SXM5-80GB", config("sweep.aicSystem", "h200_sxm"))
    request = request_from_document(document, "f")
    assert request.hardware.gpu == "h100_sxm"
    assert any("sweep.aicSystem" in warning for warning in request.warnings)
    agreeing = config("hardware.gpuModel", "h200_sxm", config("sweep.aicSystem", "h200_sxm"))
    assert not any("aicSystem" in warning for warning in request_from_document(agreeing, "f").warnings)


def test_the_mocker():
    assert request_from_document(changed("useMocker", True, SMALL), "f").deploy.mocker is True


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        (config("sla.ttft", 300), f"{CONFIG}.sla", "ttft is given without itl"),
        (config("sla", {"ttft": -1, "itl": 3}), f"{CONFIG}.sla.ttft", "must be above 0"),
        (config("sla.isl", "long"), f"{CONFIG}.sla.isl", "a whole number"),
        (config("hardware.gpuModel", "h2000"), f"{CONFIG}.hardware.gpuModel", "unknown GPU"),
        (config("sweep.useAiConfigurator", "yes"), f"{CONFIG}.sweep.useAiConfigurator", "rapid"),
        (
            config("deployment.modelCache", {"pvcName": "a", "modelPathInPvc": "../b"}),
            f"{CONFIG}.deployment.modelCache.modelPathInPvc",
            "leaves the volume",
        ),
        (
            config("deployment.modelCache", {"modelPathInPvc": "b"}),
            f"{CONFIG}.deployment.modelCache.pvcName",
            "required",
        ),
        (
            changed("profilingConfig.profilerImage", "a/b:latest", SMALL),
            "spec.runtimeVersionOverride",
            "required, because the tag",
        ),
        (changed("profilingConfig.tolerations", [1]), "spec.profilingConfig.tolerations[0]", "a mapping"),
        (changed("profilingConfig.config", [1]), "spec.profilingConfig.config", "a mapping"),
        (changed("deploymentOverrides.name", "Not_ok"), "spec.deploymentOverrides.name", "lower-case"),
        (changed("workload", {}), "spec.workload", "a field of v1beta1"),
        (changed("profillingConfig", {}), "spec.profillingConfig", "unknown key"),
        (changed("profilingConfig.profilerImag", "x"), "spec.profilingConfig.profilerImag", "unknown key"),
        (changed("profilingConfig", "x"), "spec.profilingConfig", "a mapping"),
        ({**ALPHA, "spec": None}, "spec", "a mapping"),
        (changed("backend", "vlm"), "spec.backend", "did you mean vllm?"),
    ],
)  # fmt: skip
def test_faults_are_told_where_the_author_wrote_them(document, path, words):
    before = copy.deepcopy(document)
    found = [fault for fault in dgdr_faults(document) if fault.path == path]
    assert found, dgdr_faults(document)
    assert words in str(found[0])
    assert document == before
    assert validate_documents([document], "f") == dgdr_faults(document)
    with pytest.raises(InputError, match=r"^old\.yaml: "):
        request_from_document(document, "old.yaml")
