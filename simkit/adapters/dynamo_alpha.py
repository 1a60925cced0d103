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
    spec = document.get("spec") or {}
    services = spec.get("services") or {}
    if not isinstance(services, Mapping):
        raise InputError("spec.services: expected a mapping of services by name; see the v1alpha1 examples")
    return {
        **{key: value for key, value in document.items() if key != "spec"},
        "apiVersion": BETA,
        "spec": {
            **{key: spec[key] for key in _SPEC_SAME if key in spec},
            **({"env": spec["envs"]} if "envs" in spec else {}),
            "components": [_component(name, service or {}) for name, service in services.items()],
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
    if not isinstance(service, Mapping):
        raise InputError(f"spec.services.{name}: expected a mapping; see the v1alpha1 examples")
    kind = service.get("subComponentType") or service.get("componentType")
    component: Document = {"name": name, **({"type": kind} if kind else {})}
    component |= {key: service[key] for key in _SERVICE_SAME if key in service}
    memory = service.get("sharedMemory") or {}
    if memory:
        component["sharedMemorySize"] = "0" if memory.get("disabled") else memory.get("size", "8Gi")
    if (service.get("scalingAdapter") or {}).get("enabled"):
        component["scalingAdapter"] = {}
    pod = _pod(service)
    return {**component, "podTemplate": {"spec": pod}} if pod else component


def _pod(service: Mapping[str, Any]) -> Document:
    extra = copy.deepcopy(dict(service.get("extraPodSpec") or {}))
    main = extra.pop("mainContainer", None) or {}
    if "envs" in service:
        main["env"] = [*main.get("env", []), *service["envs"]]
    if "envFromSecret" in service:
        main["envFrom"] = [{"secretRef": {"name": service["envFromSecret"]}}, *main.get("envFrom", [])]
    if "resources" in service:
        main["resources"] = _beta_resources(service["resources"] or {})
    mounts = service.get("volumeMounts") or []
    if mounts:
        main["volumeMounts"] = [
            *({"name": item["name"], "mountPath": item.get("mountPoint")} for item in mounts),
            *main.get("volumeMounts", []),
        ]
        extra["volumes"] = [
            *({"name": i["name"], "persistentVolumeClaim": {"claimName": i["name"]}} for i in mounts),
            *extra.get("volumes", []),
        ]
    return {**extra, "containers": [{"name": "main", **main}]} if main else extra


def _beta_resources(resources: Mapping[str, Any]) -> Document:
    found: Document = {}
    for kind, amounts in resources.items():
        if isinstance(amounts, Mapping):
            plain = {GPU if key == "gpu" else key: value for key, value in amounts.items() if key != "custom"}
            found[kind] = {**plain, **(amounts.get("custom") or {})}
    return found
