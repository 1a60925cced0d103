"""Operator families: one module each in this folder, found by being there, and all of them by name."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from perfmodels.op_times.family import OpFamily

# Fit, reports and manifest go through the families in this order; a module that is not named comes last.
_FIRST = ("gemm", "attention", "mla", "moe", "linear", "sparse", "elementwise", "comm")


def _found() -> Iterator[OpFamily]:
    """The families that the modules of this folder define."""
    names = sorted(module.name for module in iter_modules(__path__))
    for name in sorted(names, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        module = import_module(f"{__name__}.{name}")
        yield from (value for value in vars(module).values() if isinstance(value, OpFamily))


FAMILIES = MappingProxyType({family.name: family for family in _found()})


def kind_of(family: str) -> str:
    """The kind of operator whose scale applies (perfmodels.efficiency.SCALED)."""
    known = FAMILIES.get(family)
    if known is None:
        return "comm" if family == "p2p" else "elementwise"
    return known.kind
