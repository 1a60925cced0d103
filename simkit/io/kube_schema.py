"""Kubernetes' own schemas: pods, claims, Jobs and ConfigMaps as the API server takes them.

The schemas are those that the package kubernetes-validate carries; here they only become faults.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from simkit.io.faults import Fault, join_path, shown, unknown_key, wrong_type

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
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}
_MOST_FAULTS = 50  # of one object; a document of nonsense need not be listed to its end


def schema_faults(kind: str, value: Any, path: str) -> list[Fault]:
    """Everything in which `value` is not a Kubernetes object of that kind; path is where it stands."""
    found: list[Fault] = []
    for error in _validator(kind).iter_errors(value):
        found += _faults(error, path)
        if len(found) >= _MOST_FAULTS:
            break
    return list(dict.fromkeys(found))


@lru_cache(maxsize=len(_FILES))
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator
    from kubernetes_validate.utils import schema_contents
    from referencing import Resource

    schema = schema_contents(f"{_FOLDER}/{_FILES[kind]}.json", KUBERNETES)
    registry = Resource.from_contents(schema) @ _registry()
    return Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=1)
def _registry() -> Any:
    from kubernetes_validate.utils import schema_contents
    from referencing import Registry, Resource

    return Resource.from_contents(schema_contents(f"{_FOLDER}/_definitions.json", KUBERNETES)) @ Registry()


def _faults(error: Any, path: str) -> Iterator[Fault]:
    where = _where(path, error)
    rule, value, expected = error.validator, error.instance, error.validator_value
    if rule == "additionalProperties" and isinstance(value, Mapping):
        known = error.schema.get("properties", {})
        for key in value:
            if key not in known:
                yield unknown_key(where, str(key), known)
    elif rule == "required":
        for key in expected:
            if isinstance(value, Mapping) and key not in value:
                yield Fault(path=f"{where}.{key}", problem="required but missing", remedy="add it")
    elif rule == "type":
        yield wrong_type(where, _type_words(expected), value)
    elif rule in ("oneOf", "anyOf"):
        yield wrong_type(where, _type_words([part.get("type") for part in expected]), value)
    elif rule == "enum":
        listed = ", ".join(str(item) for item in expected)
        yield Fault(path=where, problem=f"expected one of {listed}, got {shown(value)}", remedy="write one")
    else:
        yield Fault(
            path=where, problem=f"breaks Kubernetes' rule {rule}, got {shown(value)}", remedy="correct it"
        )


def _where(path: str, error: Any) -> str:
    inner = join_path(error.absolute_path)
    if not inner:
        return path
    return f"{path}{inner}" if not path or inner.startswith("[") else f"{path}.{inner}"


def _type_words(types: Any) -> str:
    names = [types] if isinstance(types, str) else list(types)
    flat = [part for name in names for part in (name if isinstance(name, list) else [name])]
    words = [_WORDS.get(str(name), str(name)) for name in flat if name != "null"]
    return " or ".join(dict.fromkeys(words)) or "something else"
