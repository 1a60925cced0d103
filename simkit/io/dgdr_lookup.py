"""Reading a document whose shape is not known to be right yet."""

from collections.abc import Mapping
from typing import Any


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


def has_control(text: str) -> bool:
    """Whether a text holds line breaks or other characters that no name or path has."""
    return any(ord(char) < 32 or ord(char) == 127 for char in text)
