"""Rendered deployments: goldens by engine, mode and size, and the rules behind them."""

import dataclasses
import json
import os
from pathlib import Path

import jsonschema
import pytest

from perfmodels.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.adapters.dynamo import MAX_NAME, dgd_name, render, render_site
from simkit.adapters.dynamo_site import Site
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.engine import BACKENDS, default_engine
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import DeployOptions, ModelCache, Request
from simkit.core.slo import Slo
from simkit.io.dgd import parse_dgd
from simkit.io.validate import validate_documents
from simkit.io.yamlio import dump_yaml, parse_documents

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden" / "dgd"
MODEL = "org/model"
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
CACHE = ModelCache(pvc_name="weights", pvc_model_path="models/m", pvc_mount_path="/opt/model-cache")


def request(**deploy):
    return Request(model=MODEL, slo=Slo(ttft_s=0.5, itl_s=0.05), deploy=DeployOptions(name="demo", **deploy))


def pool(backend, replicas=1, plan=None, **options):
    return Pool(plan=plan or ParallelPlan(), engine=default_engine(backend, **options), replicas=replicas)


def agg(backend, plan=None, replicas=2, **options):
    return Aggregated(worker=pool(backend, replicas, plan, **options))


def disagg(backend, decode=None):
    decode = decode or ParallelPlan(tp=4)
    experts_split = decode.moe_tp * decode.ep > 1
    return Disaggregated(
        prefill=pool(backend, 3, ParallelPlan(tp=2, moe_tp=2 if experts_split else 1), max_num_seqs=4),
        decode=pool(backend, 1, decode),
        precision=Precision(kv="fp8"),
    )


def documents(deployment, req=None, **changes):
    settings = {"model": MODEL, "gpus_per_node": 8, "total_gpus": 16, **changes}
    return render(deployment, req or request(), **settings)


def components(deployment, req=None, **changes):
    return {c["name"]: c for c in documents(deployment, req, **changes)[-1]["spec"]["components"]}


def main(component):
    (container,) = component["podTemplate"]["spec"]["containers"]
    return container


WIDE = {
    "vllm": ParallelPlan(tp=8, pp=2),
    "sglang": ParallelPlan(attn_dp=16, ep=16),
    "trtllm": ParallelPlan(tp=16, moe_tp=16),
}
FEATURES = {
    "planner": {"optimization_target": "sla"},
    "kv_router": True,
    "trust_remote_code": True,
    "model_cache": CACHE,
    "tolerations": (TOLERATION,),
    "namespace": "serving",
    "image": "registry.example:5000/ai/dynamo-planner:1.6.1",
    "runtime_version_override": "1.6.1",
}
LOAD_TARGET = {
    "optimization_target": "load",
    "prefill_scale_up_queue_tokens": 8000,
    "prefill_scale_down_queue_tokens": 1000,
    "decode_scale_up_kv_rate": 90,
    "decode_scale_down_kv_rate": 50.5,
    "load_adjustment_interval_seconds": 7,
}
PROFILE = {
    "prefill_raw_data.json": b'{"prefill_isl": [100]}\n',
    "decode_raw_data.json": b'{"max_kv_tokens": 5}\n',
    "perf_data.npz": b"PK\x03\x04",
}


def profiled(req, deployment=None, version="v1beta1"):
    site = Site(
        deployment=deployment or disagg("vllm"),
        request=req,
        model=MODEL,
        gpus_per_node=8,
        total_gpus=16,
        profile=PROFILE,
    )
    return render_site(site, version)


CASES = {
    **{f"{b}-agg": lambda b=b: documents(agg(b, ParallelPlan(tp=2))) for b in BACKENDS},
    **{f"{b}-disagg": lambda b=b: documents(disagg(b)) for b in BACKENDS},
    **{f"{b}-agg-multinode": lambda b=b: documents(agg(b, WIDE[b], 1)) for b in BACKENDS},
    **{f"{b}-disagg-multinode": lambda b=b: documents(disagg(b, decode=WIDE[b])) for b in BACKENDS},
    "vllm-disagg-features": lambda: documents(disagg("vllm"), request(**FEATURES)),
    "vllm-disagg-features-v1alpha1": lambda: documents(
        disagg("vllm"), request(**FEATURES), version="v1alpha1"
    ),
    "mocker-disagg": lambda: documents(disagg("vllm"), request(mocker=True)),
    "vllm-disagg-planner-profile": lambda: profiled(request(planner={"optimization_target": "sla"})),
    "mocker-disagg-planner-profile": lambda: profiled(request(planner=LOAD_TARGET, mocker=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    text = dump_yaml(CASES[name]())
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("SIMKIT_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"run with SIMKIT_UPDATE_GOLDEN=1 to write {path.name} anew"


def test_every_golden_has_a_case():
    assert sorted(path.stem for path in GOLDEN.glob("*.yaml")) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_valid_and_free_of_secrets(name):
    docs = CASES[name]()
    assert validate_documents(docs, name) == []
    text = dump_yaml(docs)
    assert "HF_TOKEN" not in text
    assert parse_documents(text, name) == docs


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("multinode", [False, True])
def test_rendering_and_reading_back_give_the_same_deployment(backend, version, multinode):
    wide = WIDE[backend] if multinode else None
    for deployment in (agg(backend, wide), disagg(backend, decode=wide)):
        docs = documents(deployment, request(**FEATURES), version=version)
        parsed = parse_dgd(docs, source="rendered")
        assert parsed.deployment == deployment
        assert parsed.model == MODEL
        assert parsed.name == "demo-dgd"
        assert parsed.notes == ()


def test_config_maps_come_first():
    docs = documents(disagg("vllm"), request(planner={}))
    assert [d["kind"] for d in docs] == ["ConfigMap", "DynamoGraphDeployment"]


def test_components_of_each_mode():
    assert list(components(agg("vllm"))) == ["Frontend", "worker"]
    assert list(components(disagg("sglang"))) == ["Frontend", "prefill", "decode"]
    kinds = [c["type"] for c in components(disagg("vllm"), request(planner={})).values()]
    assert kinds == ["frontend", "prefill", "decode", "planner"]


@pytest.mark.parametrize(
    ("plan", "limit", "nodes"),
    [
        (ParallelPlan(tp=8), 8, None),
        (ParallelPlan(tp=8, pp=2), 8, 2),
        (ParallelPlan(attn_dp=32, ep=32), 8, 4),
    ],
)
def test_an_engine_larger_than_a_node_spans_whole_nodes(plan, limit, nodes):
    worker = components(agg("vllm", plan))["worker"]
    amounts = main(worker)["resources"]
    assert amounts == {"limits": {"nvidia.com/gpu": str(limit)}, "requests": {"nvidia.com/gpu": str(limit)}}
    assert worker.get("multinode") == (nodes and {"nodeCount": nodes})
    assert limit * (nodes or 1) == plan.num_gpus


def test_an_engine_that_does_not_fill_its_nodes_is_refused():
    with pytest.raises(InputError, match=r"worker: one engine spans 12 GPUs \(tp12\).*of 8 GPUs"):
        documents(agg("vllm", ParallelPlan(tp=12)))


def test_shared_memory_grows_with_the_gpus_of_a_pod():
    assert components(agg("vllm"))["worker"]["sharedMemorySize"] == "16Gi"
    assert components(agg("vllm", ParallelPlan(tp=8)))["worker"]["sharedMemorySize"] == "64Gi"


@pytest.mark.parametrize(
    ("image", "override", "runtime"),
    [
        (None, None, "nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.6.1"),
        (None, "1.5.0", "nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.5.0"),
        ("my.reg:5000/team/dynamo-planner:2.0.0", None, "my.reg:5000/team/sglang-runtime:2.0.0"),
        ("my.reg:5000/team/dynamo-planner:latest", "1.6.1", "my.reg:5000/team/sglang-runtime:latest"),
        ("reg/p@sha256:abc", "1.6.1", "reg/sglang-runtime:1.6.1"),
        ("planner:1.0.0", None, "sglang-runtime:1.0.0"),
    ],
)
def test_images_come_from_the_requests_registry_and_tag(image, override, runtime):
    req = request(image=image, runtime_version_override=override, planner={})
    found = components(agg("sglang"), req)
    assert main(found["worker"])["image"] == main(found["Frontend"])["image"] == runtime
    assert main(found["Planner"])["image"] == runtime.replace("sglang-runtime", "dynamo-planner")
    for component in found.values():
        assert component.get("runtimeVersionOverride") == override


def test_an_image_by_digest_alone_is_refused():
    with pytest.raises(InputError, match="has no tag to take over"):
        documents(agg("vllm"), request(image="reg/p@sha256:abc"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("models/m", "/opt/model-cache/models/m"),
        ("/opt/model-cache/models/m/", "/opt/model-cache/models/m"),
        ("models/m/", "/opt/model-cache/models/m"),
    ],
)
def test_the_model_path_is_joined_once(path, expected):
    req = request(model_cache=dataclasses.replace(CACHE, pvc_model_path=path))
    found = components(disagg("vllm"), req)
    for name in ("prefill", "decode"):
        args = main(found[name])["args"]
        assert args[args.index("--model") + 1] == expected
        assert args[args.index("--served-model-name") + 1] == MODEL
    assert main(found["Frontend"])["args"][2:] == ["--model-name", MODEL, "--model-path", expected]
    for component in found.values():
        (mount,) = main(component)["volumeMounts"]
        assert mount == {"name": "model-cache", "mountPath": "/opt/model-cache", "readOnly": True}
        (volume,) = component["podTemplate"]["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == "weights"


def test_a_model_path_outside_the_mount_is_refused():
    req = request(model_cache=dataclasses.replace(CACHE, pvc_model_path="/elsewhere/m"))
    with pytest.raises(InputError, match="absolute but not under the mount"):
        documents(agg("vllm"), req)


def test_a_cache_without_a_path_is_the_hugging_face_home():
    req = request(model_cache=dataclasses.replace(CACHE, pvc_model_path=None))
    found = components(agg("vllm"), req)
    for component in found.values():
        assert main(component)["env"] == [{"name": "HF_HOME", "value": "/opt/model-cache"}]
    args = main(found["worker"])["args"]
    assert args[args.index("--model") + 1] == MODEL


def test_tolerations_reach_every_component():
    req = request(tolerations=(TOLERATION,), planner={})
    for component in components(disagg("vllm"), req).values():
        assert component["podTemplate"]["spec"]["tolerations"] == [TOLERATION]


def test_the_kv_router_is_a_frontend_setting():
    found = components(agg("vllm"), request(kv_router=True))
    assert main(found["Frontend"])["env"] == [{"name": "DYN_ROUTER_MODE", "value": "kv"}]
    assert "env" not in main(components(agg("vllm"))["Frontend"])


def planner_config(deployment, req, **changes):
    return json.loads(documents(deployment, req, **changes)[0]["data"]["planner_config.json"])


def test_the_planner_knows_the_deployment():
    config = planner_config(disagg("vllm"), request(planner={}))
    known = {
        "environment": "kubernetes",
        "optimization_target": "throughput",
        "pre_deployment_sweeping_mode": "none",
        "max_gpu_budget": 16,
        "ttft_ms": 500.0,
        "itl_ms": 50.0,
        "backend": "vllm",
        "mode": "disagg",
        "model_name": MODEL,
        "prefill_engine_num_gpu": 2,
        "decode_engine_num_gpu": 4,
    }
    assert {key: config[key] for key in known} == known


def test_the_requests_planner_keys_win_except_facts():
    given = {
        "optimization_target": "sla",
        "ttft_ms": 300,
        "max_gpu_budget": 12,
        "mode": "agg",
        "advisory": True,
    }
    config = planner_config(disagg("vllm"), request(planner=given))
    assert (config["optimization_target"], config["ttft_ms"], config["max_gpu_budget"]) == ("sla", 300, 12)
    assert config["advisory"] is True
    assert config["mode"] == "disagg"


def test_the_planners_gpu_budget_never_caps_what_is_deployed():
    large = agg("vllm", ParallelPlan(tp=8), replicas=3)
    assert planner_config(large, request(planner={}), total_gpus=None)["max_gpu_budget"] == 24
    assert planner_config(agg("vllm"), request(planner={}), total_gpus=None)["max_gpu_budget"] == 8


def test_the_planners_config_map_is_named_after_its_content():
    def name(planner):
        return documents(disagg("vllm"), request(planner=planner))[0]["metadata"]["name"]

    assert name({}) == name({})
    assert name({}) != name({"advisory": True})


def test_the_planner_may_scale_workers_and_nothing_else():
    found = components(disagg("vllm"), request(planner={}))
    scaled = {name for name, component in found.items() if component.get("scalingAdapter") == {}}
    assert scaled == {"prefill", "decode"}
    modes = {name: main(found[name]).get("env") for name in ("prefill", "decode")}
    assert modes["prefill"] == [{"name": "DYN_BENCHMARK_MODE", "value": "prefill"}]
    assert modes["decode"] == [{"name": "DYN_BENCHMARK_MODE", "value": "decode"}]
    assert "scalingAdapter" not in components(disagg("vllm"))["prefill"]
    assert "env" not in main(components(disagg("sglang"), request(planner={}))["prefill"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mocker", [False, True])
def test_planner_configs_fit_the_published_schema(backend, mocker):
    schema = json.loads((SHARED / "schemas" / "plannerconfig-1.6.1.schema.json").read_text())
    for deployment in (agg(backend), disagg(backend)):
        config = planner_config(deployment, request(planner={}, mocker=mocker))
        jsonschema.validate(config, schema)
        assert set(config) <= set(schema["properties"])


def test_the_mocker_takes_no_gpu():
    found = components(agg("vllm", ParallelPlan(attn_dp=16, ep=16)), request(mocker=True))
    worker = main(found["worker"])
    assert worker["image"].endswith("/dynamo-planner:1.6.1")
    assert worker["command"] == ["python3", "-m", "dynamo.mocker"]
    assert "resources" not in worker
    assert "multinode" not in found["worker"]
    assert worker["args"][worker["args"].index("--data-parallel-size") + 1] == "16"


def override(spec, version="v1beta1", **metadata):
    return {
        "apiVersion": f"nvidia.com/{version}",
        "kind": "DynamoGraphDeployment",
        "metadata": metadata,
        "spec": spec,
    }


def test_overrides_merge_maps_replace_lists_and_match_by_name():
    container = {
        "name": "main",
        "env": [{"name": "A", "value": "1"}],
        "resources": {"limits": {"rdma/ib": "1"}},
    }
    change = override(
        {
            "priorityClassName": "high",
            "components": [
                {"name": "worker", "replicas": 5, "podTemplate": {"spec": {"containers": [container]}}}
            ],
        },
        name="chosen",
        labels={"team": "a"},
        annotations={"note": "b"},
        uid="ignored",
    )
    dgd = documents(agg("vllm"), request(dgd_override=change))[-1]
    worker = dgd["spec"]["components"][1]
    assert worker["replicas"] == 5
    assert main(worker)["env"] == [{"name": "A", "value": "1"}]
    assert main(worker)["resources"]["limits"] == {"nvidia.com/gpu": "1", "rdma/ib": "1"}
    assert main(worker)["args"][:2] == ["--model", MODEL]
    assert dgd["spec"]["priorityClassName"] == "high"
    assert dgd["metadata"]["name"] == "chosen"
    assert dgd["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "simkit", "team": "a"}
    assert dgd["metadata"]["annotations"]["note"] == "b"
    assert "uid" not in dgd["metadata"]


def test_a_v1beta1_override_replaces_arguments():
    container = {"name": "main", "args": ["--model", MODEL, "--max-model-len", "8192"]}
    change = override(
        {"components": [{"name": "worker", "podTemplate": {"spec": {"containers": [container]}}}]}
    )
    worker = components(agg("vllm"), request(dgd_override=change))["worker"]
    assert main(worker)["args"] == container["args"]


def test_a_v1alpha1_override_appends_arguments_and_knows_old_names():
    service = {
        "replicas": 4,
        "resources": {"limits": {"gpu": "1", "custom": {"rdma/ib": "2"}}},
        "extraPodSpec": {"mainContainer": {"args": ["--max-model-len", "8192"]}},
    }
    change = override({"services": {"VllmDecodeWorker": service}}, version="v1alpha1")
    decode = components(disagg("vllm"), request(dgd_override=change))["decode"]
    assert decode["replicas"] == 4
    assert main(decode)["args"][-2:] == ["--max-model-len", "8192"]
    assert main(decode)["args"][:2] == ["--model", MODEL]
    assert main(decode)["resources"]["limits"]["rdma/ib"] == "2"


@pytest.mark.parametrize(
    ("spec", "version", "expected"),
    [
        ({"components": [{"name": "wrker"}]}, "v1beta1", "'wrker' is not generated; did you mean worker"),
        ({"components": [{"replicas": 1}]}, "v1beta1", "a component has no name"),
        ({"components": [{"name": "worker", "type": "decode"}]}, "v1beta1", "type cannot be changed"),
        ({"components": {"worker": {}}}, "v1beta1", "components: expected a list"),
        ({"services": {"worker": {}}}, "v1beta1", "services: belongs to v1alpha1"),
        ({"services": {"Epp": {}}}, "v1alpha1", "'Epp' is not generated"),
        ({"services": {"worker": 5}}, "v1alpha1", "spec.services.worker: expected a mapping, got int"),
        ([1], "v1beta1", "spec.overrides.dgd.spec: expected a mapping"),
    ],
)
def test_overrides_of_what_is_not_generated_are_refused(spec, version, expected):
    with pytest.raises(InputError, match=expected):
        documents(agg("vllm"), request(dgd_override=override(spec, version)))


def test_names_fit_into_pod_names():
    def name(text):
        return dgd_name(Request(model=MODEL, deploy=DeployOptions(name=text)))

    assert name("llama-70b") == "llama-70b-dgd"
    assert name("a.b") == "a-b-dgd"
    long = name("a-very-long-request-name-that-goes-on-and-on")
    assert len(long) + len("Frontend") <= MAX_NAME
    assert long.endswith("-dgd")
    assert long == name("a-very-long-request-name-that-goes-on-and-on")
    assert long != name("a-very-long-request-name-that-goes-on-and-on-2")


def test_a_chosen_name_that_does_not_fit_is_refused():
    req = request(dgd_override=override({}, name="n" * 38))
    with pytest.raises(InputError, match="use at most 37"):
        documents(agg("vllm"), req)


def test_engines_of_different_families_are_refused():
    mixed = Disaggregated(prefill=pool("vllm"), decode=pool("sglang"))
    with pytest.raises(InputError, match="cannot hand KV cache"):
        documents(mixed)


def test_an_unknown_version_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean v1beta1"):
        documents(agg("vllm"), version="v1beta")


def test_rendering_leaves_its_inputs_alone():
    change = override({"services": {"VllmDecodeWorker": {"replicas": 2}}}, version="v1alpha1")
    req = request(dgd_override=change, planner={"advisory": True}, tolerations=(TOLERATION,))
    before = json.dumps(dataclasses.asdict(req))
    first = documents(disagg("vllm"), req)
    assert documents(disagg("vllm"), req) == first
    assert json.dumps(dataclasses.asdict(req)) == before
