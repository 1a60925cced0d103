"""How the simulator's functions are compiled.

Only the entry is kept on disk: it holds all it calls. The others are called by compiled code alone, so
that nothing has to be made for calls from Python; both save most of the time of a first run.
"""

import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

import numba

_njit: Any = numba.njit  # its stubs know half of its options
_OPTIONS = {"no_cfunc_wrapper": True, "error_model": "numpy"}
_sources: list[str] = []
Function = TypeVar("Function", bound=Callable[..., Any])


def inner(function: Function) -> Function:
    """A function that only compiled functions call."""
    code = function.__code__
    _sources.append(f"{function.__qualname__} {code.co_code.hex()} {code.co_consts} {code.co_names}")
    return cast(Function, _njit(no_cpython_wrapper=True, **_OPTIONS)(function))


def entry(function: Function) -> Function:
    """A function that Python calls."""
    return cast(Function, _njit(cache=True, **_OPTIONS)(function))


def fingerprint(*constants: ModuleType) -> int:
    """A number that changes with the functions compiled so far and with a module's numbers.

    numba looks whether the file of the entry has changed, not those of what it calls. An entry that
    refers to this number from its closure is compiled anew after any change.
    """
    numbers = [sorted((k, v) for k, v in vars(module).items() if isinstance(v, int)) for module in constants]
    return zlib.crc32(repr((_sources, numbers)).encode())
