"""Parts of one component of a DynamoGraphDeployment: its pod, its containers, and what they are given."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.registry import engine_spec, engine_specs
from simkit.formats.dgd.alpha import GPU
from simkit.launch.container import container_start, listed
from simkit.launch.shell import ShellCommand
from simkit.launch.starts import started_by

MOCKER = "dynamo.mocker"


def pod_spec(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod of a component; empty when there is none."""
    pod = component.get("podTemplate")
    spec = pod.get("spec") if isinstance(pod, Mapping) else None
    return spec if isinstance(spec, Mapping) else {}


def main_container(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container called main, or without a name; empty when there is none."""
    containers = pod_spec(component).get("containers")
    for item in containers if isinstance(containers, list) else []:
        if isinstance(item, Mapping) and item.get("name") in ("main", ""):
            return item
    return {}


def container_tokens(container: Mapping[str, Any]) -> list[str]:
    """What a container runs; command and args may be missing."""
    return list(container_start(container).tokens)


def engine_module(tokens: Sequence[str], container: Mapping[str, Any]) -> str | None:
    """The backend that a command line or, without one, an image names; MOCKER for the mocker."""
    text = " ".join(tokens)
    if MOCKER in text:
        return MOCKER
    for spec in engine_specs():
        if spec.worker.module in text:
            return spec.name
    image = str(container.get("image") or "")
    return next((spec.name for spec in engine_specs() if f"/{spec.worker.image}" in image), None)


def gpu_limit(container: Mapping[str, Any]) -> int | None:
    """GPUs a pod is given; None when the container asks for none."""
    resources = container.get("resources")
    blocks = [resources.get(key) for key in ("limits", "requests")] if isinstance(resources, Mapping) else []
    for block in blocks:
        if isinstance(block, Mapping) and block.get(GPU) is not None:
            try:
                return int(str(block[GPU]))
            except ValueError as error:
                raise InputError(
                    f"{GPU}: expected a whole number of GPUs, got {block[GPU]!r}; correct it"
                ) from error
    return None


def node_count(component: Mapping[str, Any]) -> int:
    """Pods that make up one engine."""
    multinode = component.get("multinode")
    if not isinstance(multinode, Mapping):
        return 1
    count = multinode.get("nodeCount", 2)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"multinode.nodeCount: expected a whole number from 2, got {count!r}; correct it")
    return count


def engine_container(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that runs the engine: the main one, or where that starts none, one beside it.

    Dynamo's sidecars leave the engine to a container of its own, often one that starts before the main one.
    """
    main = main_container(component)
    if engine_module(container_tokens(main), main) is not None:
        return main
    return next((item for item in _beside(component) if server_of(item) is not None), main)


def _beside(component: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pod, main = pod_spec(component), main_container(component)
    for item in listed(pod.get("containers")):
        if isinstance(item, Mapping) and item is not main:
            yield item
    for item in listed(pod.get("initContainers")):
        if isinstance(item, Mapping) and item.get("restartPolicy") == "Always":
            yield item


def server_of(container: Mapping[str, Any]) -> str | None:
    """The engine whose own server a container starts."""
    tokens = container_start(container).tokens
    found = started_by([ShellCommand(words=tokens, environment={})], {}).starts if tokens else ()
    return found[0].backend if found else _image_engine(tokens, container)


def _image_engine(tokens: Sequence[str], container: Mapping[str, Any]) -> str | None:
    """The engine of an image that runs a program which only the image knows: `"$PROGRAM" serve MODEL`."""
    image = str(container.get("image") or "")
    for spec in engine_specs():
        if spec.server.image and re.fullmatch(spec.server.image, image):
            return spec.name if words_behind_verb(tokens, spec.name) else None
    return None


def words_behind_verb(tokens: Sequence[str], backend: str) -> tuple[str, ...]:
    """What stands behind the verb of an engine's server (`serve`) whose program is not named."""
    verbs = {command[1] for command in engine_spec(backend).server.commands}
    for place, (program, verb) in enumerate(itertools.pairwise(tokens)):
        if "$" in program and verb in verbs:
            return tuple(tokens[place + 2 :])
    return ()
