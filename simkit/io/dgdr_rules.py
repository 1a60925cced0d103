"""What a DGDR must hold beyond the type of each field: rules that span fields, and names."""

import re
from collections.abc import Mapping
from typing import Any

from simkit.core.errors import UnknownNameError, nearest
from simkit.io import catalog
from simkit.io.dgdr_model import API_VERSION, GPU_SKUS, KIND
from simkit.io.faults import Fault, shown, wrong_type
from simkit.io.planner_faults import planner_faults

_SEMVER_TAG = re.compile(r":v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]*)?$")
_DGD_VERSIONS = ("nvidia.com/v1alpha1", "nvidia.com/v1beta1")
DEFAULT_MOUNT = "/opt/model-cache"


def lookup(document: Any, path: str) -> Any:
    """The value at a dotted path, None where any step is missing or not a mapping."""
    value = document
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def kind_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Whether this is a DGDR of the version that is read."""
    version, kind = document.get("apiVersion"), document.get("kind")
    if kind != KIND:
        return [Fault(path="kind", problem=f"expected {KIND}, got {shown(kind)}", remedy=f"write {KIND}")]
    if version == "nvidia.com/v1alpha1":
        return [
            Fault(
                path="apiVersion",
                problem="requests are read as v1beta1, got the deprecated v1alpha1",
                remedy="move profilingConfig to spec.workload, spec.sla and spec.hardware "
                f"and write {API_VERSION}",
            )
        ]
    if version != API_VERSION:
        problem = f"expected {API_VERSION}, got {shown(version)}"
        return [Fault(path="apiVersion", problem=problem, remedy=f"write {API_VERSION}")]
    return []


def rule_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Every rule across fields that the request breaks; fields of a wrong type are passed over."""
    rules = (_strategy, _load, _sla, _image, _model_cache, _gpu, _planner, _dgd_override, _tolerations)
    return [fault for rule in rules for fault in rule(document)]


def sku_faults(document: Mapping[str, Any]) -> list[Fault]:
    """A GPU that simkit knows but the DGDR's own list does not."""
    name = lookup(document, "spec.hardware.gpuSku")
    if not isinstance(name, str) or name in GPU_SKUS or canonical_gpu(name) is None:
        return []
    canonical = canonical_gpu(name)
    hint = canonical if canonical in GPU_SKUS else None
    remedy = f"write {hint}" if hint else f"Dynamo takes one of {', '.join(GPU_SKUS)}; omit it to discover"
    problem = f"{name!r} is not a GPU name that Dynamo's DGDR accepts"
    return [Fault(path="spec.hardware.gpuSku", problem=problem, remedy=remedy)]


def canonical_gpu(name: str) -> str | None:
    """The catalogue's name for a GPU however it is written; None when nobody knows it."""
    try:
        return catalog.gpu(name).name
    except UnknownNameError:
        return name if name in GPU_SKUS else None


def _given(document: Mapping[str, Any], block: str, *names: str) -> list[str]:
    values = lookup(document, block)
    return [name for name in names if isinstance(values, Mapping) and values.get(name) is not None]


def _strategy(document: Mapping[str, Any]) -> list[Fault]:
    if lookup(document, "spec.searchStrategy") != "thorough":
        return []
    if lookup(document, "spec.backend") not in (None, "auto"):
        return []
    return [
        Fault(
            path="spec.searchStrategy",
            problem="'thorough' deploys one engine for real and cannot go with backend 'auto'",
            remedy="set spec.backend to vllm, sglang or trtllm, or searchStrategy to rapid",
        )
    ]


def _load(document: Mapping[str, Any]) -> list[Fault]:
    if len(_given(document, "spec.workload", "concurrency", "requestRate")) < 2:
        return []
    problem = "concurrency and requestRate are both given, but the load is one or the other"
    return [Fault(path="spec.workload", problem=problem, remedy="remove one of them")]


def _sla(document: Mapping[str, Any]) -> list[Fault]:
    path = "spec.sla"
    pair = _given(document, path, "ttft", "itl")
    if pair and _given(document, path, "e2eLatency"):
        problem = f"e2eLatency cannot go together with {' and '.join(pair)}"
        remedy = "give e2eLatency alone, or ttft with itl"
        return [Fault(path=path, problem=problem, remedy=remedy)]
    if len(pair) == 1:
        missing = "itl" if pair == ["ttft"] else "ttft"
        problem = f"{pair[0]} is given without {missing}, but they come as a pair"
        return [Fault(path=path, problem=problem, remedy=f"add {missing} in milliseconds")]
    return []


def has_version_tag(image: str) -> bool:
    """Whether an image reference ends in a tag like :1.6.1 (a digest does not)."""
    return "@" not in image and _SEMVER_TAG.search(image) is not None


def _image(document: Mapping[str, Any]) -> list[Fault]:
    image = lookup(document, "spec.image")
    if not isinstance(image, str) or has_version_tag(image):
        return []
    if lookup(document, "spec.runtimeVersionOverride") is not None:
        return []
    return [
        Fault(
            path="spec.runtimeVersionOverride",
            problem=f"required, because the tag of image {image!r} is not a version",
            remedy="give the Dynamo version, such as 1.6.1, or an image tag that says it",
        )
    ]


def _model_cache(document: Mapping[str, Any]) -> list[Fault]:
    block = lookup(document, "spec.modelCache")
    if not isinstance(block, Mapping) or not block:
        return []
    faults = []
    if block.get("pvcName") is None:
        problem = "required when spec.modelCache is given"
        remedy = "name the PersistentVolumeClaim, or remove spec.modelCache"
        faults.append(Fault(path="spec.modelCache.pvcName", problem=problem, remedy=remedy))
    mount, path = block.get("pvcMountPath") or DEFAULT_MOUNT, block.get("pvcModelPath")
    if isinstance(mount, str) and not mount.startswith("/"):
        fault = wrong_type("spec.modelCache.pvcMountPath", "an absolute path", mount)
        faults.append(fault)
    elif isinstance(mount, str) and isinstance(path, str):
        faults += _model_path(mount, path)
    return faults


def _model_path(mount: str, path: str) -> list[Fault]:
    field = "spec.modelCache.pvcModelPath"
    if ".." in path.split("/"):
        problem, remedy = f"{path!r} leaves the volume by '..'", "give the path from the volume's root"
        return [Fault(path=field, problem=problem, remedy=remedy)]
    root = mount.rstrip("/")
    if path.startswith("/") and path.rstrip("/") != root and not path.startswith(root + "/"):
        problem = f"absolute path {path!r} is not under the mount {mount!r}"
        remedy = "give it relative to the volume's root, or below pvcMountPath"
        return [Fault(path=field, problem=problem, remedy=remedy)]
    return []


def _gpu(document: Mapping[str, Any]) -> list[Fault]:
    name = lookup(document, "spec.hardware.gpuSku")
    if not isinstance(name, str) or canonical_gpu(name) is not None:
        return []
    hints = nearest(name, {*GPU_SKUS, *catalog.gpu_names()})
    remedy = f"did you mean {' or '.join(hints)}?" if hints else f"write one of {', '.join(GPU_SKUS)}"
    return [Fault(path="spec.hardware.gpuSku", problem=f"unknown GPU {name!r}", remedy=remedy)]


def _planner(document: Mapping[str, Any]) -> list[Fault]:
    spec = lookup(document, "spec")
    return planner_faults(spec) if isinstance(spec, Mapping) else []


def _dgd_override(document: Mapping[str, Any]) -> list[Fault]:
    override = lookup(document, "spec.overrides.dgd")
    if not isinstance(override, Mapping):
        return []
    faults = []
    if override.get("apiVersion") not in _DGD_VERSIONS:
        problem = f"expected one of {', '.join(_DGD_VERSIONS)}, got {shown(override.get('apiVersion'))}"
        remedy = "say which version the override is written in"
        faults.append(Fault(path="spec.overrides.dgd.apiVersion", problem=problem, remedy=remedy))
    if override.get("kind") != "DynamoGraphDeployment":
        problem = f"expected DynamoGraphDeployment, got {shown(override.get('kind'))}"
        remedy = "write kind: DynamoGraphDeployment"
        faults.append(Fault(path="spec.overrides.dgd.kind", problem=problem, remedy=remedy))
    return faults


def _tolerations(document: Mapping[str, Any]) -> list[Fault]:
    path = "spec.overrides.profilingJob.template.spec.tolerations"
    value = lookup(document, path)
    if value is None:
        return []
    if not isinstance(value, list):
        return [wrong_type(path, "a list", value)]
    return [
        wrong_type(f"{path}[{index}]", "a mapping", item)
        for index, item in enumerate(value)
        if not isinstance(item, Mapping)
    ]
