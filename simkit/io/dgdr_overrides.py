"""spec.overrides.dgd: changes to the deployment that will be made, and only to parts it will have."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.adapters.dynamo import MAX_NAME
from simkit.adapters.dynamo_alpha import ALPHA, BETA
from simkit.adapters.dynamo_components import FRONTEND
from simkit.adapters.dynamo_override import apply_override
from simkit.core.errors import InputError
from simkit.io.dgdr_lookup import lookup
from simkit.io.faults import Fault, shown, unknown_key, wrong_type
from simkit.io.kube_names import NAME_PATTERN, PATTERN_WORDS, matches

_DGD = "spec.overrides.dgd"
_KIND = "DynamoGraphDeployment"
_DGD_KEYS = ("apiVersion", "kind", "metadata", "spec", "status")
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
    for part in _parts(spec):
        try:
            apply_override(_generated(document), {**override, "spec": part})
        except InputError as error:
            place, _, text = str(error).partition(": ")
            problem, _, remedy = text.rpartition("; ")
            path = place if place.startswith(_DGD) else f"{_DGD}.{place}"
            yield Fault(path=path, problem=problem or text, remedy=remedy if problem else "correct it")


def _parts(spec: Any) -> Iterator[Any]:
    """The override split so that one wrong component does not hide the next."""
    key = "services" if isinstance(spec, Mapping) and "services" in spec else "components"
    items = spec.get(key) if isinstance(spec, Mapping) else None
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
