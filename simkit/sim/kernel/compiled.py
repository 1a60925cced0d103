"""How the simulator's functions are compiled.

Only the entry is kept on disk: it holds all it calls. The others are called by compiled code alone, so
that nothing has to be made for calls from Python. A function is compiled together with all it calls, each
time anew, so a long chain of calls costs more than the same functions side by side.
"""

import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import event as _event

from simkit.sim.compiling import about_to_compile

# Whole numbers like any other to the compiler: of a function called with a constant it makes one more copy.
ZERO: Any = np.int64(0)
ONE: Any = np.int64(1)

_njit: Any = numba.njit  # its stubs know half of its options
_register: Any = _event.register
_OPTIONS = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_sources: list[str] = []
Function = TypeVar("Function", bound=Callable[..., Any])


def inner(function: Function) -> Function:
    """A function that only compiled functions call."""
    code = function.__code__
    _sources.append(f"{function.__qualname__} {code.co_code.hex()} {code.co_consts} {code.co_names}")
    return cast(Function, _njit(no_cpython_wrapper=True, **_OPTIONS)(function))


class _CompileNotice(_event.Listener):
    """Says when one function, not found on disk, is going to be compiled."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] is self._function:
            about_to_compile()

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


def entry(function: Function) -> Function:
    """A function that Python calls."""
    compiled = _njit(cache=True, **_OPTIONS)(function)
    _register("numba:compile", _CompileNotice(compiled))
    return cast(Function, compiled)


def fingerprint(names: tuple[str, ...], *constants: ModuleType) -> int:
    """A number that changes with the functions compiled so far, with the names of the arrays they share and
    with a module's numbers.

    numba looks whether the file of the entry has changed, not those of what it calls. An entry that
    refers to this number from its closure is compiled anew after any change.
    """
    numbers = [sorted((k, v) for k, v in vars(module).items() if isinstance(v, int)) for module in constants]
    return zlib.crc32(repr((_sources, names, numbers)).encode())
