"""Which branch of a script is taken, where its tests can be decided from what the text assigns."""

import fnmatch
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from simkit.launch.shell_words import Expander, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

Branch = tuple[bool | None, Sequence["Node"]]  # whether it is taken (None: not known), and what it holds


def branches(node: "Node", expander: Expander) -> list[Branch]:
    """The branches of an `if`; the last one holds where none before it does."""
    found: list[Branch] = []
    _collect(node, expander, found)
    if not any(child.type == "else_clause" for child in node.children):
        found.append((True, ()))
    return found


def _collect(node: "Node", expander: Expander, found: list[Branch]) -> None:
    conditions = [child for child in node.children_by_field_name("condition") if child.is_named]
    body = [
        child
        for child in node.children
        if child.is_named and child not in conditions and child.type not in ("elif_clause", "else_clause")
    ]
    if node.type == "else_clause":
        found.append((True, body))
        return
    if node.type == "elif_clause" and not conditions:  # the grammar names no field in an elif
        conditions, body = body[:1], body[1:]
    found.append((_holds(conditions, expander), body))
    for child in node.children:
        if child.type in ("elif_clause", "else_clause"):
            _collect(child, expander, found)


def _holds(conditions: Sequence["Node"], expander: Expander) -> bool | None:
    if len(conditions) != 1 or conditions[0].type != "test_command":
        return None
    inner = [child for child in conditions[0].children if child.is_named]
    return _test(inner[0], expander) if len(inner) == 1 else None


def _test(node: "Node", expander: Expander) -> bool | None:
    """`-z "$X"`, `"$X" = a`, `! ...` and the like; None where a value is not known."""
    if node.type == "parenthesized_expression":
        inner = [child for child in node.children if child.is_named]
        return _test(inner[0], expander) if len(inner) == 1 else None
    if node.type == "unary_expression":
        sign, *rest = node.children
        if text_of(sign) == "!" and rest:
            found = _test(rest[0], expander)
            return None if found is None else not found
        if text_of(sign) in ("-z", "-n") and rest:
            value = expander.text(rest[0])
            known = "$" not in value or "-" in text_of(rest[0])
            # A variable that nothing here assigns may come from outside; people test just for that.
            empty = not value or (not known)
            return empty if text_of(sign) == "-z" else not empty
        return None
    if node.type == "binary_expression" and len(node.children) == 3:
        first, second, third = (expander.text(child) for child in node.children)
        return _compared(first, second, third)
    return None


def _compared(left: str, sign: str, right: str) -> bool | None:
    if "$" in left + right:
        return None
    if sign in ("=", "==", "!="):
        return fnmatch.fnmatchcase(left, right) is (sign != "!=")
    if re.fullmatch(r"-?\d{1,9}", left) and re.fullmatch(r"-?\d{1,9}", right):
        a, b = int(left), int(right)
        order = {"-eq": a == b, "-ne": a != b, "-gt": a > b, "-ge": a >= b, "-lt": a < b, "-le": a <= b}
        return order.get(sign)
    return None


def cases(node: "Node", expander: Expander) -> list[Branch]:
    """The branches of a `case`."""
    value = node.child_by_field_name("value")
    text = "$" if value is None else expander.text(value)
    found: list[Branch] = []
    for item in node.children:
        if item.type != "case_item":
            continue
        patterns = item.children_by_field_name("value")
        body = [child for child in item.children if child.is_named and child not in patterns]
        matches = any(fnmatch.fnmatchcase(text, text_of(pattern)) for pattern in patterns)
        found.append((None if "$" in text else matches, body))
    return [*found, (True, ())]
