"""Whether a worker's command starts what its component says: its role, and its nodes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.adapters.engines import TABLES, parse_worker_args, role_named
from simkit.adapters.flag_reader import read_flags
from simkit.adapters.multinode import INJECTED, EngineShape, launch_problem
from simkit.io.dgd_parts import MOCKER, gpu_limit, node_count
from simkit.io.faults import Fault, shown

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
    table = TABLES.get(module)
    names = table.role if table else (_FLAG,)
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
    for name in INJECTED[module]:
        if flags.has((name,)):
            yield Fault(
                path=f"{path}.args",
                problem=f"{name} is written by the operator, differently on each node of an engine",
                remedy="remove it",
            )
