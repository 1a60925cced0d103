"""Parts of one component of a DynamoGraphDeployment, whatever else it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.adapters.dynamo_alpha import GPU
from simkit.adapters.engines import TABLES, command_tokens
from simkit.core.errors import InputError

MOCKER = "dynamo.mocker"


def main_container(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container called main; empty when there is none."""
    pod = component.get("podTemplate")
    spec = pod.get("spec") if isinstance(pod, Mapping) else None
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    for item in containers if isinstance(containers, list) else []:
        if isinstance(item, Mapping) and item.get("name") == "main":
            return item
    return {}


def container_tokens(container: Mapping[str, Any]) -> list[str]:
    """What a container runs; command and args may be missing."""
    return command_tokens(_list(container.get("command")), _list(container.get("args")))


def engine_module(tokens: Sequence[str], container: Mapping[str, Any]) -> str | None:
    """The backend that a command line or, without one, an image names; MOCKER for the mocker."""
    text = " ".join(tokens)
    if MOCKER in text:
        return MOCKER
    for backend, table in TABLES.items():
        if table.module in text:
            return backend
    image = str(container.get("image") or "")
    return next((name for name, table in TABLES.items() if f"/{table.image}" in image), None)


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


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
