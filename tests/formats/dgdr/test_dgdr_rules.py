"""Rules of a request that involve more than one field, or names that others will act on."""

from pathlib import Path

import pytest

from simkit.catalog.problems import build_problem
from simkit.core.errors import InputError
from simkit.formats.dgdr.read import dgdr_faults, read_document, request_from_document, set_path
from simkit.formats.validate import validate_documents

SEED = Path(__file__).resolve().parents[3] / "experiments" / "faults" / "seeds" / "full.yaml"
FULL = read_document(SEED)
SMALL = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "small"},
    "spec": {"model": "Qwen/Qwen3-32B", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}},
}
BETA = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment"}


def fault(path, value, base=FULL):
    """The one fault that a value at a path causes."""
    (found,) = dgdr_faults(set_path(base, path, value))
    return found


def override(*components, **more):
    return {**BETA, **more, "spec": {"components": list(components)}}


def paths(document):
    return [item.path for item in dgdr_faults(document)]


def warnings(path, value, base=SMALL):
    return request_from_document(set_path(base, path, value), "f").warnings


# --- overrides ------------------------------------------------------------------------------------


def test_an_override_may_only_touch_what_is_generated():
    found = fault("overrides.dgd", override({"name": "gateway"}))
    assert found.path == "spec.overrides.dgd"
    assert "component 'gateway' is not generated" in found.problem
    assert found.remedy == "generated are Frontend, worker, prefill, decode, Planner"


def test_each_wrong_component_is_told():
    document = set_path(
        FULL, "overrides.dgd", override({"name": "deocde"}, {"name": "worker"}, {"name": "x"})
    )
    assert [("deocde" in str(item), "'x'" in str(item)) for item in dgdr_faults(document)] == [
        (True, False),
        (False, True),
    ]


def test_the_planner_can_be_changed_only_where_there_is_one():
    change = override({"name": "Planner", "replicas": 1})
    assert dgdr_faults(set_path(FULL, "overrides.dgd", change)) == []
    assert "not generated" in fault("overrides.dgd", change, SMALL).problem
    off = set_path(FULL, "features.planner.enabled", False)
    assert "not generated" in fault("overrides.dgd", change, off).problem


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({**BETA, "spec": {"services": {}}}, "spec.overrides.dgd.spec.services", "v1alpha1"),
        ({**BETA, "spec": []}, "spec.overrides.dgd.spec", "a mapping"),
        ({**BETA, "sepc": {}}, "spec.overrides.dgd.sepc", "did you mean spec?"),
        ({**BETA, "metadata": {"name": "n" * 38}}, "spec.overrides.dgd.metadata.name", "at most 37"),
        (
            {**BETA, "metadata": {"labels": {"a": 1}}},
            "spec.overrides.dgd.metadata.labels",
            "mapping of texts",
        ),
        (override({"name": "decode", "type": "frontend"}), "spec.overrides.dgd", "cannot be changed"),
        (override({"replicas": 1}), "spec.overrides.dgd", "has no name"),
        (
            override(
                {"name": "decode", "podTemplate": {"spec": {"containers": [{"name": "main", "args": 1}]}}}
            ),
            "spec.overrides.dgd.spec.components[decode].podTemplate.spec.containers[main].args",
            "a list of texts",
        ),
    ],
)
def test_faulty_overrides(change, path, words):
    found = fault("overrides.dgd", change)
    assert found.path == path
    assert words in str(found)


def test_an_override_is_not_bottomless():
    deep = {}
    for _ in range(60):
        deep = {"a": deep}
    assert (
        "nested deeper than 50"
        in fault("overrides.dgd", override({"name": "decode", "podTemplate": deep})).problem
    )


def test_names_of_older_releases_are_read_with_a_warning():
    (warning,) = [
        text for text in warnings("overrides.dgd", override({"name": "VllmDecodeWorker"})) if "dgd" in text
    ]
    assert "write worker, prefill or decode" in warning


@pytest.mark.parametrize(
    ("job", "path", "words"),
    [
        ({"spec": {}}, "spec.overrides.profilingJob.spec", "unknown key"),
        (
            {"template": {"tolerations": []}},
            "spec.overrides.profilingJob.template.tolerations",
            "unknown key",
        ),
        ({"template": []}, "spec.overrides.profilingJob.template", "a mapping"),
        ({"template": {"spec": 1}}, "spec.overrides.profilingJob.template.spec", "a mapping"),
    ],
)
def test_the_jobs_frame(job, path, words):
    found = fault("overrides.profilingJob", job)
    assert found.path == path
    assert words in found.problem


@pytest.mark.parametrize(
    ("toleration", "key", "words"),
    [
        ({"key": "a", "operator": "exists"}, "operator", "Exists, Equal"),
        ({"key": "a", "operator": "Exists", "value": "b"}, "value", "none may be given"),
        ({"key": "a", "operator": "Exists", "effect": "NoRun"}, "effect", "NoSchedule"),
        ({"key": "a", "value": 1}, "value", "a text"),
        ({"operator": "Equal", "value": "b"}, "operator", "must have operator Exists"),
        ({"key": "a", "tolerationSeconds": "9"}, "tolerationSeconds", "a whole number"),
        ({"key": "a", "efect": "NoSchedule"}, "efect", "unknown key"),
    ],
)
def test_tolerations_are_kubernetes(toleration, key, words):
    found = fault("overrides.profilingJob.template.spec.tolerations", [toleration])
    assert found.path == f"spec.overrides.profilingJob.template.spec.tolerations[0].{key}"
    assert words in str(found)


def test_the_placeholder_for_containers_is_kubernetes_wish():
    """`recommend` does without it, a cluster does not."""
    document = set_path(SMALL, "overrides.profilingJob", {"template": {"spec": {"tolerations": []}}})
    assert dgdr_faults(document) == []
    (found,) = validate_documents([document], "f")
    assert found.path == "spec.overrides.profilingJob.template.spec.containers"
    assert found.remedy == "write containers: []"


# --- the Planner's engine -------------------------------------------------------------------------

BY_LOAD = {
    "optimization_target": "load",
    "prefill_scale_up_queue_tokens": 4000,
    "prefill_scale_down_queue_tokens": 1000,
    "decode_scale_up_kv_rate": 80,
    "decode_scale_down_kv_rate": 40,
}


@pytest.mark.parametrize("backend", ["sglang", "trtllm"])
@pytest.mark.parametrize(
    ("planner", "key"),
    [
        (BY_LOAD, "optimization_target"),
        ({"enable_load_scaling": True}, "enable_load_scaling"),
    ],
)
def test_scaling_by_load_needs_vllm(backend, planner, key):
    base = set_path(SMALL, "backend", backend)
    found = fault("features.planner", planner, base)
    assert found.path == f"spec.features.planner.{key}"
    assert "set spec.backend to vllm" in found.remedy
    for fine in ({**planner, "enabled": False}, {"optimization_target": "latency"}, {}):
        assert dgdr_faults(set_path(base, "features.planner", fine)) == []
    assert dgdr_faults(set_path(set_path(base, "backend", "vllm"), "features.planner", planner)) == []


def test_scaling_by_load_leaves_auto_only_vllm():
    request = request_from_document(set_path(SMALL, "features.planner", BY_LOAD), "f")
    problem = build_problem(request)
    assert [model.engine.backend for model in problem.engines] == ["vllm"]
    assert any("forward-pass metrics" in text for text in problem.request.warnings)
    plain = build_problem(request_from_document(set_path(SMALL, "features.planner", {}), "f"))
    assert {model.engine.backend for model in plain.engines} == {"vllm", "sglang", "trtllm"}


def test_a_mocker_needs_a_sweep():
    base = set_path(SMALL, "features.mocker", {"enabled": True})
    found = fault("features.planner", {"pre_deployment_sweeping_mode": "none"}, base)
    assert found.path == "spec.features.planner.pre_deployment_sweeping_mode"
    assert dgdr_faults(set_path(SMALL, "features.planner", {"pre_deployment_sweeping_mode": "none"})) == []


# --- the model's volume ---------------------------------------------------------------------------


def cache_of(path, mount="/opt/model-cache"):
    block = {"pvcName": "w", "pvcModelPath": path, "pvcMountPath": mount}
    return request_from_document(set_path(SMALL, "modelCache", block), "f")


@pytest.mark.parametrize(
    ("path", "mount", "read"),
    [
        ("qwen", "/opt/model-cache", "qwen"),
        ("/opt/model-cache/qwen", "/opt/model-cache", "/opt/model-cache/qwen"),
        ("opt/model-cache/qwen", "/opt/model-cache", "/opt/model-cache/qwen"),
        ("opt/model-cache", "/opt/model-cache/", "/opt/model-cache"),
        ("opt/model-cached/qwen", "/opt/model-cache", "opt/model-cached/qwen"),
        ("models/qwen", "/models", "models/qwen"),  # a folder of that name may well be there
    ],
)
def test_the_mount_is_never_doubled(path, mount, read):
    request = cache_of(path, mount)
    assert request.deploy.model_cache.pvc_model_path == read
    assert any("repeats pvcMountPath" in text for text in request.warnings) == (read != path)


@pytest.mark.parametrize(
    ("path", "fine"),
    [
        ("hub/models--Qwen--Qwen3-32B/snapshots/abc", True),
        ("models--Qwen--Qwen3-32B/snapshots/abc/", True),
        ("hub/models--Qwen--Qwen3-32B", False),
        ("hub/models--Qwen--Qwen3-32B/snapshots", False),
        ("hub/models--Qwen--Qwen3-32B/refs/main", False),
        ("plain/folder", True),
    ],
)
def test_a_path_into_a_hugging_face_cache_must_reach_a_snapshot(path, fine):
    if fine:
        assert cache_of(path)
        return
    with pytest.raises(InputError, match="write hub/models--Qwen--Qwen3-32B/snapshots/<commit-hash>"):
        cache_of(path)


def test_mount_and_path_are_both_told():
    with pytest.raises(
        InputError, match=r"pvcMountPath: expected an absolute path.*pvcModelPath: .*by '\.\.'"
    ):
        cache_of("a/../../b", "relative")


def test_another_models_cache_is_noticed():
    warnings = cache_of("hub/models--Qwen--Qwen3-8B/snapshots/abc").warnings
    assert any("is the cache of models--Qwen--Qwen3-8B, but spec.model is" in text for text in warnings)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image", "registry/planner:1.6.1 "),
        ("image", "registry/planner:1.6.1;x"),
        ("model", "a\nb"),
        ("model", "-x"),
        ("modelCache.pvcName", "Model_Cache"),
        ("metadata.namespace", "two.labels"),
    ],
)
def test_names_that_others_would_choke_on(path, value):
    found = fault(path, value)
    assert found.path == (path if path.startswith("metadata") else f"spec.{path}")


def test_numbers_too_large_are_faults_of_their_field():
    assert fault("workload.isl", 2 * 10**9).problem == "must be below 1e9, got 2000000000"
    assert fault("sla.itl", 1e11).problem == "must be below 1e10, got 100000000000.0"
