"""DynamoGraphDeployments of v1alpha1 (a map of services) in the shape of v1beta1 (a list), and back."""

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
    # `main` is any component: what its command starts says more.
    component: Document = {"name": name, **({"type": kind} if kind and kind != "main" else {})}
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
    # Whatever it is called, it is the main container.
    return {**extra, "containers": [{**main, "name": "main"}]} if main else extra


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


# --- Rendered v1beta1 deployments as v1alpha1.


_ROLES = ("prefill", "decode")
_NAMED = (GPU, "cpu", "memory")


def to_v1alpha1(document: Mapping[str, Any]) -> Document:
    """A rendered v1beta1 deployment as v1alpha1; claims become spec.pvcs."""
    spec = document["spec"]
    services = {item["name"]: _service(item) for item in spec["components"]}
    claims = sorted({claim for item in spec["components"] for claim in _all_claims(item)})
    return {
        **{key: value for key, value in document.items() if key != "spec"},
        "apiVersion": ALPHA,
        "spec": {
            **{key: spec[key] for key in SPEC_SAME if key in spec},
            **({"envs": spec["env"]} if "env" in spec else {}),
            **({"pvcs": [{"name": name, "create": False} for name in claims]} if claims else {}),
            "services": services,
        },
    }


def _service(component: Mapping[str, Any]) -> Document:
    pod = copy.deepcopy(component["podTemplate"]["spec"])
    main = next(item for item in pod.pop("containers") if item["name"] == "main")
    main.pop("name")
    claims = _claims(component)
    service: Document = {**_role_fields(component.get("type")), "replicas": component.get("replicas", 1)}
    service |= {key: component[key] for key in SERVICE_SAME if key in component and key != "replicas"}
    if "sharedMemorySize" in component:
        size = component["sharedMemorySize"]
        service["sharedMemory"] = {"disabled": True} if size == "0" else {"size": size}
    if "scalingAdapter" in component:
        service["scalingAdapter"] = {"enabled": True}
    service |= _secret_fields(main) | _resource_fields(main)
    service |= _pod_metadata(component["podTemplate"])
    mounts = main.pop("volumeMounts", [])
    claimed = [
        {"name": claims[item["name"]], "mountPoint": item["mountPath"]}
        for item in mounts
        if item["name"] in claims
    ]
    claimed += _compilation_mounts(component)
    service |= {"volumeMounts": claimed} if claimed else {}
    others = [item for item in mounts if item["name"] not in claims]
    main |= {"volumeMounts": others} if others else {}
    volumes = [item for item in pod.pop("volumes", []) if item["name"] not in claims]
    pod |= {"volumes": volumes} if volumes else {}
    return {**service, "extraPodSpec": {**pod, "mainContainer": main}}


def _pod_metadata(template: Mapping[str, Any]) -> Document:
    metadata = template.get("metadata") or {}
    kept = {key: metadata[key] for key in ("annotations", "labels") if metadata.get(key)}
    return {"extraPodMetadata": kept} if kept else {}


def _compilation_mounts(component: Mapping[str, Any]) -> list[Document]:
    """v1alpha1 marks one of the mounts; v1beta1 has a block of its own."""
    cache = component.get("compilationCache")
    if not cache:
        return []
    place = {"mountPoint": cache["mountPath"]} if "mountPath" in cache else {}
    return [{"name": cache["pvcName"], **place, "useAsCompilationCache": True}]


def _role_fields(kind: str | None) -> Document:
    if kind in _ROLES:
        return {"componentType": "worker", "subComponentType": kind}
    return {"componentType": kind} if kind else {}


def _secret_fields(main: Document) -> Document:
    """envFromSecret holds one name; further sources stay with the container."""
    sources = main.pop("envFrom", [])
    if not sources:
        return {}
    first, rest = sources[0], sources[1:]
    if rest or "secretRef" not in first:
        main["envFrom"] = rest if "secretRef" in first else sources
    return {"envFromSecret": first["secretRef"]["name"]} if "secretRef" in first else {}


def _resource_fields(main: Document) -> Document:
    resources = main.pop("resources", None)
    if not resources:
        return {}
    return {
        "resources": {
            kind: _alpha_amounts(amounts) if kind in ("limits", "requests") else amounts
            for kind, amounts in resources.items()
        }
    }


def _alpha_amounts(amounts: Mapping[str, Any]) -> Document:
    """GPUs, CPU and memory have names of their own; extended resources go to `custom`."""
    plain = {("gpu" if key == GPU else key): value for key, value in amounts.items() if key in _NAMED}
    custom = {key: value for key, value in amounts.items() if key not in _NAMED}
    return {**plain, **({"custom": custom} if custom else {})}


def _claims(component: Mapping[str, Any]) -> dict[str, str]:
    """Claim names by the name of the volume that uses them."""
    volumes = component["podTemplate"]["spec"].get("volumes", [])
    return {
        item["name"]: item["persistentVolumeClaim"]["claimName"]
        for item in volumes
        if "persistentVolumeClaim" in item
    }


def _all_claims(component: Mapping[str, Any]) -> list[str]:
    cache = component.get("compilationCache") or {}
    return [*_claims(component).values(), *([cache["pvcName"]] if "pvcName" in cache else [])]
