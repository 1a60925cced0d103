"""JSON of others as values: whatever the text is, an error of one line or what code can work with.

A file, a field of YAML, the value of a flag, what a server answers: all are read here.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

from simkit.core.errors import InputError

MOST_DEPTH = 100
_LARGEST = 10**300  # of a whole number: more is no quantity, and no double holds it


def json_value(text: str, source: str, *, remedy: str = "correct it", strict: bool = True) -> Any:
    """JSON text as parsed; `source` is the name that errors carry.

    strict: of simkit or of people, so that every number is finite and every key is given once. Raises
    InputError for what is no JSON, nested too deep, or holds what is no number or no text.
    """
    try:
        found = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_keys_once if strict else None)
    except json.JSONDecodeError as error:
        where = f"{source}:{error.lineno}" if "\n" in text.strip() else source
        raise InputError(f"{where}: not valid JSON ({error.msg}, column {error.colno}); {remedy}") from error
    except RecursionError:
        raise InputError(f"{source}: nested deeper than {MOST_DEPTH}; {remedy}") from None
    except ValueError as error:  # a key given twice, a number of thousands of digits
        reason = str(error).partition(";")[0]
        raise InputError(f"{source}: not usable JSON ({reason}); {remedy}") from error
    fault = _fault(found, strict=strict, texts="\\u" in text)
    if fault:
        raise InputError(f"{source}: {fault}; {remedy}")
    return found


def is_json(text: str) -> bool:
    """Whether a text is meant as JSON: it has its form, be it too deep, too large or with a key twice."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return True


def _keys_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object for json.loads. Raises ValueError for a key that comes twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} is given twice")
        found[key] = value
    return found


def _fault(value: Any, *, strict: bool, texts: bool) -> str:
    """What no reader could work with, level by level; empty where there is nothing."""
    level: list[Any] = [[value]]
    for _ in range(MOST_DEPTH + 1):
        below: list[Any] = []
        for container in level:
            if isinstance(container, dict):
                if texts and not all(map(_is_text, container)):
                    return "holds a key with half of a character"
                items: Iterable[Any] = container.values()
            else:
                items = container
            for item in items:
                kind = type(item)
                if kind is dict or kind is list:
                    below.append(item)
                elif fault := _scalar_fault(item, kind, strict=strict, texts=texts):
                    return fault
        if not below:
            return ""
        level = below
    return f"nested deeper than {MOST_DEPTH}"


def _scalar_fault(item: Any, kind: type, *, strict: bool, texts: bool) -> str:
    if kind is float:
        return "" if not strict or math.isfinite(item) else f"holds {item}, which is no number"
    if kind is int:
        return "" if -_LARGEST < item < _LARGEST else "holds a number beyond 1e300"
    return "holds half of a character" if kind is str and texts and not _is_text(item) else ""


def _is_text(item: str) -> bool:
    """Whether it can be written: half of a surrogate pair is JSON, but no text."""
    if item.isascii():
        return True
    try:
        item.encode()
    except UnicodeEncodeError:
        return False
    return True
