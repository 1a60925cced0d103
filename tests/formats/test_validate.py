"""Validation: what is sound has no fault, and each fault names its path and remedy."""

import copy
from pathlib import Path

import pytest

from simkit.formats.dgdr.read import read_document
from simkit.formats.validate import Fault, validate_documents
from simkit.io.yamlio import load_documents

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden" / "dgd"
GUIDE = ROOT / "experiments" / "guide"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")


def golden(name="vllm-disagg"):
    return load_documents(GOLDEN / f"{name}.yaml")[-1]


def edited(change, name="vllm-disagg"):
    document = golden(name)
    change(document)
    return validate_documents([document], "f.yaml")


def component(document, name):
    return next(item for item in document["spec"]["components"] if item["name"] == name)


def main(document, name):
    return component(document, name)["podTemplate"]["spec"]["containers"][0]


def pod(document, name):
    return component(document, name)["podTemplate"]["spec"]


def swap(document, name, old, new):
    args = main(document, name)["args"]
    args[args.index(old)] = new


def drop_mode(document, name):
    args = main(document, name)["args"]
    place = args.index("--disaggregation-mode")
    del args[place : place + 2]


def span(document, name, *flags):
    """An engine over two nodes of eight GPUs, started with further flags."""
    component(document, name)["multinode"] = {"nodeCount": 2}
    main(document, name)["resources"]["limits"]["nvidia.com/gpu"] = "8"
    main(document, name)["args"] += flags


def set_limit(value):
    def change(document):
        main(document, "decode")["resources"]["limits"]["nvidia.com/gpu"] = value

    return change


def update(which, /, **fields):
    return lambda document: component(document, which).update(fields)


def spread(document):
    """An engine on two nodes counts its name twice."""
    document["metadata"].update(name="n" * 34)
    component(document, "decode").update(multinode={"nodeCount": 2})
    main(document, "decode")["resources"]["limits"]["nvidia.com/gpu"] = "2"


MAIN = "podTemplate.spec.containers[main]"
DECODE = "spec.components[decode]"
LEAK = [{"name": "HF_TOKEN", "value": "hf_" + "x" * 30}]
REFERENCE = [
    {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token-secret", "key": "HF_TOKEN"}}}
]
CASES = [
    (lambda d: d.update(apiVersion="nvidia.com/v2"), "apiVersion", "write nvidia.com/v1beta1"),
    (lambda d: d.update(zzz=1), "zzz", "remove it; known here: apiVersion"),
    (lambda d: d["metadata"].update(name="Not_ok"), "metadata.name", "correct the name"),
    (lambda d: d["metadata"].pop("name"), "metadata.name", "correct the name"),
    (spread, "metadata.name", "shorten one of them"),
    (lambda d: d.update(spec=[]), "spec", "a mapping"),
    (lambda d: d["spec"].update(component=1), "spec.component", "did you mean components?"),
    (lambda d: d["spec"].update(backendFramework="vlm"), "spec.backendFramework", "write the engine's name"),
    (lambda d: d["spec"].update(components=[]), "spec.components", "at least one component"),
    (lambda d: d["spec"].update(env=LEAK), "spec.env[HF_TOKEN]", "hf-token-secret"),
    (lambda d: main(d, "decode").update(env=LEAK), f"{DECODE}.{MAIN}.env[HF_TOKEN]", "hf-token-secret"),
    (lambda d: main(d, "decode")["args"].extend(["--hf-token", LEAK[0]["value"]]),
     f"{DECODE}.{MAIN}.args", "hf-token-secret"),
    (update("decode", name="bad_name"), "spec.components[bad_name].name", "correct the name"),
    (update("decode", name="x" * 64), "spec.components[" + "x" * 64 + "].name", "correct the name"),
    (update("decode", type="decoder"), f"{DECODE}.type", "write one of them"),
    (update("decode", replica=1), f"{DECODE}.replica", "did you mean replicas?"),
    (update("decode", replicas=-1), f"{DECODE}.replicas", "a whole number from 0"),
    (update("decode", replicas="2"), f"{DECODE}.replicas", "a whole number from 0"),
    (update("decode", minAvailable=0), f"{DECODE}.minAvailable", "a whole number from 1"),
    (update("decode", multinode={"nodeCount": 1}), f"{DECODE}.multinode.nodeCount", "a whole number from 2"),
    (update("decode", multinode={"nodes": 2}), f"{DECODE}.multinode.nodes", "did you mean nodeCount?"),
    (update("decode", scalingAdapter={"enabled": True}), f"{DECODE}.scalingAdapter.enabled",
     "write scalingAdapter: {}"),
    (update("decode", runtimeVersionOverride="1.6"), f"{DECODE}.runtimeVersionOverride", "correct it"),
    (lambda d: main(d, "decode").update(name="engine"), f"{DECODE}.{MAIN}", "name one of them main"),
    (lambda d: main(d, "decode").pop("image"), f"{DECODE}.{MAIN}.image", "give the container's image"),
    (set_limit("four"), DECODE, "correct it"),
    (set_limit("2"), DECODE, "make the sizes, nvidia.com/gpu and multinode.nodeCount agree"),
    (lambda d: main(d, "decode").pop("resources"), f"{DECODE}.{MAIN}.resources.limits",
     "add the number of GPUs of one pod"),
    (lambda d: component(d, "decode").update(name="PREFILL"), "spec.components", "rename one"),
    (lambda d: d["spec"]["components"].pop(), "spec.components", "add a decode component"),
    (lambda d: d["spec"]["components"].append(5), "spec.components[3]", "a mapping"),
    # Kubernetes' own schema of pods
    (lambda d: main(d, "decode").update(imag="x"), f"{DECODE}.{MAIN}.imag", "did you mean image?"),
    (lambda d: main(d, "decode").update(args="--x"), f"{DECODE}.{MAIN}.args", "a list"),
    (lambda d: main(d, "decode").update(env=[{"value": "1"}]), f"{DECODE}.{MAIN}.env[0].name", "add it"),
    (lambda d: main(d, "decode").update(ports=[{"containerPort": "80"}]),
     f"{DECODE}.{MAIN}.ports[0].containerPort", "a whole number"),
    (lambda d: main(d, "decode").update(resources={"limit": {}}), f"{DECODE}.{MAIN}.resources.limit",
     "did you mean limits?"),
    (lambda d: pod(d, "decode").update(toleration=[]), f"{DECODE}.podTemplate.spec.toleration",
     "did you mean tolerations?"),
    (lambda d: pod(d, "decode").update(nodeSelector={"a": 1}), f"{DECODE}.podTemplate.spec.nodeSelector.a",
     "a text"),
    (lambda d: main(d, "decode").update(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
     f"{DECODE}.podTemplate.spec.containers[main].volumeMounts", "add the volume"),
    (lambda d: main(d, "decode").update(env=[{"name": "A", "value": "1"}] * 2), f"{DECODE}.{MAIN}.env",
     "keep one"),
    # what the component's release demands
    (lambda d: main(d, "decode").update(image="r/vllm-runtime:latest"), f"{DECODE}.runtimeVersionOverride",
     "give the Dynamo version"),
    (lambda d: main(d, "Frontend").update(image="r/vllm@sha256:" + "0" * 64),
     "spec.components[Frontend].runtimeVersionOverride", "give the Dynamo version"),
    (update("Frontend", multinode={"nodeCount": 2}), "spec.components[Frontend].multinode", "remove it"),
    (lambda d: main(d, "decode")["args"].append("--max-num-partial-prefills=2"), f"{DECODE}.{MAIN}.args",
     "remove it"),
    (lambda d: main(d, "decode")["args"].extend(["--connector", "nixl"]), f"{DECODE}.{MAIN}.args",
     "write --kv-transfer-config"),
    # what the command starts
    (lambda d: swap(d, "decode", "decode", "prefill"), f"{DECODE}.{MAIN}.args", "make them agree"),
    (lambda d: drop_mode(d, "decode"), f"{DECODE}.{MAIN}.args", "add --disaggregation-mode decode"),
    (lambda d: span(d, "decode", "--tensor-parallel-size", "16", "--node-rank", "0"), f"{DECODE}.{MAIN}.args",
     "remove it"),
    (lambda d: span(d, "decode", "--tensor-parallel-size", "16", "--data-parallel-size", "2"),
     f"{DECODE}.{MAIN}.args", "one rank per engine"),
    # tokens anywhere
    (lambda d: d["metadata"]["annotations"].update(note=LEAK[0]["value"]), "metadata.annotations.note",
     "hf-token-secret"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "path", "remedy"), CASES)
def test_each_fault_has_its_path_and_remedy(change, path, remedy):
    faults = edited(change)
    assert [fault for fault in faults if fault.path == path and remedy in fault.remedy], faults


def test_what_is_sound_has_no_fault():
    for path in GOLDEN.glob("*.yaml"):
        assert validate_documents(load_documents(path), path.name) == []
    for path in GUIDE.glob("*.yaml"):
        assert validate_documents([read_document(path)], path.name) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: main(d, "decode").update(env=REFERENCE),
        update("decode", replicas=0),
        set_limit(4),
        update("decode", compilationCache={"pvcName": "c", "mountPath": "/c"}, minAvailable=1),
    ],
)
def test_what_is_allowed_is_no_fault(change):
    assert edited(change) == []


def test_of_many_known_keys_the_first_are_listed():
    document = read_document(GUIDE / "llama-70b.yaml")
    document["spec"]["features"]["planner"]["zzzzzzzz"] = 1
    (fault,) = validate_documents([document], "f")
    assert "known here: advisory, aic_interpolation" in fault.remedy
    assert fault.remedy.endswith(" more")


def test_an_older_image_keeps_its_older_flags():
    def change(document):
        main(document, "decode")["image"] = "r/vllm-runtime:1.4.2"
        main(document, "decode")["args"].append("--max-num-partial-prefills=2")

    assert edited(change) == []


def test_at_most_25_components():
    def change(document):
        extra = copy.deepcopy(component(document, "Frontend"))
        document["spec"]["components"] += [{**extra, "name": f"F{n}"} for n in range(23)]

    (fault,) = edited(change)
    assert fault.problem == "holds 26 components, at most 25 are allowed"


def test_at_most_one_endpoint_picker():
    def change(document):
        extra = component(document, "Frontend")
        document["spec"]["components"] += [{**extra, "name": f"E{n}", "type": "epp"} for n in range(2)]

    (fault,) = edited(change)
    assert fault.problem == "more than one component of type epp"


ALPHA_CASES = [
    (lambda d: d["spec"].update(components=[]), "spec.components", "known here"),
    (lambda d: d["spec"]["services"]["decode"].update(replica=1), "spec.services.decode.replica", "replicas"),
    (lambda d: d["spec"]["services"]["decode"]["resources"]["limits"].update(gpu="2"), "spec.services.decode",
     "make the sizes"),
    (lambda d: d["spec"]["services"]["decode"].pop("resources"), "spec.services.decode.resources.limits",
     "add the number"),
    (lambda d: d["spec"]["services"]["decode"]["extraPodSpec"]["mainContainer"].pop("image"),
     "spec.services.decode.extraPodSpec.mainContainer.image", "give the container's image"),
    (lambda d: d["spec"]["services"]["decode"].update(envs=LEAK),
     "spec.services.decode.extraPodSpec.mainContainer.env[HF_TOKEN]", "hf-token-secret"),
    (lambda d: d["spec"]["services"].pop("decode"), "spec.services", "add a decode component"),
    (lambda d: d["spec"].update(services=5), "spec.services", "a mapping"),
    (lambda d: d["spec"]["services"].update(decode=[1]), "spec.services", "correct it"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "path", "remedy"), ALPHA_CASES)
def test_v1alpha1_faults_are_told_in_its_own_paths(change, path, remedy):
    faults = edited(change, "vllm-disagg-features-v1alpha1")
    assert [fault for fault in faults if fault.path == path and remedy in fault.remedy], faults


def test_pods_of_v1alpha1_are_checked_in_its_own_paths():
    def change(document):
        extra = document["spec"]["services"]["decode"]["extraPodSpec"]
        extra["mainContainer"]["imag"] = "x"
        extra["toleration"] = []

    paths = {fault.path for fault in edited(change, "vllm-disagg-features-v1alpha1")}
    base = "spec.services.decode.extraPodSpec"
    assert {f"{base}.mainContainer.imag", f"{base}.toleration"} <= paths


def test_the_override_of_the_profiling_job_must_look_like_one():
    document = read_document(GUIDE / "deepseek-r1.yaml")
    document["spec"]["overrides"]["profilingJob"]["template"]["spec"]["toleration"] = []
    (fault,) = validate_documents([document], "f")
    assert fault.path == "spec.overrides.profilingJob.template.spec.toleration"
    assert fault.remedy == "did you mean tolerations?"


def test_all_faults_of_a_request_come_at_once():
    document = read_document(GUIDE / "llama-70b.yaml")
    document["spec"]["sla"]["ttft"] = -1
    document["spec"]["hardware"] = {"gpuSku": "H100-SXM5-80GB"}
    document["spec"]["worklod"] = {}
    faults = {fault.path: fault for fault in validate_documents([document], "f")}
    assert set(faults) == {"spec.sla.ttft", "spec.hardware.gpuSku", "spec.worklod"}
    assert faults["spec.hardware.gpuSku"].remedy == "write h100_sxm"
    assert faults["spec.worklod"].remedy == "did you mean workload?"


@pytest.mark.parametrize(
    ("documents", "path", "remedy"),
    [
        ([], "f.yaml", "give a DGDR or a DGD"),
        (["text"], "document", "a mapping"),
        ([{"kind": "DynamoGraphDeploymet"}], "kind", "did you mean DynamoGraphDeployment?"),
        ([{"kind": None}], "kind", "known are"),
        ([{"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "c"}}], "apiVersion", "write v1"),
        ([{"apiVersion": "v1", "kind": "ConfigMap"}], "metadata", "a mapping"),
        (
            [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": []}],
            "data",
            "a mapping",
        ),
        (
            [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": 5}}],
            "data.a",
            "a text",
        ),
        (
            [{"apiVersion": "v1", "kind": "Job", "metadata": {"name": "c"}, "spec": {"template": {}}}],
            "apiVersion",
            "write batch/v1",
        ),
        (
            [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "c"},
                    "spec": {"accessMode": ["ReadWriteMany"]},
                }
            ],
            "spec.accessMode",
            "did you mean accessModes?",
        ),
    ],
)
def test_unknown_documents(documents, path, remedy):
    (fault,) = validate_documents(documents, "f.yaml")
    assert fault.path == path
    assert remedy in fault.remedy


def test_a_fault_reads_as_one_line():
    fault = Fault(path="spec.x", problem="unknown key", remedy="remove it")
    assert str(fault) == "spec.x: unknown key; remove it"


# What is really wrong in Dynamo's own documents, each named; everything else in them is accepted.
ADAPTER = (".scalingAdapter.enabled", "is an empty mapping in v1beta1")
NO_MODE = (".podTemplate.spec.containers[main].args", "its command has no --disaggregation-mode")
UPSTREAM = {
    "qwen32_vllm_mocker_planner.dgd.yaml": {ADAPTER},
    "qwen32_vllm_planner_easy.dgd.yaml": {ADAPTER},
    "qwen32_vllm_planner_sla.dgd.yaml": {ADAPTER},
    "r1_sglang_32_planner.dgd.yaml": {
        ADAPTER,
        NO_MODE,
        (".max_gpu_budget", "is 8, but the workers take 16 GPUs from the start"),
        (".backend", "is 'vllm', but "),
    },
    "vllm_disagg_planner.v1beta1.yaml": {NO_MODE},
}


@needs_shared
def test_real_documents_are_accepted_or_their_own_fault_is_named():
    files = sorted((SHARED / "examples" / "dgd").rglob("*.yaml"))
    assert len(files) >= 30
    for path in files:
        left = set(UPSTREAM.get(path.name, ()))
        expected = set(left)
        for fault in validate_documents(load_documents(path), str(path)):
            known = [(p, text) for p, text in expected if fault.path.endswith(p) and text in fault.problem]
            assert known, (path.name, str(fault))
            left -= set(known)
        assert not left, path.name


JUNK = (None, 5, "text", [], {}, [1])


def paths_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


@pytest.mark.parametrize("name", ["vllm-agg", "vllm-disagg-features-v1alpha1", "llama-70b", "deepseek-r1"])
def test_no_document_however_broken_is_a_traceback(name):
    folder = GUIDE if (GUIDE / f"{name}.yaml").exists() else GOLDEN
    document = load_documents(folder / f"{name}.yaml")[-1]
    for path in list(paths_of(document))[1:]:
        for junk in JUNK:
            broken = copy.deepcopy(document)
            block = broken
            for key in path[:-1]:
                block = block[key]
            block[path[-1]] = junk
            for fault in validate_documents([broken], "f.yaml"):
                assert "\n" not in str(fault)
