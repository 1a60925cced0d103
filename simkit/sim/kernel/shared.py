"""Compiled: the arrays of a run behind one pointer.

A tuple of arrays is handed to a compiled function value by value, some two hundred of them, at every call
that is not inlined; that took nine tenths of the time of a run and a third of that of compiling.
"""

from collections.abc import Callable
from typing import Any, cast

from numba.core import types
from numba.experimental import structref

from simkit.sim.kernel.state import State

_structref: Any = structref  # untyped


class _Shared:
    """What compiled functions hand to each other."""


class _SharedType(types.StructRef):
    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        """What it is called in names of compiled functions; else those would list all arrays."""
        return "State", ()


_structref.register(_SharedType)
_structref.define_constructor(_Shared, _SharedType, State._fields)
_structref.define_attributes(_SharedType)

# Made of the arrays of a State, in order; read and written like one.
shared = cast(Callable[..., State], _Shared)
