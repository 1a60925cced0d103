"""What a JSON schema finds wrong with a document, as faults."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.formats.faults import (
    PATTERN_WORDS,
    Fault,
    choice_fault,
    join_path,
    shown,
    too_short,
    unknown_key,
    wrong_type,
)

_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}
_RULES = {
    "exclusiveMinimum": "must be above {:g}",
    "minimum": "must be at least {:g}",
    "maximum": "must be at most {}",
}
_MOST_FAULTS = 50  # of one object; a document of nonsense need not be listed to its end


def faults_by(validator: Any, value: Any, path: str) -> list[Fault]:
    """Everything in which `value` breaks a validator's schema, one fault a field; path is where it stands."""
    found: dict[str, Fault] = {}
    for error in validator.iter_errors(value):
        for fault in _faults(error, path):
            found.setdefault(fault.path, fault)
        if len(found) >= _MOST_FAULTS:
            break
    return list(found.values())


def _faults(error: Any, path: str) -> Iterator[Fault]:
    where = _where(path, error)
    rule, value, expected = error.validator, error.instance, error.validator_value
    if rule == "additionalProperties" and isinstance(value, Mapping):
        known = error.schema.get("properties", {})
        for key in value:
            if key not in known:
                yield unknown_key(where, str(key), known)
    elif rule == "required":
        for key in expected:
            if isinstance(value, Mapping) and key not in value:
                yield Fault(path=f"{where}.{key}", problem="required but missing", remedy="add it")
    elif rule == "type":
        yield wrong_type(where, _kind_words(expected), value)
    elif rule in ("oneOf", "anyOf"):
        yield wrong_type(where, _kind_words([part.get("type") for part in expected]), value)
    elif rule == "enum":
        yield choice_fault(where, [str(item) for item in expected if item is not None], value)
    else:
        words = _rule_words(rule, expected)
        yield Fault(path=where, problem=f"{words}, got {shown(value)}", remedy="correct the value")


def _where(path: str, error: Any) -> str:
    inner = join_path(error.absolute_path)
    if not inner:
        return path
    return f"{path}{inner}" if not path or inner.startswith("[") else f"{path}.{inner}"


def _kind_words(types: Any) -> str:
    names = [types] if isinstance(types, str) else list(types)
    flat = [part for name in names for part in (name if isinstance(name, list) else [name])]
    words = [_KINDS.get(str(name), str(name)) for name in flat if name != "null"]
    return " or ".join(dict.fromkeys(words)) or "something else"


def _rule_words(rule: str, expected: Any) -> str:
    if rule == "pattern":
        return PATTERN_WORDS.get(expected, f"must match {expected}")
    if rule == "minLength":
        return too_short(expected)
    return _RULES.get(rule, f"breaks the schema's rule {rule}").format(expected)
