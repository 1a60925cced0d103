"""Mutations of documents that know a document's structure: paths, keys, types, and what hurts readers."""

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

HOSTILE_TEXTS = (
    "", " ", "-", "--privileged", "../../etc/passwd", "/etc/passwd", "a/../../b", "$(reboot)", "`id`",
    "$HOME", "; rm -rf / #", "| cat /etc/shadow", "a\nb", "a\r\nb", "\x00", "\x1b[31m", "\u202eabc",
    "\ufeff", "é" * 40, "x" * 5000, "{{ 7*7 }}", "<script>alert(1)</script>", "%s%n", "null", "true",
    "1e999", "0x10", "1_000", "*alias", "&anchor", "!!python/object/apply:os.system [id]",
    "nvidia.com/v1alpha1", "auto", "thorough", "hub/models--a--b", "models--a--b/snapshots/",
    "/opt/model-cache", "opt/model-cache/x", "x:latest", "x@sha256:" + "0" * 64, "h200_sxm", "gb200_sxm",
    "h300", "\U0001f600", "'; DROP TABLE runs; --",
)  # fmt: skip
HOSTILE_NUMBERS = (
    0, -1, 1, 2, 7, 2**31 - 1, 2**31, 2**63, -(2**63), 10**400, 1e-300, 1e308, -0.0, 0.1, 1.5,
    float("inf"), float("-inf"), float("nan"), 4000, 30,
)  # fmt: skip
HOSTILE_OTHERS = (None, True, False, [], {}, [[]], [None], {"a": None}, {"": 1}, {1: 2}, {None: None}, [{}])
ODD_KEYS = ("", "x" * 300, "a.b", "a\nb", "__class__", "constructor", "spec", "enabled", 1, None, True, 1.5)

Path = tuple[Any, ...]


def nodes(value: Any, path: Path = ()) -> list[Path]:
    """The path of every value, the document's own first."""
    found = [path]
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        found += nodes(item, (*path, key))
    return found


def at(value: Any, path: Path) -> Any:
    """The value at a path."""
    for key in path:
        value = value[key]
    return value


def mutate(document: Mapping[str, Any], rng: random.Random, spare: Sequence[Any] = ()) -> dict[str, Any]:
    """One to four changes; `spare` holds other documents to take parts from."""
    result: Any = copy.deepcopy(dict(document))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        paths = nodes(result)[1:]
        if not paths:
            break
        path = rng.choice(paths)
        parent, key = at(result, path[:-1]), path[-1]
        rng.choice(_CHANGES)(parent, key, rng, spare)
    return dict(result)


def _hostile(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(rng.choice((HOSTILE_TEXTS, HOSTILE_NUMBERS, HOSTILE_OTHERS))))


def _replace(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    parent[key] = _hostile(rng)


def _delete(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    del parent[key]


def _rename(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    """A typing error in a key, or a key of another kind."""
    if isinstance(parent, list):
        return
    value = parent.pop(key)
    text = str(key)
    cut = rng.randrange(len(text) + 1)
    parent[rng.choice([text[:cut] + text[cut + 1 :], text.lower(), text + "s", *ODD_KEYS])] = value


def _add(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    if isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), _hostile(rng))
    else:
        parent[rng.choice(ODD_KEYS)] = _hostile(rng)


def _edit(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    """A nearby value: other case, sign, size or type."""
    value = parent[key]
    if isinstance(value, bool) or value is None:
        parent[key] = not value
    elif isinstance(value, int | float):
        half = value + 0.5 if abs(value) < 1e300 else value
        parent[key] = rng.choice((-value, value * 10**6, half, half * 2, str(value)[:40], [value]))
    elif isinstance(value, str):
        cut = rng.randrange(len(value) + 1)
        hostile = rng.choice(HOSTILE_TEXTS)
        parent[key] = rng.choice((value[:cut] + hostile + value[cut:], value.upper(), value[cut:], [value]))
    elif isinstance(value, list):
        parent[key] = rng.choice((value * 3, value[::-1], {"0": value}, value[:1]))
    else:
        parent[key] = rng.choice(([value], list(value), str(value), {"a": value}))


def _transplant(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    """A part of this or another valid document, put where it does not belong, or where it does."""
    if not spare:
        return
    other = rng.choice(spare)
    paths = nodes(other)[1:]
    same = [path for path in paths if path[-1] == key] if rng.random() < 0.7 else []
    parent[key] = copy.deepcopy(at(other, rng.choice(same or paths)))


def _nest(parent: Any, key: Any, rng: random.Random, spare: Sequence[Any]) -> None:
    value = parent[key]
    for _ in range(rng.choice((1, 3, 60))):
        value = {"a": value} if rng.random() < 0.5 else [value]
    parent[key] = value


_CHANGES: tuple[Callable[[Any, Any, random.Random, Sequence[Any]], None], ...] = (
    _replace, _replace, _delete, _rename, _add, _edit, _edit, _transplant, _transplant, _nest,
)  # fmt: skip


def mutate_text(text: str, rng: random.Random) -> str:
    """The YAML text itself damaged: lines doubled, dropped, indented, or with anchors, tabs and bombs."""
    lines = text.split("\n")
    where = rng.randrange(len(lines))
    line = lines[where]
    choice = rng.randrange(7)
    if choice == 0:
        lines.insert(where, line)
    elif choice == 1:
        del lines[where]
    elif choice == 2:
        lines[where] = rng.choice((" ", "\t", "  - ", "---\n", "? ", "<<: *a ")) + line
    elif choice == 3:
        lines[where] = line.replace(
            ": ", rng.choice((": &a ", ": *a ", ":", ": !!binary ", ": |\n", ": ")), 1
        )
    elif choice == 4:
        lines.append(bomb(rng.randrange(2, 9)))
    elif choice == 5:
        cut = rng.randrange(len(line) + 1)
        lines[where] = line[:cut] + rng.choice("{}[]\"'&*!%@`#:-,\x00\ud7ff") + line[cut:]
    else:
        lines[where] = line[: len(line) // 2] + "[" * rng.choice((1, 5, 300))
    return "\n".join(lines)


def bomb(levels: int) -> str:
    """Ten aliases to ten aliases to ...: 10^levels values in a few lines."""
    lines = ["b0: &b0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)
