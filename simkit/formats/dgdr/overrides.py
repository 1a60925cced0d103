"""spec.overrides.dgd: changes to the deployment that will be made, and only to parts it will have."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.dgd.alpha import ALPHA, BETA, from_v1alpha1
from simkit.formats.dgd.components import FRONTEND
from simkit.formats.dgd.override import apply_override
from simkit.formats.dgd.render import MAX_NAME
from simkit.formats.faults import (
    NAME_PATTERN,
    PATTERN_WORDS,
    Fault,
    is_deeper,
    lookup,
    matches,
    shown,
    unknown_key,
    wrong_type,
)

_DGD = "spec.overrides.dgd"
_KIND = "DynamoGraphDeployment"
_DGD_KEYS = ("apiVersion", "kind", "metadata", "spec", "status")
_DEPTH = 50  # with what it is merged into, documents must stay readable
_WORKERS = ("worker", "prefill", "decode")
_LONGEST_NAME = MAX_NAME - len(FRONTEND)


def dgd_override_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything wrong with the override that the request alone can tell."""
    override = lookup(document, _DGD)
    if not isinstance(override, Mapping):
        return
    for key in override:
        if key not in _DGD_KEYS:
            yield unknown_key(_DGD, str(key), _DGD_KEYS)
    if is_deeper(override, _DEPTH):
        problem = f"nested deeper than {_DEPTH}, which no deployment is"
        yield Fault(path=_DGD, problem=problem, remedy="write it like a DynamoGraphDeployment")
        return
    version, kind = override.get("apiVersion"), override.get("kind")
    if version not in (ALPHA, BETA):
        problem = f"expected one of {ALPHA}, {BETA}, got {shown(version)}"
        remedy = "say which version the override is written in"
        yield Fault(path=f"{_DGD}.apiVersion", problem=problem, remedy=remedy)
    if kind != _KIND:
        problem = f"expected {_KIND}, got {shown(kind)}"
        yield Fault(path=f"{_DGD}.kind", problem=problem, remedy=f"write kind: {_KIND}")
    yield from _metadata_faults(override.get("metadata"))
    if version in (ALPHA, BETA):
        yield from _component_faults(document, override)


def _metadata_faults(metadata: Any) -> Iterator[Fault]:
    path = f"{_DGD}.metadata"
    if metadata is None:
        return
    if not isinstance(metadata, Mapping):
        yield wrong_type(path, "a mapping", metadata)
        return
    name = metadata.get("name")
    if name is not None:
        if not isinstance(name, str) or not matches(NAME_PATTERN, name):
            problem = f"{PATTERN_WORDS[NAME_PATTERN]}, got {shown(name)}"
            yield Fault(path=f"{path}.name", problem=problem, remedy="correct the name")
        elif len(name) > _LONGEST_NAME:
            problem = f"{len(name)} characters, and with the longest component only {MAX_NAME} fit"
            yield Fault(path=f"{path}.name", problem=problem, remedy=f"use at most {_LONGEST_NAME}")
    for key in ("labels", "annotations"):
        block = metadata.get(key)
        texts = isinstance(block, Mapping) and all(
            isinstance(k, str) and isinstance(v, str) for k, v in block.items()
        )
        if block is not None and not texts:
            yield wrong_type(f"{path}.{key}", "a mapping of texts", block)


def _component_faults(document: Mapping[str, Any], override: Mapping[str, Any]) -> Iterator[Fault]:
    """Each changed component alone, merged into all that a deployment of this request can have."""
    spec = override.get("spec")
    if spec is None:
        return
    if not isinstance(spec, Mapping):
        yield wrong_type(f"{_DGD}.spec", "a mapping", spec)
        return
    for part in _parts(spec):
        alone = {"apiVersion": override["apiVersion"], "spec": part}
        try:
            faults = list(_shape_faults(alone))
            if not faults:
                apply_override(_generated(document), alone)
        except InputError as error:
            faults = [_fault_of(error)]
        yield from faults


def _fault_of(error: InputError) -> Fault:
    place, _, text = str(error).partition(": ")
    problem, _, remedy = text.rpartition("; ")
    path = place if place.startswith(_DGD) else f"{_DGD}.{place}"
    return Fault(path=path, problem=problem or text, remedy=remedy if problem else "correct it")


def _shape_faults(override: Mapping[str, Any]) -> Iterator[Fault]:
    """What merging walks through must be there to be walked."""
    change = from_v1alpha1(override) if override["apiVersion"] == ALPHA else override
    items = lookup(change, "spec.components")
    for item in items if isinstance(items, list) else ():
        name = item.get("name") if isinstance(item, Mapping) else None
        path, block = f"{_DGD}.spec.components[{name}]", item
        for key in ("podTemplate", "spec"):
            block, path = lookup(block, key), f"{path}.{key}"
            if block is not None and not isinstance(block, Mapping):
                yield wrong_type(path, "a mapping", block)
        containers = lookup(block, "containers")
        if containers is not None and not _is_list_of(Mapping, containers):
            yield wrong_type(f"{path}.containers", "a list of mappings", containers)
            continue
        for container in containers or ():
            for key in ("command", "args"):
                if container.get(key) is not None and not _is_list_of(str, container[key]):
                    place = f"{path}.containers[{container.get('name')}].{key}"
                    yield wrong_type(place, "a list of texts", container[key])


def _is_list_of(kind: type[Any], value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _parts(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The override split so that one wrong component does not hide the next."""
    key = "services" if "services" in spec else "components"
    items = spec.get(key)
    if isinstance(items, list) and items:
        yield from ({**spec, key: [item]} for item in items)
    elif isinstance(items, Mapping) and items:
        yield from ({**spec, key: {name: item}} for name, item in items.items())
    else:
        yield spec


def _generated(document: Mapping[str, Any]) -> dict[str, Any]:
    """Names and types of every component that could be generated; which workers, the search decides."""
    kinds = {FRONTEND: "frontend", **{name: name for name in _WORKERS}}
    planner = lookup(document, "spec.features.planner")
    if isinstance(planner, Mapping) and planner.get("enabled") is not False:
        kinds["Planner"] = "planner"
    components = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"metadata": {}, "spec": {"components": components}}
