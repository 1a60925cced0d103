"""What one component of a DynamoGraphDeployment must hold, in the shape of v1beta1."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.core.errors import InputError
from simkit.io.dgd_launch_rules import launch_faults
from simkit.io.dgd_parts import (
    MOCKER,
    container_tokens,
    engine_module,
    gpu_limit,
    main_container,
    node_count,
)
from simkit.io.dgd_release_rules import flag_faults, version_faults
from simkit.io.dgd_workers import ROLE_OF_TYPE, is_worker, read_worker
from simkit.io.faults import Fault, shown, unknown_key, wrong_type
from simkit.io.kube_names import COMPONENT_PATTERN, PATTERN_WORDS, VERSION_PATTERN, matches

TYPES = ("frontend", "worker", "prefill", "decode", "planner", "epp")
_MAX_NAME = 63
_CLOSED: Mapping[str, tuple[str, ...]] = {
    "multinode": ("nodeCount",),
    "scalingAdapter": (),
    "modelRef": ("name", "revision"),
    "compilationCache": ("pvcName", "mountPath"),
}


def component_faults(
    component: Mapping[str, Any], path: str, *, main_path: str, gpu_path: str
) -> Iterator[Fault]:
    """Everything wrong with one component; main_path and gpu_path are where its version keeps them."""
    yield from _identity(component, path)
    yield from _counts(component, path)
    yield from _blocks(component, path)
    yield from _main(component, f"{path}.{main_path}")
    yield from version_faults(component, main_container(component), path)
    yield from _engine(component, path, f"{path}.{main_path}", f"{path}.{gpu_path}")


def _identity(component: Mapping[str, Any], path: str) -> Iterator[Fault]:
    name, kind = component.get("name"), component.get("type")
    if not isinstance(name, str) or len(name) > _MAX_NAME or not matches(COMPONENT_PATTERN, name):
        problem = f"{PATTERN_WORDS[COMPONENT_PATTERN]}, at most {_MAX_NAME} of them, got {shown(name)}"
        yield Fault(path=f"{path}.name", problem=problem, remedy="correct the name")
    if kind is not None and kind not in TYPES:
        problem = f"expected one of {', '.join(TYPES)}, got {shown(kind)}"
        yield Fault(path=f"{path}.type", problem=problem, remedy="write one of them")
    version = component.get("runtimeVersionOverride")
    if version is not None and not (isinstance(version, str) and matches(VERSION_PATTERN, version)):
        problem = f"{PATTERN_WORDS[VERSION_PATTERN]}, got {shown(version)}"
        yield Fault(path=f"{path}.runtimeVersionOverride", problem=problem, remedy="correct it")


def _counts(component: Mapping[str, Any], path: str) -> Iterator[Fault]:
    multinode = component.get("multinode")
    nodes = multinode.get("nodeCount") if isinstance(multinode, Mapping) else None
    rows = (
        ("replicas", component.get("replicas"), 0),
        ("minAvailable", component.get("minAvailable"), 1),
        ("multinode.nodeCount", nodes, 2),
    )
    for name, value, least in rows:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
            continue
        yield wrong_type(f"{path}.{name}", f"a whole number from {least}", value)
    kind = component.get("type")
    if multinode is not None and kind in TYPES and kind not in ROLE_OF_TYPE:
        problem = f"only engines span nodes, and the component is of type {kind}"
        yield Fault(path=f"{path}.multinode", problem=problem, remedy="remove it; replicas are what it has")


def _blocks(component: Mapping[str, Any], path: str) -> Iterator[Fault]:
    for name, keys in _CLOSED.items():
        block = component.get(name)
        if block is None:
            continue
        if not isinstance(block, Mapping):
            yield wrong_type(f"{path}.{name}", "a mapping", block)
            continue
        for key in block:
            if not keys:
                problem = "is an empty mapping in v1beta1: its presence is the switch"
                yield Fault(path=f"{path}.{name}.{key}", problem=problem, remedy=f"write {name}: {{}}")
            elif key not in keys:
                yield unknown_key(f"{path}.{name}", str(key), keys)


def _main(component: Mapping[str, Any], path: str) -> Iterator[Fault]:
    container = main_container(component)
    if not container:
        yield Fault(path=path, problem="there is no container named main", remedy="name one of them main")
    elif not isinstance(container.get("image"), str) or not container["image"]:
        yield Fault(path=f"{path}.image", problem="required but missing", remedy="give the container's image")


def _engine(component: Mapping[str, Any], path: str, main_path: str, gpu_path: str) -> Iterator[Fault]:
    """A worker's flags against its role and the GPUs its pods get."""
    container = main_container(component)
    try:
        limit = gpu_limit(container)
        if not is_worker(component) or not container:
            return
        tokens = container_tokens(container)
        module = engine_module(tokens, container)
        if module is None or not tokens:
            return  # some other program; Kubernetes will run it
        if module != MOCKER and limit is None:
            problem = f"an engine with {node_count(component)} pod(s) asks for no GPU"
            yield Fault(path=gpu_path, problem=problem, remedy="add the number of GPUs of one pod")
        yield from launch_faults(component, container, (module, tokens), main_path)
        yield from flag_faults(component, container, (module, tokens), main_path)
        running = {**component, "replicas": component.get("replicas") or 1}
        read_worker(running, moe=None)
    except InputError as error:
        name = component.get("name")
        text = str(error).removeprefix(f"component {name!r}: ")
        problem, _, remedy = text.rpartition("; ")
        yield Fault(path=path, problem=problem or text, remedy=remedy if problem else "correct it")
