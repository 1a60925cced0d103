"""DynamoGraphDeployments of v1alpha1 (a map of services) in the shape of v1beta1 (a list of components)."""

import copy
from collections.abc import Mapping
from typing import Any

from simkit.core.errors import InputError

Document = dict[str, Any]

ALPHA = "nvidia.com/v1alpha1"
BETA = "nvidia.com/v1beta1"
GPU = "nvidia.com/gpu"
SPEC_SAME = (
    "annotations",
    "labels",
    "priorityClassName",
    "backendFramework",
    "restart",
    "topologyConstraint",
)
SERVICE_SAME = (
    "replicas",
    "runtimeVersionOverride",
    "multinode",
    "eppConfig",
    "modelRef",
    "topologyConstraint",
)
_PROBES = ("livenessProbe", "readinessProbe")


def from_v1alpha1(document: Mapping[str, Any]) -> Document:
    """A v1alpha1 deployment, or a part of one, in the shape of v1beta1."""
    spec = _mapping(document.get("spec"), "spec")
    services = _mapping(spec.get("services"), "spec.services")
    return {
        **{key: value for key, value in document.items() if key != "spec"},
        "apiVersion": BETA,
        "spec": {
            **{key: spec[key] for key in SPEC_SAME if key in spec},
            **({"env": spec["envs"]} if "envs" in spec else {}),
            "components": [
                _component(name, _mapping(service, f"spec.services.{name}"))
                for name, service in services.items()
            ],
        },
    }


def _component(name: str, service: Mapping[str, Any]) -> Document:
    path = f"spec.services.{name}"
    kind = service.get("subComponentType") or service.get("componentType")
    component: Document = {"name": name, **({"type": kind} if kind else {})}
    component |= {key: service[key] for key in SERVICE_SAME if key in service}
    memory = _mapping(service.get("sharedMemory"), f"{path}.sharedMemory")
    if memory:
        component["sharedMemorySize"] = "0" if memory.get("disabled") else memory.get("size", "8Gi")
    if _mapping(service.get("scalingAdapter"), f"{path}.scalingAdapter").get("enabled"):
        component["scalingAdapter"] = {}
    component |= _compilation_cache(service, path)
    pod = _pod(service, path)
    metadata = dict(_mapping(service.get("extraPodMetadata"), f"{path}.extraPodMetadata"))
    template = {**({"metadata": metadata} if metadata else {}), **({"spec": pod} if pod else {})}
    return {**component, "podTemplate": template} if template else component


def _compilation_cache(service: Mapping[str, Any], path: str) -> Document:
    for item in _items(service.get("volumeMounts"), f"{path}.volumeMounts"):
        if item.get("useAsCompilationCache"):
            place = {"mountPath": item["mountPoint"]} if "mountPoint" in item else {}
            return {"compilationCache": {"pvcName": item.get("name"), **place}}
    return {}


def _pod(service: Mapping[str, Any], path: str) -> Document:
    extra = copy.deepcopy(dict(_mapping(service.get("extraPodSpec"), f"{path}.extraPodSpec")))
    main = dict(_mapping(extra.pop("mainContainer", None), f"{path}.extraPodSpec.mainContainer"))
    if "envs" in service:
        main["env"] = [*_items(main.get("env"), path), *_items(service["envs"], f"{path}.envs")]
    if "envFromSecret" in service:
        main["envFrom"] = [
            {"secretRef": {"name": service["envFromSecret"]}},
            *_items(main.get("envFrom"), path),
        ]
    main |= {key: service[key] for key in _PROBES if key in service}
    if "resources" in service:
        main["resources"] = _beta_resources(_mapping(service["resources"], f"{path}.resources"))
    mounts = _items(service.get("volumeMounts"), f"{path}.volumeMounts")
    mounts = [item for item in mounts if not item.get("useAsCompilationCache")]
    if mounts:
        _add_claims(extra, main, mounts, path)
    return {**extra, "containers": [{"name": "main", **main}]} if main else extra


def _add_claims(extra: Document, main: Document, mounts: list[Document], path: str) -> None:
    """A v1alpha1 mount names the claim; v1beta1 wants a volume in between."""
    names = [item.get("name") for item in mounts]
    main["volumeMounts"] = [
        *({"name": item.get("name"), "mountPath": item.get("mountPoint")} for item in mounts),
        *_items(main.get("volumeMounts"), path),
    ]
    extra["volumes"] = [
        *({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names),
        *_items(extra.get("volumes"), path),
    ]


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    """A mapping, empty where nothing is given."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: expected a mapping, got {type(value).__name__}; see the v1alpha1 examples")
    return value


def _items(value: Any, path: str) -> list[Document]:
    """A list of mappings, empty where nothing is given."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise InputError(f"{path}: expected a list of mappings; see the v1alpha1 examples")
    return value


def _beta_resources(resources: Mapping[str, Any]) -> Document:
    found: Document = {}
    for kind, amounts in resources.items():
        if isinstance(amounts, Mapping):
            plain = {GPU if key == "gpu" else key: value for key, value in amounts.items() if key != "custom"}
            found[kind] = {**plain, **_mapping(amounts.get("custom"), "resources.custom")}
    return found
