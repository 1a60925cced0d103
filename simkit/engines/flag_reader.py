"""Reading a container's command line: tokens, flags, values."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.core.errors import InputError

Names = tuple[str, ...]

_NUMBER = re.compile(r"^-\d")
_SCALED = re.compile(r"^(\d+(?:\.\d+)?)([kKmMgG]?)$")
# vLLM's own reading: lower case is decimal, upper case is binary.
_SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
_FALSE = ("false", "0", "no")
_MOST = 10**9  # no count of an engine is larger
_MAX_DEPTH = 20  # of JSON settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """A command line's flags in order, each with the values that follow it."""

    items: tuple[tuple[str, tuple[str, ...]], ...]

    def has(self, names: Names) -> bool:
        """Whether any of the names is given."""
        return any(flag in names for flag, _ in self.items)

    def text(self, names: Names) -> str | None:
        """The value given last under any of the names, as argparse takes it."""
        for flag, values in reversed(self.items):
            if flag in names and values:
                return values[0]
        return None

    def integer(self, names: Names) -> int | None:
        """The value as a whole number; 8k and 8K are read as vLLM reads them."""
        text = self.text(names)
        if text is None:
            return None
        match = _SCALED.match(text)
        value = float(match.group(1)) * _SCALES[match.group(2)] if match else math.inf
        if value > _MOST:
            shown = text if len(text) <= 40 else text[:40] + "..."
            raise InputError(f"flag {names[0]}: expected a positive whole number, got {shown!r}; correct it")
        return int(value)

    def number(self, names: Names) -> float | None:
        """The value as a number."""
        text = self.text(names)
        try:
            return None if text is None else float(text)
        except ValueError as error:
            raise InputError(f"flag {names[0]}: expected a number, got {text!r}; correct it") from error

    def switch(self, on: Names, off: Names = ()) -> bool | None:
        """On, off, or None when neither is given; an explicit `false` turns an `on` flag off."""
        for flag, values in reversed(self.items):
            if flag in off:
                return False
            if flag in on:
                return not (values and values[0].lower() in _FALSE)
        return None


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
    """vLLM and SGLang take underscores for dashes; TensorRT-LLM's dotted paths keep theirs."""
    if not name.startswith("--") or name.startswith("--trtllm."):
        return name
    return name.replace("_", "-")


def _with_overrides(items: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """TensorRT-LLM's --override-engine-args JSON as the dotted flags it stands for."""
    found = list(items)
    for name, values in items:
        if name == "--override-engine-args" and values:
            found += [(f"--trtllm.{path}", (value,)) for path, value in flat_settings(_json(values[0]))]
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"flag --override-engine-args: not valid JSON ({error.msg}); correct it") from error
    except RecursionError as error:
        raise InputError("flag --override-engine-args: nested too deep; correct it") from error


def flat_settings(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names with texts, as TensorRT-LLM's --trtllm flags write them."""
    if not isinstance(value, dict) or (not value and path):
        return [(path, json.dumps(value) if isinstance(value, bool | list | dict) else str(value))]
    if path.count(".") >= _MAX_DEPTH:
        raise InputError(
            f"engine settings: nested deeper than {_MAX_DEPTH} below {path[:40]!r}; correct them"
        )
    inner = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
    return [pair for name, item in inner for pair in flat_settings(item, name)]
