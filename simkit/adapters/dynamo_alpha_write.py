"""Rendered v1beta1 deployments as v1alpha1."""

import copy
from collections.abc import Mapping
from typing import Any

from simkit.adapters.dynamo_alpha import ALPHA, GPU, SERVICE_SAME, SPEC_SAME, Document

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
