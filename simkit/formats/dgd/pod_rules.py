"""The pods of a DynamoGraphDeployment: Kubernetes' schema, and names that must resolve within a pod."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from simkit.formats.faults import Fault, shown
from simkit.formats.kubernetes import schema_faults

_INDEX = re.compile(r"(^|\.)containers\[(\d+)\]")
_OPERATOR_VOLUMES = ("shared-memory",)  # the operator adds it to every pod


def pod_faults(component: Mapping[str, Any], path: str, *, alpha: bool) -> Iterator[Fault]:
    """Everything wrong with the component's pod, in the paths of the version it was written in."""
    template = component.get("podTemplate")
    if template is None:
        return
    for fault in _schema(template):
        inner = _named(fault.path, template)
        yield Fault(path=f"{path}.{_place(inner, alpha=alpha)}", problem=fault.problem, remedy=fault.remedy)
    if isinstance(template, Mapping) and isinstance(template.get("spec"), Mapping):
        place = "extraPodSpec" if alpha else "podTemplate.spec"
        yield from _mounts(template["spec"], f"{path}.{place}")
        yield from _twice(template["spec"], f"{path}.{place}")


def _schema(template: Any) -> tuple[Fault, ...]:
    """Components of a deployment, and documents edited one at a time, repeat most pods."""
    try:
        return _cached(json.dumps(template, sort_keys=True))
    except (TypeError, ValueError):  # dates and the like, which YAML reads and JSON cannot hold
        return tuple(schema_faults("PodTemplateSpec", template, ""))


@lru_cache(maxsize=256)
def _cached(text: str) -> tuple[Fault, ...]:
    return tuple(schema_faults("PodTemplateSpec", json.loads(text), ""))


def _named(inner: str, template: Any) -> str:
    """`spec.containers[0].image` as `spec.containers[main].image`."""
    match = _INDEX.search(inner)
    if match is None:
        return inner
    try:
        name = template["spec"]["containers"][int(match.group(2))]["name"]
    except (KeyError, IndexError, TypeError):
        return inner
    if not isinstance(name, str) or not name:
        return inner
    return f"{inner[: match.start(2)]}{name}{inner[match.end(2) :]}"


def _place(inner: str, *, alpha: bool) -> str:
    if not alpha:
        return f"podTemplate.{inner}" if inner else "podTemplate"
    inner = inner.replace("spec.containers[main]", "extraPodSpec.mainContainer", 1)
    inner = re.sub(r"^spec", "extraPodSpec", inner)
    return re.sub(r"^metadata", "extraPodMetadata", inner) or "extraPodSpec"


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key in ("containers", "initContainers"):
        items = spec.get(key)
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, Mapping):
                yield f"{key}[{item.get('name') or index}]", item


def _names(items: Any) -> list[str]:
    found = (
        [item.get("name") for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
    )
    return [name for name in found if isinstance(name, str)]


def _mounts(spec: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """A mount names one of the pod's volumes; the API server refuses the pod otherwise."""
    volumes = {*_names(spec.get("volumes")), *_OPERATOR_VOLUMES}
    for place, container in _containers(spec):
        for name in _names(container.get("volumeMounts")):
            if name not in volumes:
                yield Fault(
                    path=f"{path}.{place}.volumeMounts",
                    problem=f"mounts {shown(name)}, which is none of the pod's volumes",
                    remedy="add the volume, or correct the name",
                )


def _twice(spec: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Names that tell entries apart may be given once."""
    lists = [(f"{path}.{key}", _names(spec.get(key))) for key in ("volumes", "containers")]
    lists += [(f"{path}.{place}.env", _names(item.get("env"))) for place, item in _containers(spec)]
    for where, names in lists:
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Fault(path=where, problem=f"{name!r} is given twice", remedy="keep one of them")
