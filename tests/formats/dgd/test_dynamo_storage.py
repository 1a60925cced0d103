"""Volumes and the Jobs that fill them: weights and compiled kernels."""

import pytest

from simkit.core.errors import InputError
from simkit.core.request import Hardware, ModelCache
from simkit.engines.registry import engine_names
from simkit.formats.dgd.read import parse_dgd

from .cluster_cases import MODEL, agg, disagg, documents, env, request

SNAPSHOT = "hub/models--org--model/snapshots/abc123"


def cache_job(cache=None, **cluster):
    req = request(deploy={"model_cache": cache, "namespace": "ml"}, model_cache_job=True, **cluster)
    found = documents(disagg("vllm"), req)
    assert [item["kind"] for item in found[:2]] == ["PersistentVolumeClaim", "Job"]
    return found


def job_env(found):
    (container,) = found[1]["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"]}


def test_the_claim_is_shared_and_has_room_for_the_weights():
    claim = cache_job(storage_class="nfs", model_bytes=100 * 2**30)[0]
    assert claim["metadata"] == {
        "name": "model-cache",
        "namespace": "ml",
        "labels": {"app.kubernetes.io/managed-by": "simkit"},
    }
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "nfs",
        "resources": {"requests": {"storage": "120Gi"}},
    }
    assert cache_job()[0]["spec"]["resources"]["requests"]["storage"] == "100Gi"


def test_the_job_fills_the_volume_that_every_pod_reads():
    found = cache_job()
    assert job_env(found) == {"MODEL_NAME": MODEL, "HF_HOME": "/opt/model-cache"}
    pod = found[1]["spec"]["template"]["spec"]
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]
    assert MODEL not in " ".join(pod["containers"][0]["command"])
    for component in found[-1]["spec"]["components"]:
        (volume,) = component["podTemplate"]["spec"]["volumes"]
        assert (
            volume["persistentVolumeClaim"]["claimName"]
            == pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
        )
        assert env(component)["HF_HOME"] == "/opt/model-cache"


def test_the_download_lands_where_engines_look():
    snapshot = ModelCache(pvc_name="w", pvc_model_path=SNAPSHOT, pvc_mount_path="/cache")
    found = job_env(cache_job(snapshot))
    assert (found["HF_HOME"], found["MODEL_REVISION"]) == ("/cache", "abc123")
    folder = job_env(cache_job(ModelCache(pvc_name="w", pvc_model_path="models/m")))
    assert folder["MODEL_DIR"] == "/opt/model-cache/models/m"
    assert "MODEL_REVISION" not in folder


def test_a_placeholder_hash_cannot_be_downloaded():
    cache = ModelCache(pvc_name="w", pvc_model_path="hub/models--o--m/snapshots/<commit-hash>")
    with pytest.raises(InputError, match="holds a placeholder"):
        cache_job(cache)


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("backend", engine_names())
def test_a_compilation_cache_is_one_claim_for_all_replicas(backend, version):
    req = request(compilation_cache="compiled")
    document = documents(agg(backend), req, version=version)[-1]
    assert parse_dgd([document], source="rendered").deployment == agg(backend)
    if version == "v1alpha1":
        assert {"name": "compiled", "create": False} in document["spec"]["pvcs"]
        assert document["spec"]["services"]["worker"]["volumeMounts"] == [
            {
                "name": "compiled",
                "mountPoint": "/home/dynamo/.cache/compilation",
                "useAsCompilationCache": True,
            }
        ]
        return
    worker = document["spec"]["components"][1]
    assert worker["compilationCache"]["pvcName"] == "compiled"
    variables = [
        value for value in env(worker).values() if value.startswith("/home/dynamo/.cache/compilation")
    ]
    assert bool(variables) == (backend != "vllm"), "the operator sets vLLM's itself"


def test_extended_resources_are_custom_in_v1alpha1():
    document = documents(disagg("vllm"), request(Hardware(rdma=True)), version="v1alpha1")[-1]
    limits = document["spec"]["services"]["decode"]["resources"]["limits"]
    assert limits == {"gpu": "2", "custom": {"rdma/ib": "2"}}
