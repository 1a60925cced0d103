"""Values of an axis: one, a list, or a range by steps or by a factor."""

import math
from collections.abc import Mapping
from typing import Any

from simkit.core.errors import nearest
from simkit.experiments.columns import Kind
from simkit.formats.faults import Fault, shown, unknown_key, wrong_type

MOST_VALUES = 100_000  # of one axis
_RANGE = ("start", "stop", "step", "factor")
_WORDS: Mapping[Kind, str] = {
    "text": "a text", "whole": "a whole number of at least 1", "number": "a positive number",
    "flag": "true or false",
}  # fmt: skip
Value = str | int | float | bool
_MOST = 1e300  # also of whole numbers that no double holds


class AxisError(ValueError):
    """An axis that cannot be read; holds the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def values_of(name: str, kind: Kind, given: Any, path: str) -> tuple[Value, ...]:
    """The values of one axis, in order. Raises AxisError."""
    if isinstance(given, Mapping):
        found: list[Any] = _range(given, path)
    else:
        found = list(given) if isinstance(given, list) else [given]
    if not found:
        raise AxisError(Fault(path=path, problem="an empty list", remedy="give a value, or drop the axis"))
    places = [f"{path}[{i}]" if isinstance(given, list) else path for i in range(len(found))]
    values = tuple(_value(name, kind, value, place) for value, place in zip(found, places, strict=True))
    if len(set(values)) < len(values):
        twice = next(value for i, value in enumerate(values) if value in values[:i])
        raise AxisError(Fault(path=path, problem=f"{shown(twice)} is given twice", remedy="remove one"))
    return values


def _value(name: str, kind: Kind, value: Any, path: str) -> Value:
    if kind == "text" and isinstance(value, str) and value.strip():
        return value.strip()
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind in ("whole", "number") and isinstance(value, int | float) and not isinstance(value, bool):
        lowest = 0.0 if name in ("length_spread", "prefix_hit", "shared_prefix_tokens", "repeat") else 1e-9
        if lowest <= value < 1e9 and (kind == "number" or value == int(value)):
            return int(value) if kind == "whole" else float(value)
    raise AxisError(wrong_type(path, _WORDS[kind], value))


def _range(given: Mapping[Any, Any], path: str) -> list[Any]:
    for key in given:
        if key not in _RANGE:
            raise AxisError(unknown_key(path, str(key), _RANGE))
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
            raise AxisError(wrong_type(f"{path}.{key}", "a number", value))
    if not {"start", "stop"} <= set(given) or ("step" in given) == ("factor" in given):
        raise AxisError(
            Fault(
                path=path,
                problem="a range needs start, stop, and either step or factor",
                remedy="write {start: 1, stop: 256, factor: 2}",
            )
        )
    start, stop = given["start"], given["stop"]
    by, size = ("step", given["step"]) if "step" in given else ("factor", given["factor"])
    if stop < start or size <= (0 if by == "step" else 1) or (by == "factor" and start <= 0):
        rule = "stop must not be below start, a step must be above 0, a factor above 1"
        raise AxisError(Fault(path=path, problem=f"a range without end: {rule}", remedy="correct it"))
    ratio = (stop - start) / size if by == "step" else math.log(stop / start) / math.log(size)
    if ratio >= MOST_VALUES:
        problem = f"more than {MOST_VALUES:,} values"
        raise AxisError(Fault(path=path, problem=problem, remedy="take larger steps"))
    count = math.floor(ratio + 1e-9) + 1
    return [start + i * size if by == "step" else start * size**i for i in range(count)]


def nearest_words(name: str, known: tuple[str, ...]) -> str:
    """What to do about a name that is none of those known."""
    hints = nearest(name, known, count=1)
    return f"did you mean {hints[0]}?" if hints else f"known here: {', '.join(known)}"
