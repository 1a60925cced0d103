"""Reading a container's command line: tokens and flags."""

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.flags import Flags
from simkit.engines.registry import engine_specs

_NUMBER = re.compile(r"^-\d")
_MAX_DEPTH = 20  # of JSON settings


def read_flags(tokens: Sequence[str]) -> Flags:
    """Flags from a container's command and arguments; `--flag value`, `--flag=value`, `-x value`."""
    items: list[tuple[str, list[str]]] = []
    for token in tokens:
        if token.startswith("-") and not _NUMBER.match(token):
            name, separator, value = token.partition("=")
            items.append((_canonical(name), [value] if separator else []))
        elif items:
            items[-1][1].append(token)
    found = [(name, tuple(values)) for name, values in items]
    return Flags(items=tuple(_with_overrides(found)))


def command_tokens(command: Iterable[Any], args: Iterable[Any]) -> list[str]:
    """What a container runs, as tokens; a script given to `sh -c` is split as a shell would."""
    tokens = [str(token) for token in (*command, *args)]
    if len(tokens) > 2 and tokens[0].rsplit("/", 1)[-1] in ("sh", "bash") and tokens[1].startswith("-"):
        return _split(" ".join(tokens[2:]))
    # One string that holds a whole command line is how some blueprints write args.
    return [part for token in tokens for part in (_split(token) if _is_line(token) else [token])]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InputError(f"command line {line[:60]!r}: {error}; close the quotes") from error


def _is_line(token: str) -> bool:
    return " " in token and not token.lstrip().startswith(("{", "["))


def _canonical(name: str) -> str:
    """The engines take underscores for dashes; settings written as dotted paths keep theirs."""
    dotted = tuple(spec.command.dotted for spec in engine_specs() if spec.command.dotted)
    if not name.startswith("--") or name.startswith(dotted):
        return name
    return name.replace("_", "-")


def _with_overrides(items: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Settings given as one JSON as the dotted flags that they stand for."""
    prefixes = {name: spec.command.dotted for spec in engine_specs() for name in spec.command.json_overrides}
    found = list(items)
    for name, values in items:
        if name in prefixes and values:
            settings = flat_settings(_json(name, values[0]))
            found += [(f"{prefixes[name]}{path}", (value,)) for path, value in settings]
    return found


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"flag {name}: not valid JSON ({error.msg}); correct it") from error
    except RecursionError as error:
        raise InputError(f"flag {name}: nested too deep; correct it") from error


def flat_settings(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names with texts, as flags with dotted paths write them."""
    if not isinstance(value, dict) or (not value and path):
        return [(path, json.dumps(value) if isinstance(value, bool | list | dict) else str(value))]
    if path.count(".") >= _MAX_DEPTH:
        raise InputError(
            f"engine settings: nested deeper than {_MAX_DEPTH} below {path[:40]!r}; correct them"
        )
    inner = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
    return [pair for name, item in inner for pair in flat_settings(item, name)]
