"""Kubernetes documents: merging a partial one into a whole, and the schemas they must hold to."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.faults import Fault
from simkit.formats.schema_faults import faults_by

# --- Merging a partial Kubernetes document into a whole one, by the rules of its schema.
# Mappings merge. A list that the schema keys (containers by name, mounts by path, ...) merges entry by
# entry; every other list is atomic and is replaced. Null cannot stand for "remove", as in Dynamo.


# The fields that tell entries of a list apart, as the core/v1 and Dynamo schemas declare them.
LIST_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "components": ("name",),
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "envs": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "roles": ("name",),
})  # fmt: skip
_DEFAULTS = {"protocol": "TCP"}


def merge(base: Any, change: Any, path: str) -> Any:
    """`base` with `change` merged in; neither is altered. path is where `change` stands, for messages."""
    _refuse_null(change, path)
    return _merge(base, change, "", path)


def _merge(base: Any, change: Any, key: str, path: str) -> Any:
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        merged = dict(base)
        for name, value in change.items():
            merged[name] = _merge(base.get(name), value, str(name), f"{path}.{name}")
        return merged
    if isinstance(base, Mapping | list) and not isinstance(change, type(base)):
        kind = "a mapping" if isinstance(base, Mapping) else "a list"
        raise InputError(f"{path}: expected {kind}, got {type(change).__name__}; write {kind} there")
    if key in LIST_KEYS and isinstance(base, list) and isinstance(change, list):
        return _merge_entries(base, change, LIST_KEYS[key], path)
    return copy.deepcopy(change)


def _merge_entries(base: list[Any], change: list[Any], keys: tuple[str, ...], path: str) -> list[Any]:
    """Entries that say the same by `keys` merge; new ones go to the end, in their order."""
    added = [_identity(item, keys, f"{path}[{index}]") for index, item in enumerate(change)]
    if len(set(added)) < len(added):
        twice = next(name for name in added if added.count(name) > 1)
        raise InputError(f"{path}: {'/'.join(twice)} is given twice; merge the two entries")
    pending = dict(zip(added, change, strict=True))
    merged = []
    for item in base:
        name = _identity(item, keys, path)
        merged.append(_merge(item, pending.pop(name, {}), "", f"{path}[{'/'.join(name)}]"))
    return [*merged, *copy.deepcopy(list(pending.values()))]


def _identity(item: Any, keys: tuple[str, ...], path: str) -> tuple[str, ...]:
    values = [item.get(key, _DEFAULTS.get(key)) for key in keys] if isinstance(item, Mapping) else [None]
    if any(value is None for value in values):
        raise InputError(f"{path}: entries are told apart by {' and '.join(keys)}; give it in every entry")
    return tuple(str(value) for value in values)


def _refuse_null(value: Any, path: str) -> None:
    if value is None:
        raise InputError(f"{path}: null removes nothing, as fields can only be set; leave the key out")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_null(item, f"{path}.{key}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_null(item, f"{path}[{index}]")


# --- Kubernetes' own schemas: pods, claims, Jobs and ConfigMaps as the API server takes them.
# The schemas are those that the package kubernetes-validate carries.


# A release that current clusters run or exceed; unknown fields are refused, as kubectl apply does.
KUBERNETES = "1.34.0"
_FOLDER = f"kubernetes-json-schema/v{KUBERNETES}-local-strict"
_FILES = {
    "PodTemplateSpec": "podtemplatespec-v1",
    "PodSpec": "podspec-v1",
    "Container": "container-v1",
    "Probe": "probe-v1",
    "PersistentVolumeClaim": "persistentvolumeclaim-v1",
    "Job": "job-batch-v1",
    "JobSpec": "jobspec-batch-v1",
    "ConfigMap": "configmap-v1",
}


def schema_faults(kind: str, value: Any, path: str) -> list[Fault]:
    """Everything in which `value` is not a Kubernetes object of that kind; path is where it stands."""
    return faults_by(_validator(kind), value, path)


@lru_cache(maxsize=len(_FILES))
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Resource

    schema = _schema(f"{_FOLDER}/{_FILES[kind]}.json")
    registry = Resource.from_contents(schema) @ _registry()
    return Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=1)
def _registry() -> Any:
    from referencing import Registry, Resource

    return Resource.from_contents(_schema(f"{_FOLDER}/_definitions.json")) @ Registry()


def _schema(name: str) -> Any:
    """One published schema. Raises InputError where the extra that carries them is not installed."""
    try:
        from kubernetes_validate.utils import schema_contents
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        raise InputError(
            f"checking Kubernetes objects needs the package {package}, which is not installed: "
            'pip install "dynamo-simkit[validate]"'
        ) from missing
    return schema_contents(name, KUBERNETES)
