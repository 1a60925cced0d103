"""Reading a container's command line: tokens and flags."""

import json
import re
from collections.abc import Sequence
from typing import Any

from simkit.core.errors import InputError
from simkit.core.json_texts import is_json, json_value
from simkit.core.placed import placed_like
from simkit.engines.command_parser import CommandParser, Option
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_specs

_NUMBER = re.compile(r"^-\d")
_BOOLEAN = ("true", "false", "0", "1")
_OPENING = ("{", "[")
_MAX_DEPTH = 20  # of JSON settings


def read_flags(tokens: Sequence[str], parser: CommandParser | None = None) -> Flags:
    """Flags from a container's command and arguments; `--flag value`, `--flag=value`, `-x value`.

    parser is the program's own, which says what a beginning of a flag stands for and how many words
    belong to it; without one every word up to the next flag does.
    """
    items: list[tuple[str, list[str]]] = []
    options: list[Option | None] = []
    known = _known_flags() if parser else frozenset()
    for token in tokens:
        if token.startswith("-") and not _NUMBER.match(token):
            name, separator, value = token.partition("=")
            full, option = _full_name(_canonical(name), parser, known)
            items.append((placed_like(full, token), [placed_like(value, token)] if separator else []))
            options.append(option)
        elif items:
            items[-1][1].append(token)
    found, spare = [], []
    for (name, values), option in zip(items, options, strict=True):
        count = len(values) if option is None else _own_words(option, values)
        found.append((name, tuple(values[:count])))
        _check_json(name, found[-1][1])
        spare += values[count:]
    asked = frozenset(str(name) for (name, _), option in zip(items, options, strict=True) if option)
    return Flags(items=tuple(_with_overrides(_nested(found))), spare=tuple(spare), asked=asked)


def _check_json(name: str, values: Sequence[str]) -> None:
    """Settings in JSON are sound, also those that only the engine reads."""
    for value in values:
        if value.lstrip()[:1] in _OPENING and is_json(value):
            json_value(value, f"flag {name}")


def _known_flags() -> frozenset[str]:
    return frozenset().union(*(spec.flags.known for spec in engine_specs()))


def _full_name(name: str, parser: CommandParser | None, known: frozenset[str]) -> tuple[str, Option | None]:
    """What a flag is called in full; `--speculative-config.method` keeps what stands behind the dot."""
    if parser is None:
        return name, None
    base, dot, path = name.partition(".")
    full, option = parser.option(base if dot else name, known)
    return (f"{full}.{path}", option) if dot and option else (full if not dot else name, option)


def _own_words(option: Option, values: Sequence[str]) -> int:
    """How many of the words behind an option are its values."""
    if option.takes in ("none", "boolean"):
        return 1 if values and values[0].lower() in _BOOLEAN else 0
    return {"one": min(1, len(values)), "optional": min(1, len(values))}.get(option.takes, len(values))


def _nested(items: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """JSON settings whose keys are given one by one, put together: `--x.a 1 --x.b c` as `--x {...}`."""
    dotted = tuple(spec.command.dotted for spec in engine_specs() if spec.command.dotted)
    groups: dict[str, dict[str, Any]] = {}
    found = []
    for name, values in items:
        base, dot, path = name.partition(".")
        if not dot or not base.startswith("-") or name.startswith(dotted):
            found.append((name, values))
            continue
        inner = groups.setdefault(base, {})
        for key in path.split(".")[:-1]:
            below = inner.setdefault(key, {})
            inner = below if isinstance(below, dict) else {}
        inner[path.split(".")[-1]] = _scalar(name, values[0]) if values else True
    return [*found, *((name, (json.dumps(value),)) for name, value in groups.items())]


def _scalar(name: str, text: str) -> Any:
    return json_value(text, f"flag {name}") if is_json(text) else str(text)


def _canonical(name: str) -> str:
    """The engines take underscores for dashes; settings written as dotted paths keep theirs."""
    dotted = tuple(spec.command.dotted for spec in engine_specs() if spec.command.dotted)
    if not name.startswith("--") or name.startswith(dotted):
        return name
    base, dot, path = name.partition(".")
    return base.replace("_", "-") + dot + path


def _with_overrides(items: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Settings given as one JSON as the dotted flags that they stand for."""
    prefixes = {name: spec.command.dotted for spec in engine_specs() for name in spec.command.json_overrides}
    found = list(items)
    for name, values in items:
        if name in prefixes and values:
            settings = flat_settings(json_value(values[0], f"flag {name}"))
            found += [(f"{prefixes[name]}{path}", (value,)) for path, value in settings]
    return found


def flat_settings(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names with texts, as flags with dotted paths write them."""
    if not isinstance(value, dict) or (not value and path):
        return [(path, json.dumps(value) if isinstance(value, bool | list | dict) else str(value))]
    if path.count(".") >= _MAX_DEPTH:
        raise InputError(
            f"engine settings: nested deeper than {_MAX_DEPTH} below {path[:40]!r}; correct them"
        )
    inner = ((placed_like(f"{path}.{key}" if path else str(key), key), item) for key, item in value.items())
    return [pair for name, item in inner for pair in flat_settings(item, name)]
