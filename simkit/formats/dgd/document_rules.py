"""Rules between documents that belong together, and tokens that must not be in any of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.core.errors import InputError
from simkit.core.json_texts import json_value
from simkit.formats.dgd.alpha import ALPHA, from_v1alpha1
from simkit.formats.dgd.parts import container_tokens, engine_module, gpu_limit, main_container, node_count
from simkit.formats.faults import Fault, join_path, lookup, shown

LEAK = "holds a Hugging Face token itself"
_LEAK_REMEDY = "keep it in the secret hf-token-secret and refer to it by envFrom or secretKeyRef"
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_PLANNER_FILE = "planner_config.json"
_ENGINE_GPUS = (("prefill", "prefill_engine_num_gpu"), ("decode", "decode_engine_num_gpu"))


def leak_faults(document: Any, *, known: Sequence[Fault]) -> list[Fault]:
    """Tokens anywhere else in a document: annotations, sidecars, ConfigMaps."""
    if any(fault.problem == LEAK for fault in known):
        return []
    found = (path for path, text in _texts(document) if _TOKEN.search(text))
    return [Fault(path=path, problem=LEAK, remedy=_LEAK_REMEDY) for path in found]


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            yield join_path(path), value
        elif isinstance(value, Mapping):
            pending += [((*path, str(key)), item) for key, item in value.items()]
        elif isinstance(value, list):
            pending += [((*path, index), item) for index, item in enumerate(value)]


def set_faults(documents: Sequence[Any]) -> list[Fault]:
    """What several documents say that cannot all be true."""
    found: list[Fault] = []
    requests = [item for item in documents if _kind(item) == "DynamoGraphDeploymentRequest"]
    maps = {
        str(lookup(item, "metadata.name")): (index, item)
        for index, item in enumerate(documents)
        if _kind(item) == "ConfigMap"
    }
    for index, document in enumerate(documents):
        if _kind(document) != "DynamoGraphDeployment":
            continue
        components = _components(document)
        found += _budget(components, requests, f"[{index}].spec")
        for component in components:
            for place, item in _mounted(component, maps):
                found += _planner_map(components, item, f"[{place}]")
    return found


def _kind(document: Any) -> Any:
    return document.get("kind") if isinstance(document, Mapping) else None


def _components(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    try:
        normal = from_v1alpha1(document) if document.get("apiVersion") == ALPHA else document
    except InputError:
        return []  # told where the document itself is checked
    items = lookup(normal, "spec.components")
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _gpus(component: Mapping[str, Any]) -> int:
    """GPUs of all replicas; 0 where that cannot be read."""
    replicas = component.get("replicas", 1)
    try:
        each = (gpu_limit(main_container(component)) or 0) * node_count(component)
    except InputError:
        return 0
    return each * replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else 0


def _budget(components: Sequence[Mapping[str, Any]], requests: Sequence[Any], path: str) -> Iterator[Fault]:
    used = sum(_gpus(component) for component in components)
    for request in requests:
        total = lookup(request, "spec.hardware.totalGpus")
        if isinstance(total, int) and used > total:
            yield Fault(
                path=path,
                problem=f"the components take {used} GPUs, but the request beside allows {total}",
                remedy="lower replicas, or raise spec.hardware.totalGpus",
            )


def _mounted(component: Mapping[str, Any], maps: Mapping[str, tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The ConfigMaps among the documents that a planner mounts."""
    if component.get("type") != "planner":
        return
    volumes = lookup(component, "podTemplate.spec.volumes")
    for volume in volumes if isinstance(volumes, list) else []:
        name = lookup(volume, "configMap.name")
        if isinstance(name, str) and name in maps:
            yield maps[name]


def _planner_map(components: Sequence[Mapping[str, Any]], config_map: Any, path: str) -> Iterator[Fault]:
    text = lookup(config_map, "data")
    text = text.get(_PLANNER_FILE) if isinstance(text, Mapping) else None
    if not isinstance(text, str):
        return
    where = f"{path}.data.{_PLANNER_FILE}"
    try:
        config = json_value(text, "it")
    except InputError as error:
        problem, _, remedy = str(error).removeprefix("it: ").partition("; ")
        yield Fault(path=where, problem=problem, remedy=remedy)
        return
    if not isinstance(config, Mapping):
        yield Fault(path=where, problem="is not a JSON object", remedy="write the Planner's settings")
        return
    workers = [item for item in components if item.get("type") in ("worker", "prefill", "decode")]
    yield from _planner_budget(workers, config, where)
    yield from _planner_engines(workers, config, where)


def _planner_budget(
    workers: Sequence[Mapping[str, Any]], config: Mapping[str, Any], path: str
) -> Iterator[Fault]:
    budget, used = config.get("max_gpu_budget"), sum(_gpus(worker) for worker in workers)
    if isinstance(budget, int) and 0 <= budget < used:
        yield Fault(
            path=f"{path}.max_gpu_budget",
            problem=f"is {budget}, but the workers take {used} GPUs from the start",
            remedy="set it to the GPUs the Planner may use",
        )


def _planner_engines(
    workers: Sequence[Mapping[str, Any]], config: Mapping[str, Any], path: str
) -> Iterator[Fault]:
    """The Planner counts in GPUs of one engine, and reads the metrics of the engine named."""
    for worker in workers:
        container = main_container(worker)
        try:
            each = (gpu_limit(container) or 0) * node_count(worker)
            module = engine_module(container_tokens(container), container)
        except InputError:
            continue
        role = "prefill" if worker.get("type") == "prefill" else "decode"
        key = dict(_ENGINE_GPUS)[role]
        if each and isinstance(config.get(key), int) and config[key] != each:
            problem = f"is {config[key]}, but an engine of {worker.get('name')!r} has {each} GPUs"
            yield Fault(path=f"{path}.{key}", problem=problem, remedy=f"write {each}")
        named = config.get("backend")
        if each and module and isinstance(named, str) and named != module:
            problem = f"is {shown(named)}, but {worker.get('name')!r} runs {module}"
            yield Fault(path=f"{path}.backend", problem=problem, remedy=f"write {module}")
