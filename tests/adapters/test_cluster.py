"""What the cluster decides: network, gang scheduling, storage, start-up, releases."""

import json

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.adapters.dynamo import render, render_site
from simkit.adapters.dynamo_job import profiling_job
from simkit.adapters.dynamo_network import fabric_hint, fabric_of
from simkit.adapters.dynamo_site import Site
from simkit.adapters.multinode import EngineShape, launch, launch_problem
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.engine import BACKENDS, default_engine
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import ClusterOptions, DeployOptions, Hardware, ModelCache, Request
from simkit.io.dgd import parse_dgd
from simkit.io.validate import validate_documents

MODEL = "org/model; rm -rf /"  # names reach no shell
SNAPSHOT = "hub/models--org--model/snapshots/abc123"
PLAIN = ParallelPlan(tp=2)


def pool(backend, plan=PLAIN, replicas=1):
    return Pool(plan=plan, engine=default_engine(backend), replicas=replicas)


def agg(backend, plan=PLAIN):
    return Aggregated(worker=pool(backend, plan))


def disagg(backend, decode=PLAIN):
    return Disaggregated(prefill=pool(backend), decode=pool(backend, decode))


def request(hardware=None, deploy=None, **cluster):
    options = DeployOptions(name="demo", cluster=ClusterOptions(**cluster), **(deploy or {}))
    return Request(model="m", hardware=hardware or Hardware(), deploy=options)


def documents(deployment, req, **changes):
    settings = {"model": MODEL, "gpus_per_node": 8, "total_gpus": 32, **changes}
    found = render(deployment, req, **settings)
    assert [str(fault) for fault in validate_documents(found, "rendered")] == []
    return found


def components(deployment, req, **changes):
    return {c["name"]: c for c in documents(deployment, req, **changes)[-1]["spec"]["components"]}


def main(component):
    (container,) = component["podTemplate"]["spec"]["containers"]
    return container


def env(component):
    return {item["name"]: item["value"] for item in main(component).get("env", [])}


# --- network ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rdma", "interconnect", "expected"),
    [
        (None, None, None),
        (False, "infiniband", None),
        (None, "nvlink", None),
        (True, None, "infiniband"),
        (True, "nvlink", "infiniband"),
        (None, "InfiniBand", "infiniband"),
        (None, "ib", "infiniband"),
        (True, "RoCEv2", "roce"),
        (None, "efa", "efa"),
    ],
)
def test_the_fabric_is_what_the_hardware_block_says(rdma, interconnect, expected):
    fabric = fabric_of(Hardware(rdma=rdma, interconnect=interconnect))
    assert (fabric and fabric.name) == expected


def test_a_misspelt_fabric_is_pointed_out():
    assert "did you mean infiniband?" in fabric_hint(Hardware(interconnect="infinband"))
    assert fabric_hint(Hardware(interconnect="nvlink")) is None
    assert fabric_hint(Hardware(interconnect="efa")) is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fabric", ["infiniband", "roce"])
def test_workers_that_hand_over_cache_get_a_device_for_each_gpu(backend, fabric):
    found = components(disagg(backend), request(Hardware(interconnect=fabric)))
    for name in ("prefill", "decode"):
        container = main(found[name])
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "2", "rdma/ib": "2"}
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["securityContext"] == {"capabilities": {"add": ["IPC_LOCK"]}}
        assert env(found[name])["UCX_RNDV_SCHEME"] == "get_zcopy"
    assert "resources" not in main(found["Frontend"])


def test_a_single_node_without_hand_over_needs_no_rdma():
    hardware = Hardware(rdma=True)
    assert "rdma/ib" not in main(components(agg("vllm"), request(hardware))["worker"])["resources"]["limits"]
    wide = components(agg("vllm", ParallelPlan(tp=8, pp=2)), request(hardware))["worker"]
    assert main(wide)["resources"]["limits"]["rdma/ib"] == "8"


def test_without_word_of_rdma_no_device_is_asked_for():
    worker = main(components(disagg("vllm"), request())["decode"])
    assert worker["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert "securityContext" not in worker


def test_the_device_plugins_resource_can_be_named():
    hardware = Hardware(rdma=True)
    worker = components(disagg("vllm"), request(hardware, rdma_resource="rdma/shared_a"))["decode"]
    assert main(worker)["resources"]["limits"]["rdma/shared_a"] == "2"
    with pytest.raises(InputError, match="'ib' is not the name of an extended resource"):
        components(disagg("vllm"), request(hardware, rdma_resource="ib"))


def test_efa_is_privileged_libfabric_and_keeps_the_pools_apart():
    req = request(Hardware(interconnect="efa"))
    vllm = components(disagg("vllm"), req)["decode"]
    args = main(vllm)["args"]
    config = json.loads(args[args.index("--kv-transfer-config") + 1])
    assert config["kv_connector_extra_config"] == {"backends": ["LIBFABRIC"]}
    assert main(vllm)["securityContext"]["privileged"] is True
    assert main(vllm)["resources"]["limits"]["vpc.amazonaws.com/efa"] == "4"
    (term,) = vllm["podTemplate"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchExpressions"][0]["values"] == ["prefill"]
    sglang = env(components(disagg("sglang"), req)["prefill"])
    assert sglang["SGLANG_DISAGGREGATION_NIXL_BACKEND"] == "LIBFABRIC"
    assert env(components(disagg("trtllm"), req)["prefill"])["TRTLLM_NIXL_KVCACHE_BACKEND"] == "LIBFABRIC"


def test_on_a_single_node_pools_cannot_be_kept_apart():
    found = components(disagg("vllm"), request(Hardware(interconnect="efa")), total_gpus=8)
    assert "affinity" not in found["decode"]["podTemplate"]["spec"]


# --- several nodes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "plan", "expected"),
    [
        ("vllm", ParallelPlan(tp=8, pp=2), "distributed executor"),
        ("vllm", ParallelPlan(tp=2, attn_dp=8, ep=16), "data parallel"),
        ("sglang", ParallelPlan(attn_dp=16, ep=16), "dist-init"),
        ("trtllm", ParallelPlan(tp=16, moe_tp=16), "mpi"),
    ],
)
def test_each_engine_spans_nodes_in_its_own_way_with_the_plain_command(backend, plan, expected):
    assert launch(EngineShape.of(backend, plan), 8) == expected
    worker = components(agg(backend, plan), request())["worker"]
    assert worker["multinode"] == {"nodeCount": 2}
    assert main(worker)["resources"]["limits"]["nvidia.com/gpu"] == "8"
    text = " ".join([*main(worker)["command"], *main(worker)["args"]])
    for word in ("--node-rank", "--dist-init-addr", "--nnodes", "ray start", "mpirun", "--master-addr"):
        assert word not in text, "the operator adds what differs between nodes"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 2), "cannot combine 2 data-parallel ranks with ranks of 16 GPUs"),
        ((3, 8), "ranks of 3 GPUs do not fill nodes of 8"),
        ((16, 1), None),
        ((4, 4), None),
    ],
)
def test_what_vllm_cannot_start_over_nodes_is_refused(shape, expected):
    rank_gpus, ranks = shape
    found = launch_problem(
        EngineShape(backend="vllm", rank_gpus=rank_gpus, ranks=ranks), gpus_per_pod=8, nodes=4
    )
    assert (found is None) if expected is None else (expected in found)
    plan = ParallelPlan(tp=16, attn_dp=2, ep=32)
    if expected and rank_gpus == 16:
        with pytest.raises(InputError, match="worker: vLLM cannot combine"):
            components(agg("vllm", plan), request())


def annotations(deployment=None, **cluster):
    return documents(deployment or agg("vllm"), request(**cluster))[-1]["metadata"]["annotations"]


def test_grove_is_the_operators_default_and_lws_turns_it_off():
    assert not [key for key in annotations() if key.startswith("nvidia.com/")]
    assert "nvidia.com/enable-grove" not in annotations(orchestrator="grove")
    assert annotations(orchestrator="lws")["nvidia.com/enable-grove"] == "false"


def test_kai_takes_a_queue_and_goes_with_grove_alone():
    assert annotations(kai_queue="prod")["nvidia.com/kai-scheduler-queue"] == "prod"
    with pytest.raises(InputError, match="a KAI queue goes with Grove"):
        ClusterOptions(orchestrator="lws", kai_queue="prod")


def test_vllms_executor_over_nodes_can_be_chosen():
    key = "nvidia.com/vllm-distributed-executor-backend"
    assert annotations(vllm_executor="ray")[key] == "ray"
    assert key not in annotations(agg("sglang"), vllm_executor="ray")


@pytest.mark.parametrize("field", ["orchestrator", "vllm_executor"])
def test_unknown_choices_name_the_known_ones(field):
    with pytest.raises(UnknownNameError):
        ClusterOptions(**{field: "grov"})


# --- storage ---------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("backend", BACKENDS)
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


# --- pods ------------------------------------------------------------------------------------------


def patience_s(**options):
    probe = main(components(agg("vllm"), request(**options))["worker"])["startupProbe"]
    return probe["periodSeconds"] * probe["failureThreshold"]


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_pod_that_loads_the_model_gets_the_token_by_reference(backend):
    for deploy in ({}, {"mocker": True}):
        for component in components(disagg(backend), request(deploy=deploy)).values():
            assert main(component)["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]


# --- mocker ----------------------------------------------------------------------------------------


PROFILE = {"prefill_raw_data.json": b"{}", "decode_raw_data.json": b"{}", "perf_data.npz": b"PK"}


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
