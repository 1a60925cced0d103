"""What is wrong with a document: one value per fault; names that Kubernetes allows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from pydantic import ValidationError

from simkit.core.errors import nearest

# --- Names and versions as Kubernetes and Dynamo's CRDs allow them, and how to say so in words.


VERSION_PATTERN = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
COMPONENT_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_VERSION_TAG = re.compile(r":v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]*)?$")

PATTERN_WORDS = {
    VERSION_PATTERN: "must be MAJOR.MINOR.PATCH, such as 1.6.1",
    NAME_PATTERN: "must be lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    LABEL_PATTERN: "must be lower-case letters, digits and '-', with a letter or digit at both ends",
    COMPONENT_PATTERN: "must be letters, digits and '-', with a letter or digit at both ends",
}


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits one of the patterns above."""
    return re.fullmatch(pattern, text) is not None


def has_version_tag(image: str) -> bool:
    """Whether an image reference ends in a tag like :1.6.1 (a digest does not)."""
    return "@" not in image and _VERSION_TAG.search(image) is not None


# --- Reading a document whose shape is not known to be right yet.


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


# --- What is wrong with a document: one value per fault, and how a set of them reads.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong: the path of the field, what was found and expected, what to do."""

    path: str
    problem: str
    remedy: str

    def __post_init__(self) -> None:
        # Keys come from the document: a line break in one must not break the line, nor a book fill it.
        for name, most in (("path", 300), ("problem", 1000), ("remedy", 1000)):
            object.__setattr__(self, name, _line(getattr(self, name), most))

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


def _line(text: str, most: int) -> str:
    """The text with what a terminal would act on written out, cut to `most` characters."""
    shown_text = text if len(text) <= most else text[: most - 3] + "..."
    if shown_text.isprintable():
        return shown_text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown_text)


_ALIKE, _BEGINNING = 0.6, 4
_MOST_NAMES = 20  # in one remedy
_TYPE_WORDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


def faults_from(error: ValidationError, known_keys: dict[str, tuple[str, ...]]) -> list[Fault]:
    """A pydantic error as faults; known_keys maps a parent's path to the keys it may hold."""
    return [_fault(item, known_keys) for item in error.errors(include_url=False)]


def first_fault(error: ValidationError) -> str:
    """The first thing wrong of a document that nobody wrote by hand: field, what was found and expected."""
    fault = faults_from(error, {})[0]
    return f"{fault.path}: {fault.problem}"


def join_path(parts: Iterable[str | int]) -> str:
    """`("spec", "components", 0, "name")` as `spec.components[0].name`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def unknown_key(path: str, key: str, known: Iterable[str]) -> Fault:
    """A key that the format's owner does not allow there."""
    names = tuple(known)
    hints = [name for name in nearest(key, names, count=1) if _alike(key, name)]
    remedy = f"did you mean {hints[0]}?" if hints else f"remove it; known here: {_listed(names)}"
    key = key or "''"
    return Fault(path=f"{path}.{key}" if path else key, problem="unknown key", remedy=remedy)


def _alike(key: str, name: str) -> bool:
    """Whether one is likely the other misspelt or cut: of short names any two have letters in common."""
    one, other = key.lower(), name.lower()
    begun = one[:_BEGINNING] == other[:_BEGINNING] or one in other or other in one
    return begun or SequenceMatcher(None, one, other).ratio() >= _ALIKE


def _listed(names: Sequence[str]) -> str:
    """Names in order; of many the first, and how many more there are."""
    found = sorted(names)
    more = len(found) - _MOST_NAMES
    return ", ".join(found) if more < 2 else f"{', '.join(found[:_MOST_NAMES])} and {more} more"


def wrong_type(path: str, expected: str, value: Any) -> Fault:
    """A value of the wrong kind."""
    return Fault(
        path=path, problem=f"expected {expected}, got {shown(value)}", remedy=f"write {expected} there"
    )


def choice_fault(path: str, choices: Sequence[str], value: Any) -> Fault:
    """A value that is none of those allowed."""
    hints = nearest(str(value), choices, count=1)
    listed = ", ".join(choices)
    remedy = f"did you mean {hints[0]}?" if hints else f"write one of {listed}"
    return Fault(path=path, problem=f"expected one of {listed}, got {shown(value)}", remedy=remedy)


def shown(value: Any) -> str:
    """A value as an error shows it: short, with its kind where that is what is wrong."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fault(item: Any, known_keys: dict[str, tuple[str, ...]]) -> Fault:
    location = tuple(item["loc"])
    path, kind, value = join_path(location), item["type"], item.get("input")
    if kind == "extra_forbidden":
        parent = join_path(location[:-1])
        return unknown_key(parent, str(location[-1]), known_keys.get(parent, ()))
    if kind == "missing":
        return Fault(path=path, problem="required but missing", remedy="add it")
    if kind == "literal_error":
        choices = item["ctx"]["expected"].replace(" or ", ", ").split(",")
        return choice_fault(path, [choice.strip("' ") for choice in choices], value)
    if kind in _TYPE_WORDS:
        return wrong_type(path, _TYPE_WORDS[kind], value)
    return Fault(path=path, problem=f"{_rule(item)}, got {shown(value)}", remedy="correct the value")


_RULES = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
}


def too_short(least: int) -> str:
    """What a text must be that has fewer characters than it takes."""
    return "must not be empty" if least == 1 else f"must have at least {least} characters"


def _rule(item: Any) -> str:
    """The constraint that failed, in words."""
    if item["type"] == "string_pattern_mismatch":
        pattern = item["ctx"]["pattern"]
        return PATTERN_WORDS.get(pattern, f"must match {pattern}")
    if item["type"] == "string_too_short":
        return too_short(item["ctx"]["min_length"])
    words = _RULES.get(item["type"])
    if not words:
        return str(item["msg"])
    return words.format(**item["ctx"]).replace("e+0", "e").replace("e+", "e")  # 1e9, as people write it
