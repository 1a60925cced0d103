"""Hypothesis strategies for DGDR documents: valid ones, and ways to break them with the path to blame."""

import copy

from hypothesis import strategies as st

from simkit.formats.dgdr.skus import GPU_SKUS

MODELS = ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-32B", "meta-llama/Llama-3.1-70B-Instruct", "Qwen/Qwen3-30B-A3B")
NODE_GPUS = ("h200_sxm", "h100_sxm", "a100_sxm", "b200_sxm", "l40s", "gb200", "H100-SXM5-80GB", "h100_pcie")

names = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
# Documents are written to a millionth of a millisecond.
numbers = st.floats(1e-3, 1e6).map(lambda value: round(value, 6)) | st.integers(1, 10**6)
switches = st.fixed_dictionaries({}, optional={"enabled": st.booleans() | st.none()})
segments = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..") and not text.startswith("models--")
)
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)
versions = st.from_regex(r"(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)", fullmatch=True)


def blocks(**fields):
    """A mapping with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


hardware = blocks(
    gpuSku=st.sampled_from((*GPU_SKUS, *NODE_GPUS)),
    vramMb=numbers,
    totalGpus=st.integers(1, 10**6),
    numGpusPerNode=st.integers(1, 72),
    interconnect=st.sampled_from(["pcie", "nvlink"]),
    rdma=st.booleans(),
)
workload = st.builds(
    lambda lengths, load: {**lengths, **load},
    blocks(isl=st.integers(1, 10**9 - 1), osl=st.integers(1, 10**9 - 1)),
    st.just({}) | st.builds(dict, concurrency=numbers) | st.builds(dict, requestRate=numbers),
)
bounds = st.integers(600, 10**6) | st.floats(600.0, 1e6)  # nothing that could be seconds
sla = st.builds(
    lambda bounds, target: {**bounds, **target},
    st.just({}) | st.builds(dict, ttft=bounds, itl=bounds) | st.builds(dict, e2eLatency=bounds),
    blocks(optimizationType=st.sampled_from(["latency", "throughput"])),
)
caches = st.builds(
    lambda pvc, mount, path, absolute: {
        "pvcName": pvc,
        "pvcMountPath": f"/{mount}",
        "pvcModelPath": f"/{mount}/{path}" if absolute else path,
    },
    names, paths, paths, st.booleans(),
)  # fmt: skip
tolerations = st.lists(
    st.builds(
        dict, key=names, operator=st.just("Exists"), effect=st.sampled_from(["NoSchedule", "NoExecute"])
    )
    | st.builds(dict, key=names, operator=st.just("Equal"), value=names),
    max_size=3,
)
overrides = blocks(
    trustRemoteCode=st.booleans(),
    profilingJob=st.builds(
        lambda items: {"template": {"spec": {"containers": [], "tolerations": items}}}, tolerations
    ),
    dgd=st.builds(
        lambda name, replicas: {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeployment",
            "metadata": {"name": name},
            "spec": {"components": [{"name": "Frontend", "replicas": replicas}]},
        },
        names,
        st.integers(1, 4),
    ),
)
features = blocks(
    planner=blocks(
        enabled=st.booleans(), optimization_target=st.sampled_from(["throughput", "latency", "sla"])
    ),
    kvRouter=switches,
    mocker=switches,
)
strategies = st.sampled_from(
    [{}, {"searchStrategy": "rapid"}, {"backend": "auto"}]
    + [
        {"backend": name, "searchStrategy": how}
        for name in ("vllm", "sglang", "trtllm")
        for how in ("rapid", "thorough")
    ]
)
images = (
    st.just({})
    | st.builds(lambda version: {"image": f"nvcr.io/nvidia/ai-dynamo/dynamo-planner:{version}"}, versions)
    | st.builds(
        lambda version: {"image": "local/planner:latest", "runtimeVersionOverride": version}, versions
    )
)


def documents(**changes):
    """Valid requests; `changes` replaces the strategy of a block by name."""
    parts = {
        "hardware": hardware, "workload": workload, "sla": sla, "modelCache": caches, "overrides": overrides,
        "features": features, "autoApply": st.booleans(), **changes,
    }  # fmt: skip
    return st.builds(
        lambda name, model, spec, how, image: {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": name},
            "spec": {"model": model, **spec, **how, **image},
        },
        names, st.sampled_from(MODELS), st.fixed_dictionaries({}, optional=parts), strategies, images,
    )  # fmt: skip


def _with(path, value):
    """A change that puts a value at a path below spec."""

    def change(document):
        *parents, last = path.split(".")
        block = document["spec"]
        for key in parents:
            if not isinstance(block.get(key), dict):
                block[key] = {}
            block = block[key]
        block[last] = value

    return change


def _all(*changes):
    def change(document):
        for item in changes:
            item(document)

    return change


# What breaks a request, whatever else it says, and where the fault must be told.
BREAKERS = (
    (_all(_with("searchStrategy", "thorough"), _with("backend", "auto")), "spec.searchStrategy"),
    (_with("workload", {"requestRate": 1, "concurrency": 1}), "spec.workload"),
    (_with("sla", {"ttft": 300}), "spec.sla"),
    (_with("sla", {"itl": 30}), "spec.sla"),
    (_with("sla", {"e2eLatency": 3000, "ttft": 300, "itl": 30}), "spec.sla"),
    (_with("sla", {"ttft": 0, "itl": 30}), "spec.sla.ttft"),
    (_with("sla", {"ttft": 300, "itl": -30}), "spec.sla.itl"),
    (_with("workload.isl", 0), "spec.workload.isl"),
    (_with("workload.osl", -5), "spec.workload.osl"),
    (_with("hardware.totalGpus", 0), "spec.hardware.totalGpus"),
    (_with("hardware.totalGpus", 10**6 + 1), "spec.hardware.totalGpus"),
    (_with("hardware.gpuSku", "h2000_sxm"), "spec.hardware.gpuSku"),
    (_with("hardware.vramMb", 0), "spec.hardware.vramMb"),
    (
        _all(_with("image", "a/b:latest"), _with("runtimeVersionOverride", None)),
        "spec.runtimeVersionOverride",
    ),
    (_with("runtimeVersionOverride", "v1.6"), "spec.runtimeVersionOverride"),
    (_with("image", "a/b:1.6.1; reboot"), "spec.image"),
    (_with("model", ""), "spec.model"),
    (_with("model", "$(HF_TOKEN)"), "spec.model"),
    (_with("modelCache", {"pvcModelPath": "a"}), "spec.modelCache.pvcName"),
    (_with("modelCache", {"pvcName": "a", "pvcModelPath": "../a"}), "spec.modelCache.pvcModelPath"),
    (_with("modelCache", {"pvcName": "a", "pvcModelPath": "/etc"}), "spec.modelCache.pvcModelPath"),
    (
        _with("modelCache", {"pvcName": "a", "pvcModelPath": "hub/models--a--b"}),
        "spec.modelCache.pvcModelPath",
    ),
    (_with("modelCache", {"pvcName": "a", "pvcMountPath": "a"}), "spec.modelCache.pvcMountPath"),
    (
        _all(
            _with("backend", "sglang"),
            _with("features", {"planner": {"optimization_target": "load"}}),
        ),
        "spec.features.planner.optimization_target",
    ),
    (_with("features.planner", {"enabled": "yes"}), "spec.features.planner.enabled"),
    (
        _with("overrides.dgd", {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment",
                                "spec": {"components": [{"name": "router"}]}}),
        "spec.overrides.dgd",
    ),
    (_with("overrides.profilingJob", {"tolerations": []}), "spec.overrides.profilingJob.tolerations"),
    (_with("serachStrategy", "rapid"), "spec.serachStrategy"),
    (_with("backend", "vlm"), "spec.backend"),
)  # fmt: skip


def broken(document, breaker):
    """The document with one fault added."""
    result = copy.deepcopy(document)
    breaker(result)
    return result
