"""What one component of a DynamoGraphDeployment must hold: its shape, its command, its release of Dynamo."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.flag_parser import parse_worker_args, role_named
from simkit.engines.flag_reader import read_flags
from simkit.engines.multinode import launch_problem
from simkit.engines.registry import engine_spec
from simkit.engines.release_notes import unknown_flags
from simkit.engines.releases import release_number
from simkit.engines.spec import EngineShape
from simkit.formats.dgd.parts import (
    MOCKER,
    container_tokens,
    engine_module,
    gpu_limit,
    main_container,
    node_count,
)
from simkit.formats.dgd.workers import ROLE_OF_TYPE, is_worker, read_worker
from simkit.formats.faults import (
    COMPONENT_PATTERN,
    PATTERN_WORDS,
    VERSION_PATTERN,
    Fault,
    has_version_tag,
    matches,
    shown,
    unknown_key,
    wrong_type,
)

# --- Whether a worker's command starts what its component says: its role, and its nodes.


_ROLES = ("prefill", "decode")
_FLAG = "--disaggregation-mode"


def launch_faults(
    component: Mapping[str, Any],
    container: Mapping[str, Any],
    command: tuple[str, Sequence[str]],
    path: str,
) -> Iterator[Fault]:
    """Faults of a worker's command; command is the engine and its tokens, path the main container's.

    Raises InputError where the flags cannot be read at all.
    """
    module, tokens = command
    yield from _role(component, module, tokens, path)
    if module == MOCKER:
        return
    nodes, limit = node_count(component), gpu_limit(container)
    if nodes < 2:
        return
    yield from _injected(module, tokens, path)
    if limit:
        shape = EngineShape.of(module, parse_worker_args(module, tokens).plan)
        reason = launch_problem(shape, gpus_per_pod=limit, nodes=nodes)
        if reason:
            problem, _, remedy = reason.rpartition("; ")
            yield Fault(path=f"{path}.args", problem=problem, remedy=remedy)


def _role(component: Mapping[str, Any], module: str, tokens: Sequence[str], path: str) -> Iterator[Fault]:
    """A component typed prefill or decode must be started as one; the type alone tells no engine."""
    kind = component.get("type")
    names = (_FLAG,) if module == MOCKER else engine_spec(module).flags.role
    given = role_named(read_flags(tokens).text(names))
    if kind in _ROLES and given is None:
        yield Fault(
            path=f"{path}.args",
            problem=f"the component is of type {kind}, but its command has no {_FLAG} and starts an "
            "engine that does both",
            remedy=f"add {_FLAG} {kind}",
        )
    elif kind in _ROLES and given != kind:
        yield Fault(
            path=f"{path}.args",
            problem=f"the component is of type {kind}, but its command says {_FLAG} {shown(given)}",
            remedy="make them agree",
        )


def _injected(module: str, tokens: Sequence[str], path: str) -> Iterator[Fault]:
    """Settings of single nodes, which the operator adds itself: written out they hold for all nodes."""
    flags = read_flags(tokens)
    for name in engine_spec(module).multinode.injected:
        if flags.has((name,)):
            yield Fault(
                path=f"{path}.args",
                problem=f"{name} is written by the operator, differently on each node of an engine",
                remedy="remove it",
            )


# --- What a component's release of Dynamo demands of it: a version that can be read, and flags that it knows.


def version_faults(component: Mapping[str, Any], container: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Dynamo 1.5 and later refuse a component whose image does not say which release it holds."""
    image = container.get("image")
    if not isinstance(image, str) or not image or has_version_tag(image):
        return
    if component.get("runtimeVersionOverride") is None:
        yield Fault(
            path=f"{path}.runtimeVersionOverride",
            problem=f"required, because the tag of image {image!r} is not a version",
            remedy="give the Dynamo version that the image holds, such as 1.6.1",
        )


def flag_faults(
    component: Mapping[str, Any],
    container: Mapping[str, Any],
    command: tuple[str, Sequence[str]],
    path: str,
) -> Iterator[Fault]:
    """Flags that workers of the component's release refuse; command is the engine and its tokens."""
    versions = component.get("runtimeVersionOverride"), container.get("image")
    release = release_number(*(text for text in versions if isinstance(text, str)))
    if release is None:
        return
    module, tokens = command
    name = ".".join(str(part) for part in release)
    for span in unknown_flags(module, (flag for flag, _ in read_flags(tokens).items), release):
        when = f"came with {_text(span.new_in)}" if span.new_in else f"is gone since {_text(span.gone_in)}"
        yield Fault(
            path=f"{path}.args",
            problem=f"{span.flag} is not known to Dynamo {name}: it {when}",
            remedy=f"write {span.instead}" if span.instead else "remove it",
        )


def _text(release: Sequence[int] | None) -> str:
    return ".".join(str(part) for part in release or ())


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
