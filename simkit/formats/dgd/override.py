"""spec.overrides.dgd: changes that a request makes to the generated deployment.

Merged by the schema's rules (kube_merge): mappings and keyed lists merge, atomic lists such as
arguments and tolerations are replaced. Only what was generated can be changed. A v1alpha1 override's
worker arguments are appended, as Dynamo does.
"""

import copy
from collections.abc import Mapping
from typing import Any

from simkit.core.errors import InputError, nearest
from simkit.formats.dgd.alpha import ALPHA, from_v1alpha1
from simkit.formats.dgd.components import legacy_names
from simkit.formats.kubernetes import merge

_RESERVED = "nvidia.com/dgd-"  # annotations in which the operator keeps what conversion would lose


def apply_override(document: Mapping[str, Any], override: Mapping[str, Any] | None) -> dict[str, Any]:
    """The deployment with the override merged in; metadata other than labels and annotations is kept."""
    result = copy.deepcopy(dict(document))
    if not override:
        return result
    legacy = override.get("apiVersion") == ALPHA
    change = from_v1alpha1(override) if legacy else copy.deepcopy(dict(override))
    spec = change.get("spec") or {}
    _check_shape(spec)
    _check_components(result, spec)
    if legacy:
        _append_args(result, spec)
    result["spec"] = merge(result["spec"], spec, "spec.overrides.dgd.spec")
    metadata = change.get("metadata") or {}
    for key in ("labels", "annotations"):
        result["metadata"] |= _notes(result["metadata"], metadata, key)
    return result


def _notes(base: Mapping[str, Any], change: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Labels or annotations with the override's added; the operator's own keys cannot be set."""
    given = change.get(key)
    if not given:
        return {}
    path = f"spec.overrides.dgd.metadata.{key}"
    if not isinstance(given, Mapping):
        raise InputError(f"{path}: expected a mapping of texts; write key: value pairs")
    for name, value in given.items():
        if not isinstance(value, str):
            raise InputError(f"{path}.{name}: expected a text, got {value!r}; put it in quotes")
    allowed = {name: value for name, value in given.items() if not str(name).startswith(_RESERVED)}
    return {key: {**base.get(key, {}), **allowed}}


def _check_shape(spec: Any) -> None:
    if not isinstance(spec, Mapping):
        raise InputError("spec.overrides.dgd.spec: expected a mapping; write it like a DynamoGraphDeployment")
    if "services" in spec:
        raise InputError(
            "spec.overrides.dgd.spec.services: belongs to v1alpha1; write a list of components by name, or "
            "apiVersion: nvidia.com/v1alpha1"
        )
    components = spec.get("components")
    if components is not None and not isinstance(components, list):
        raise InputError("spec.overrides.dgd.spec.components: expected a list; give components by name")


def _check_components(document: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Names must be generated ones; the names of older releases are put right."""
    known = [item["name"] for item in document["spec"]["components"]]
    for item in spec.get("components") or []:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise InputError("spec.overrides.dgd: a component has no name; give the name of a generated one")
        item["name"] = name = _current_name(item["name"], known)
        if name not in known:
            hints = nearest(name, known, count=1)
            hint = f"did you mean {hints[0]}?" if hints else f"generated are {', '.join(known)}"
            raise InputError(f"spec.overrides.dgd: component {name!r} is not generated; {hint}")
        generated = next(entry for entry in document["spec"]["components"] if entry["name"] == name)
        if "type" in item and item["type"] not in (generated["type"], "worker"):
            raise InputError(
                f"spec.overrides.dgd: component {name!r} is a {generated['type']}, and its type cannot be "
                f"changed to {item['type']!r}; remove type"
            )
        item.pop("type", None)


def _current_name(name: str, known: list[str]) -> str:
    by_folded = {legacy.lower(): current for legacy, current in legacy_names().items()}
    return name if name in known else by_folded.get(name.lower(), name)


def _append_args(document: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Make the override's worker arguments complete, since lists replace when merged."""
    generated = {item["name"]: _main(item) for item in document["spec"]["components"]}
    for item in spec.get("components") or []:
        main = _main(item)
        if main.get("args") and item["name"] != "Frontend":
            main["args"] = [*generated[item["name"]].get("args", []), *main["args"]]


def _main(component: Mapping[str, Any]) -> dict[str, Any]:
    block: Any = component
    for key in ("podTemplate", "spec", "containers"):
        block = block.get(key) if isinstance(block, Mapping) else None
    containers = block if isinstance(block, list) else []
    return next((item for item in containers if isinstance(item, dict) and item.get("name") == "main"), {})
