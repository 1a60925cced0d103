"""What every pod of a deployment carries: patience, nodes, secrets, overrides."""

import pytest

from simkit.core.request import Hardware, ModelCache
from simkit.engines.registry import engine_names
from simkit.formats.dgd.render import profiling_job, render_site
from simkit.formats.dgd.site import Site
from simkit.formats.validate import validate_documents

from .cluster_cases import MODEL, agg, components, disagg, main, request


def patience_s(**options):
    probe = main(components(agg("vllm"), request(**options))["worker"])["startupProbe"]
    return probe["periodSeconds"] * probe["failureThreshold"]


PROFILE = {"prefill_raw_data.json": b"{}", "decode_raw_data.json": b"{}", "perf_data.npz": b"PK"}


def test_a_model_that_loads_for_hours_is_given_them():
    assert patience_s() == 7200
    assert patience_s(model_bytes=60e9) == 7200
    downloaded = patience_s(model_bytes=1.3e12)
    assert downloaded == 1.3e12 / 50e6 + 1800
    cached = patience_s(deploy={"model_cache": ModelCache(pvc_name="w")}, model_bytes=1.3e12)
    assert 7200 < cached < downloaded


def test_gpu_nodes_are_selected_for_engines_alone():
    found = components(disagg("vllm"), request(node_selector={"pool": "h200"}, deploy={"planner": {}}))
    chosen = {name for name, c in found.items() if c["podTemplate"]["spec"].get("nodeSelector")}
    assert chosen == {"prefill", "decode"}


def test_pull_secrets_reach_every_pod_from_flags_and_from_the_profiling_job():
    job = {"template": {"spec": {"containers": [], "imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}}
    req = request(pull_secrets=("a",), deploy={"profiling_job": job, "planner": {}})
    for component in components(agg("vllm"), req).values():
        assert component["podTemplate"]["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_the_profiling_job_takes_its_override():
    override = {
        "backoffLimit": 0,
        "template": {
            "spec": {"containers": [], "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}
        },
    }
    deploy = {"profiling_job": override, "model_cache": ModelCache(pvc_name="w")}
    site = Site(deployment=agg("vllm"), request=request(deploy=deploy), model=MODEL, gpus_per_node=8)
    job = profiling_job(site, '{"model": "m"}')
    assert validate_documents([job], "job") == []
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert pod["tolerations"] == override["template"]["spec"]["tolerations"]
    (container,) = pod["containers"]
    assert container["args"] == ["--config", '{"model": "m"}', "--output-dir", "/data"]
    assert {"name": "model-cache", "mountPath": "/opt/model-cache", "readOnly": True} in container[
        "volumeMounts"
    ]


@pytest.mark.parametrize("backend", engine_names())
def test_every_pod_that_loads_the_model_gets_the_token_by_reference(backend):
    for deploy in ({}, {"mocker": True}):
        for component in components(disagg(backend), request(deploy=deploy)).values():
            assert main(component)["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]


def test_our_profiling_data_time_a_mocker_before_any_table():
    deploy = {"mocker": True, "planner": {}}
    req = request(Hardware(gpu="h200_sxm"), deploy, model_cache_job=True)
    site = Site(deployment=disagg("vllm"), request=req, model=MODEL, gpus_per_node=8, profile=PROFILE)
    found = render_site(site)
    kinds = [item["kind"] for item in found]
    assert kinds == ["PersistentVolumeClaim", "Job", "ConfigMap", "ConfigMap", "DynamoGraphDeployment"]
    assert [str(fault) for fault in validate_documents(found, "rendered")] == []
    worker = next(item for item in found[-1]["spec"]["components"] if item["name"] == "decode")
    args = main(worker)["args"]
    path = args[args.index("--planner-profile-data") + 1]
    assert not any(flag.startswith("--ais") for flag in args)
    mounts = {item["name"]: item["mountPath"] for item in main(worker)["volumeMounts"]}
    assert path == f"{mounts[site.profile_name]}/perf_data.npz"
    assert {item["name"] for item in worker["podTemplate"]["spec"]["volumes"]} == set(mounts)
    assert len(mounts) == 2  # the weights' volume, too
