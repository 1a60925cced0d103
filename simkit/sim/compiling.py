"""The first use of the simulator compiles it, which takes a while: a caller can have that announced."""

from collections.abc import Callable

_hearers: list[Callable[[], object]] = []


def before_compiling(say: Callable[[], object]) -> None:
    """Have `say` called when the simulator is about to be compiled, not where compiled code is at hand."""
    _hearers.append(say)


def about_to_compile() -> None:
    """Called by the kernel."""
    for say in _hearers:
        say()
