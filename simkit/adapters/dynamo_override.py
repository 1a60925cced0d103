"""spec.overrides.dgd: changes that a request makes to the generated deployment.

Mappings merge, lists replace, except that components and containers are matched by name. Only what
was generated can be changed. A v1alpha1 override's worker arguments are appended, as Dynamo does.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

from simkit.adapters.dynamo_alpha import ALPHA, from_v1alpha1
from simkit.core.errors import InputError, nearest

_LEGACY = re.compile(r"^(?:vllm|trtllm|sglang)(prefill|decode)?worker$", re.IGNORECASE)
_MATCHED_BY_NAME = ("components", "containers")


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
    result["spec"] = _merge(result["spec"], spec)
    metadata = change.get("metadata") or {}
    for key in ("labels", "annotations"):
        if metadata.get(key):
            result["metadata"][key] = {**result["metadata"].get(key, {}), **metadata[key]}
    return result


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
    match = _LEGACY.match(name)
    if name in known or match is None:
        return name
    return (match.group(1) or "worker").lower()


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


def _merge(base: Any, change: Any, key: str = "") -> Any:
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        merged = dict(base)
        for name, value in change.items():
            merged[name] = _merge(base.get(name), value, name)
        return merged
    if key in _MATCHED_BY_NAME and isinstance(base, list) and isinstance(change, list):
        return _merge_named(base, change)
    return copy.deepcopy(change)


def _merge_named(base: list[Any], change: list[Any]) -> list[Any]:
    by_name = {str(item.get("name")): item for item in change if isinstance(item, Mapping)}
    merged = [_merge(item, by_name.pop(item["name"], {})) for item in base]
    return [*merged, *by_name.values()]
