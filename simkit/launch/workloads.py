"""Engines of workloads that are no DynamoGraphDeployments: Kubernetes' own kinds, and Compose."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.registry import engine_specs
from simkit.launch.container import ContainerStart, container_start, listed, split_line
from simkit.launch.mounts import config_maps, mounted_files
from simkit.launch.shell import ShellCommand
from simkit.launch.starts import EngineStart, known_starts, started_by

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "ReplicaSet")
GPU = "nvidia.com/gpu"


def is_workload(document: Any) -> bool:
    """Whether a document is one that starts containers."""
    if not isinstance(document, Mapping):
        return False
    return document.get("kind") in _WORKLOADS or _is_compose(document)


def _is_compose(document: Mapping[str, Any]) -> bool:
    services = document.get("services")
    return (
        "kind" not in document
        and isinstance(services, Mapping)
        and any(
            isinstance(item, Mapping) and ("image" in item or "command" in item) for item in services.values()
        )
    )


def workload_starts(documents: Sequence[Any]) -> list[EngineStart]:
    """The engines that workloads start, replicas each as a start of its own."""
    found: list[EngineStart] = []
    for document in documents:
        if isinstance(document, Mapping) and _is_compose(document):
            found += [start for item in document["services"].values() for start in _compose(item)]
        elif isinstance(document, Mapping) and document.get("kind") in _WORKLOADS:
            found += _kubernetes(document, documents)
    if not found:
        raise InputError(f"no container starts an engine; expected one of: {'; '.join(known_starts())}")
    return found


def _kubernetes(document: Mapping[str, Any], documents: Sequence[Any]) -> list[EngineStart]:
    spec = document.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    template = spec.get("template")
    pod = (template.get("spec") if isinstance(template, Mapping) else spec) or {}
    replicas = spec.get("replicas", 1)
    count = replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else 1
    found = []
    for container in listed(pod.get("containers")):
        if not isinstance(container, Mapping):
            continue
        start = _start_of(
            container,
            container_start(container, mounted_files(pod, container, documents), (), config_maps(documents)),
        )
        found += [start] * count if start else []
    return found


def _compose(service: Any) -> list[EngineStart]:
    if not isinstance(service, Mapping):
        return []
    environment = service.get("environment")
    pairs: list[Any] = [str(item).partition("=")[::2] for item in listed(environment)]
    if isinstance(environment, Mapping):
        pairs = list(environment.items())
    variables = [{"name": str(name), "value": value} for name, value in pairs if value is not None]
    words: list[str] = []
    for key in ("entrypoint", "command"):
        value = service.get(key)
        words += split_line(value) if isinstance(value, str) else [str(item) for item in listed(value)]
    container = {"args": words, "env": variables, "image": service.get("image")}
    start = _start_of(container, container_start(container))
    deploy = service.get("deploy")
    replicas = deploy.get("replicas", 1) if isinstance(deploy, Mapping) else 1
    return [start] * (replicas if isinstance(replicas, int) and replicas > 0 else 1) if start else []


def _start_of(container: Mapping[str, Any], read: ContainerStart) -> EngineStart | None:
    """The engine of a container; its image may be the one whose entry point is the server."""
    image = str(container.get("image") or "")
    entry = () if container.get("command") else ("docker", "run", image)
    words = (*entry, *read.tokens) if any(_serves(image)) else read.tokens
    found = started_by([ShellCommand(words=words, environment=read.environment)], read.files).starts
    limits = (container.get("resources") or {}).get("limits") or {}
    count = str(limits.get(GPU, ""))
    return _with_gpus(found[0], int(count) if count.isdigit() else None) if found else None


def _serves(image: str) -> Iterable[bool]:
    return (bool(s.server.image and re.fullmatch(s.server.image, image)) for s in engine_specs())


def _with_gpus(start: EngineStart, count: int | None) -> EngineStart:
    return start if count is None else replace(start, num_gpus=count, prefix=())
