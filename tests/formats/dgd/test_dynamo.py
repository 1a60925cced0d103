"""Rendered deployments: goldens by engine, mode and size, and the rules behind them."""

import dataclasses
import json
import os

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Disaggregated
from simkit.core.errors import InputError, UnknownNameError
from simkit.core.request import DeployOptions, ModelCache, Request
from simkit.engines.registry import engine_names
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.dgd.render import MAX_NAME, dgd_name, render_site
from simkit.formats.dgd.site import Site
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import dump_yaml, parse_documents

from .dynamo_cases import MODEL, ROOT, agg, components, disagg, documents, main, override, pool, request

GOLDEN = ROOT / "tests" / "golden" / "dgd"


TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


CACHE = ModelCache(pvc_name="weights", pvc_model_path="models/m", pvc_mount_path="/opt/model-cache")


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
    **{f"{b}-agg": lambda b=b: documents(agg(b, ParallelPlan(tp=2))) for b in engine_names()},
    **{f"{b}-disagg": lambda b=b: documents(disagg(b)) for b in engine_names()},
    **{f"{b}-agg-multinode": lambda b=b: documents(agg(b, WIDE[b], 1)) for b in engine_names()},
    **{f"{b}-disagg-multinode": lambda b=b: documents(disagg(b, decode=WIDE[b])) for b in engine_names()},
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
@pytest.mark.parametrize("backend", engine_names())
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


def test_the_mocker_takes_no_gpu():
    found = components(agg("vllm", ParallelPlan(attn_dp=16, ep=16)), request(mocker=True))
    worker = main(found["worker"])
    assert worker["image"].endswith("/dynamo-planner:1.6.1")
    assert worker["command"] == ["python3", "-m", "dynamo.mocker"]
    assert "resources" not in worker
    assert "multinode" not in found["worker"]
    assert worker["args"][worker["args"].index("--data-parallel-size") + 1] == "16"


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
