"""Reading a document whose shape is not known to be right yet."""

from collections.abc import Mapping
from typing import Any

_ACTIVE = frozenset("'\"`$;|&\\")


def lookup(document: Any, path: str) -> Any:
    """The value at a dotted path, None where any step is missing or not a mapping."""
    value = document
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def given(document: Mapping[str, Any], block: str, *names: str) -> list[str]:
    """Those of the names that the block gives a value."""
    values = lookup(document, block)
    return [name for name in names if isinstance(values, Mapping) and values.get(name) is not None]


def unsafe(text: str) -> str:
    """The first character that a terminal, a shell or Kubernetes would act on, as shown; empty if none.

    Names and paths end up in arguments of containers, where $(NAME) is expanded, and in benchmark.sh.
    """
    odd = (char for char in text if char in _ACTIVE or not char.isprintable())
    return next((repr(char) for char in odd), "")


def is_deeper(value: Any, levels: int) -> bool:
    """Whether mappings and lists are nested more than so many levels."""
    if not isinstance(value, Mapping | list):
        return False
    if levels == 0:
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return any(is_deeper(item, levels - 1) for item in items)
