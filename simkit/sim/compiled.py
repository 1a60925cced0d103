"""How the simulator's functions are compiled.

Only the entry is kept on disk: it holds all it calls. The others are called by compiled code alone, so
that nothing has to be made for calls from Python; both save most of the time of a first run.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_njit: Any = numba.njit  # its stubs know half of its options
Function = TypeVar("Function", bound=Callable[..., Any])


def inner(function: Function) -> Function:
    """A function that only compiled functions call."""
    compiled = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")(function)
    return cast(Function, compiled)


def entry(function: Function) -> Function:
    """A function that Python calls."""
    return cast(Function, _njit(cache=True, no_cfunc_wrapper=True, error_model="numpy")(function))
