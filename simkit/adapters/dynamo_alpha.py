"""DynamoGraphDeployments between v1beta1 (a list of components) and v1alpha1 (a map of services)."""

import copy
from collections.abc import Mapping
from typing import Any

from simkit.core.errors import InputError

Document = dict[str, Any]

ALPHA = "nvidia.com/v1alpha1"
BETA = "nvidia.com/v1beta1"
GPU = "nvidia.com/gpu"
_SPEC_SAME = (
    "annotations",
    "labels",
    "priorityClassName",
    "backendFramework",
    "restart",
    "topologyConstraint",
)
_SERVICE_SAME = ("replicas", "multinode", "eppConfig", "modelRef", "topologyConstraint")
_ROLES = ("prefill", "decode")


def to_v1alpha1(document: Mapping[str, Any]) -> Document:
    """A rendered v1beta1 deployment as v1alpha1.

    runtimeVersionOverride has no place there and is left out; claims become spec.pvcs.
    """
    spec = document["spec"]
    services = {item["name"]: _service(item) for item in spec["components"]}
    claims = sorted({claim for item in spec["components"] for claim in _claims(item).values()})
    return {
        **{key: value for key, value in document.items() if key != "spec"},
        "apiVersion": ALPHA,
        "spec": {
            **{key: spec[key] for key in _SPEC_SAME if key in spec},
            **({"envs": spec["env"]} if "env" in spec else {}),
            **({"pvcs": [{"name": name, "create": False} for name in claims]} if claims else {}),
            "services": services,
        },
    }


def from_v1alpha1(document: Mapping[str, Any]) -> Document:
    """A v1alpha1 deployment, or a part of one, in the shape of v1beta1."""
    spec = _mapping(document.get("spec"), "spec")
    services = _mapping(spec.get("services"), "spec.services")
    return {
        **{key: value for key, value in document.items() if key != "spec"},
        "apiVersion": BETA,
        "spec": {
            **{key: spec[key] for key in _SPEC_SAME if key in spec},
            **({"env": spec["envs"]} if "envs" in spec else {}),
            "components": [
                _component(name, _mapping(service, f"spec.services.{name}"))
                for name, service in services.items()
            ],
        },
    }


def _service(component: Mapping[str, Any]) -> Document:
    pod = copy.deepcopy(component["podTemplate"]["spec"])
    main = next(item for item in pod.pop("containers") if item["name"] == "main")
    main.pop("name")
    claims = _claims(component)
    service: Document = {**_role_fields(component.get("type")), "replicas": component.get("replicas", 1)}
    service |= {key: component[key] for key in _SERVICE_SAME if key in component and key != "replicas"}
    if "sharedMemorySize" in component:
        size = component["sharedMemorySize"]
        service["sharedMemory"] = {"disabled": True} if size == "0" else {"size": size}
    if "scalingAdapter" in component:
        service["scalingAdapter"] = {"enabled": True}
    service |= _secret_fields(main) | _resource_fields(main)
    mounts = main.pop("volumeMounts", [])
    if claims:
        service["volumeMounts"] = [
            {"name": claims[item["name"]], "mountPoint": item["mountPath"]}
            for item in mounts
            if item["name"] in claims
        ]
    others = [item for item in mounts if item["name"] not in claims]
    main |= {"volumeMounts": others} if others else {}
    volumes = [item for item in pod.pop("volumes", []) if item["name"] not in claims]
    pod |= {"volumes": volumes} if volumes else {}
    return {**service, "extraPodSpec": {**pod, "mainContainer": main}}


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
            kind: {("gpu" if key == GPU else key): value for key, value in amounts.items()}
            for kind, amounts in resources.items()
        }
    }


def _claims(component: Mapping[str, Any]) -> dict[str, str]:
    """Claim names by the name of the volume that uses them."""
    volumes = component["podTemplate"]["spec"].get("volumes", [])
    return {
        item["name"]: item["persistentVolumeClaim"]["claimName"]
        for item in volumes
        if "persistentVolumeClaim" in item
    }


def _component(name: str, service: Mapping[str, Any]) -> Document:
    path = f"spec.services.{name}"
    kind = service.get("subComponentType") or service.get("componentType")
    component: Document = {"name": name, **({"type": kind} if kind else {})}
    component |= {key: service[key] for key in _SERVICE_SAME if key in service}
    memory = _mapping(service.get("sharedMemory"), f"{path}.sharedMemory")
    if memory:
        component["sharedMemorySize"] = "0" if memory.get("disabled") else memory.get("size", "8Gi")
    if _mapping(service.get("scalingAdapter"), f"{path}.scalingAdapter").get("enabled"):
        component["scalingAdapter"] = {}
    pod = _pod(service, path)
    return {**component, "podTemplate": {"spec": pod}} if pod else component


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
    if "resources" in service:
        main["resources"] = _beta_resources(_mapping(service["resources"], f"{path}.resources"))
    mounts = _items(service.get("volumeMounts"), f"{path}.volumeMounts")
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
