"""DynamoGraphDeploymentRequest v1alpha1 (deprecated, still served) put into the shape of v1beta1."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic.alias_generators import to_camel

from simkit.formats.dgdr.model import API_VERSION, known_keys
from simkit.formats.faults import Fault, unknown_key, wrong_type

# --- Where each field of a v1alpha1 request is in v1beta1, and why some have no place there.


ALPHA_VERSION = "nvidia.com/v1alpha1"
DEPRECATED = "apiVersion v1alpha1 is deprecated and was read as v1beta1; write v1beta1"

CONFIG = "profilingConfig.config"
JOB = "overrides.profilingJob.template.spec"
DGD = "overrides.dgd.metadata"
# Where a value goes; of several sources of one field the first that is given counts.
MOVES = (
    ("model", "model"),
    ("backend", "backend"),
    ("autoApply", "autoApply"),
    ("useMocker", "features.mocker.enabled"),
    ("profilingConfig.profilerImage", "image"),
    ("deploymentOverrides.workersImage", "image"),
    (f"{CONFIG}.sla.isl", "workload.isl"),
    (f"{CONFIG}.sla.osl", "workload.osl"),
    (f"{CONFIG}.sla.ttft", "sla.ttft"),
    (f"{CONFIG}.sla.itl", "sla.itl"),
    (f"{CONFIG}.hardware.gpuModel", "hardware.gpuSku"),
    (f"{CONFIG}.hardware.gpuType", "hardware.gpuSku"),
    (f"{CONFIG}.sweep.aicSystem", "hardware.gpuSku"),
    (f"{CONFIG}.hardware.gpuVramMib", "hardware.vramMb"),
    (f"{CONFIG}.hardware.numGpusPerNode", "hardware.numGpusPerNode"),
    (f"{CONFIG}.sweep.useAiConfigurator", "searchStrategy"),
    (f"{CONFIG}.deployment.modelCache.pvcName", "modelCache.pvcName"),
    (f"{CONFIG}.deployment.modelCache.modelPathInPvc", "modelCache.pvcModelPath"),
    (f"{CONFIG}.deployment.modelCache.pvcMountPath", "modelCache.pvcMountPath"),
    (f"{CONFIG}.deployment.modelCache.mountPath", "modelCache.pvcMountPath"),
    (f"{CONFIG}.planner", "features.planner"),
    ("profilingConfig.tolerations", f"{JOB}.tolerations"),
    ("profilingConfig.nodeSelector", f"{JOB}.nodeSelector"),
    ("profilingConfig.resources", f"{JOB}.containers"),
    ("deploymentOverrides.name", f"{DGD}.name"),
    ("deploymentOverrides.labels", f"{DGD}.labels"),
    ("deploymentOverrides.annotations", f"{DGD}.annotations"),
)
# Places whose faults concern a block as a whole.
BLOCKS = {
    "sla": f"{CONFIG}.sla",
    "workload": f"{CONFIG}.sla",
    "hardware": f"{CONFIG}.hardware",
    "modelCache": f"{CONFIG}.deployment.modelCache",
    "features.mocker": "useMocker",
    "overrides.profilingJob": "profilingConfig",
    "overrides.dgd": "deploymentOverrides",
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "model", "backend", "useMocker", "autoApply", "enableGpuDiscovery", "profilingConfig",
        "deploymentOverrides",
    ),
    "profilingConfig": (
        "config", "configMapRef", "profilerImage", "outputPVC", "resources", "nodeSelector", "tolerations",
    ),
    "profilingConfig.configMapRef": ("name", "key"),
    "deploymentOverrides": ("name", "namespace", "labels", "annotations", "workersImage"),
}  # fmt: skip
REASONS = {
    "enableGpuDiscovery": "it has no effect any more",
    "profilingConfig.configMapRef": "deployments are made from the request, not from a template",
    "profilingConfig.outputPVC": "results go to the folder given with -o",
    "deploymentOverrides.namespace": "set metadata.namespace",
    "deploymentOverrides.workersImage": "worker images follow spec.image, which profilerImage gives",
}


# --- DynamoGraphDeploymentRequest v1alpha1 (deprecated, still served) put into the shape of v1beta1.
# There the targets and lengths sit in a free-form block, `spec.profilingConfig.config`, that the old
# profiler read. Every value is either moved to its v1beta1 field or named in a warning; none is lost
# in silence.


_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """A v1alpha1 document as v1beta1, what was left behind, and where each value came from."""

    document: dict[str, Any]
    warnings: tuple[str, ...]
    faults: tuple[Fault, ...]
    sources: Mapping[str, str]

    def placed(self, fault: Fault) -> Fault:
        """A fault of the v1beta1 document with the path that the user wrote."""
        path = fault.path.removeprefix("spec.")
        known = {**BLOCKS, **self.sources}
        for target in sorted(known, key=len, reverse=True):
            if path == target or path.startswith((f"{target}.", f"{target}[")):
                return replace(fault, path=f"spec.{known[target]}{path[len(target) :]}")
        return fault


def upgrade(document: Mapping[str, Any]) -> Upgrade:
    """A v1alpha1 request in the shape of v1beta1."""
    faults = tuple(_shape_faults(document.get("spec")))
    top = {key: copy.deepcopy(value) for key, value in document.items() if key != "spec"}
    top["apiVersion"] = API_VERSION
    if faults:
        return Upgrade(document={**top, "spec": {}}, warnings=(), faults=faults, sources={})
    rest = _camel(copy.deepcopy(dict(document["spec"])))
    spec, sources = _moved(rest)
    _finish(spec)
    left = [_left_behind(path) for path in _leaves(rest)]
    return Upgrade(document={**top, "spec": spec}, warnings=(DEPRECATED, *left), faults=(), sources=sources)


def _shape_faults(spec: Any) -> Iterator[Fault]:
    """Blocks that are not mappings and keys that v1alpha1 does not have; the free block is not judged."""
    if not isinstance(spec, Mapping):
        yield wrong_type("spec", "a mapping", spec)
        return
    for block, keys in KEYS.items():
        path = f"spec.{block}".rstrip(".")
        value = _pick(spec, block) if block else spec
        if value is _MISSING or value is None:
            continue
        if not isinstance(value, Mapping):
            yield wrong_type(path, "a mapping", value)
            continue
        yield from (_unknown(block, str(key), keys) for key in value if key not in keys)
    config = _pick(spec, CONFIG)
    if config not in (_MISSING, None) and not isinstance(config, Mapping):
        yield wrong_type(f"spec.{CONFIG}", "a mapping", config)


def _unknown(block: str, key: str, keys: tuple[str, ...]) -> Fault:
    path = f"spec.{block}".rstrip(".")
    if block == "" and key in known_keys()["spec"]:
        remedy = f"write apiVersion: {API_VERSION}, with all other fields as it has them"
        return Fault(path=f"{path}.{key}", problem="a field of v1beta1 in a v1alpha1 request", remedy=remedy)
    return unknown_key(path, key, keys)


def _camel(spec: dict[str, Any]) -> dict[str, Any]:
    """The profiler's block with the camel-case keys of its later releases; the planner's stay as they are."""
    config = _pick(spec, CONFIG)
    if isinstance(config, Mapping):
        spec["profilingConfig"]["config"] = {
            _camel_key(key): value if key == "planner" else _camel_keys(value)
            for key, value in config.items()
        }
    return spec


def _camel_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel_key(key): _camel_keys(item) for key, item in value.items()}
    return value


def _camel_key(key: Any) -> Any:
    return to_camel(key) if isinstance(key, str) and "_" in key.strip("_") else key


def _moved(rest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What has a place in v1beta1, taken out of `rest`, and its source by target."""
    spec: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, target in MOVES:
        value = _pick(rest, source)
        if value is _MISSING or value is None:
            continue
        if target in sources:
            if value == _pick(spec, target):
                _drop(rest, source)
            continue  # a second, different source is named as left behind
        _drop(rest, source)
        sources[target] = source
        _put(spec, target, _translated(target, value))
    return spec, sources


def _translated(target: str, value: Any) -> Any:
    if target == "searchStrategy" and isinstance(value, bool):
        return "rapid" if value else "thorough"
    if target == f"{JOB}.containers":
        return [{"name": "profiler", "resources": value}]
    return value


def _finish(spec: dict[str, Any]) -> None:
    """Defaults that differ, and what Kubernetes asks of the blocks made here."""
    spec.setdefault("autoApply", False)
    job = _pick(spec, JOB)
    if isinstance(job, dict):
        job.setdefault("containers", [])
    dgd = _pick(spec, "overrides.dgd")
    if isinstance(dgd, dict):
        dgd |= {"apiVersion": API_VERSION, "kind": "DynamoGraphDeployment"}


def _left_behind(path: str) -> str:
    reasons = (text for place, text in REASONS.items() if path.startswith(place))
    reason = next(reasons, "v1beta1 has no such field")
    return f"spec.{path} of the v1alpha1 request is not carried over: {reason}"


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """Paths of what is still there; emptied blocks and nulls count as gone."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}".lstrip("."))
    elif value is not None and path:
        yield path


def _pick(block: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(block, Mapping) or key not in block:
            return _MISSING
        block = block[key]
    return block


def _drop(block: Any, path: str) -> None:
    head, _, last = path.rpartition(".")
    parent = _pick(block, head) if head else block
    del parent[last]


def _put(block: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        block = block.setdefault(key, {})
    block[last] = value
