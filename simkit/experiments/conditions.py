"""Conditions on columns: a small part of Python's expressions, parsed, checked, then applied to arrays.

Names are columns; there are numbers, texts, true and false, comparisons (also chained), and, or, not, in, and
the four operations. Nothing is called, and nothing else can be written.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.core.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

MOST_CHARACTERS = 2000
_MOST_NODES = 500

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.mod,
}  # fmt: skip
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Compare,
    ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, *_COMPARE, *_ARITHMETIC,
)  # fmt: skip
_CONSTANTS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A checked condition; text as it was written."""

    text: str
    names: Mapping[str, str]  # as written, to columns

    def holds(self, table: "pd.DataFrame") -> np.ndarray:
        """Which rows it holds for; what is missing compares as false. Raises InputError."""
        tree = ast.parse(self.text, mode="eval").body
        try:
            with np.errstate(invalid="ignore", divide="ignore"):
                found = _evaluated(tree, lambda name: table[self.names[name]].to_numpy())
        except TypeError as error:
            raise _fault(self.text, f"compares a text with a number ({error})") from error
        return np.broadcast_to(_truth(found), len(table))


def parse_condition(text: str, columns: Mapping[str, str]) -> Condition:
    """The condition that a text says; columns maps names that may be used to columns. Raises InputError."""
    if len(text) > MOST_CHARACTERS:
        raise _fault(text[:40] + "...", f"more than {MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _fault(text, "not an expression") from error
    nodes = list(ast.walk(tree))
    if len(nodes) > _MOST_NODES:
        raise _fault(text, f"more than {_MOST_NODES} parts")
    used = {}
    for node in nodes:
        _check(text, node)
        if isinstance(node, ast.Name) and node.id not in _CONSTANTS:
            if node.id not in columns:
                means = [name for name in (f"{node.id}_mean",) if name in columns]
                hints = means or nearest(node.id, columns, count=1)
                raise _fault(
                    text, f"unknown column {node.id!r}", f"did you mean {hints[0]}?" if hints else ""
                )
            used[node.id] = columns[node.id]
    return Condition(text=text.strip(), names=used)


def _check(text: str, node: ast.AST) -> None:
    if not isinstance(node, _ALLOWED):
        raise _fault(text, f"{type(node).__name__} is not allowed in a condition")
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool):
        raise _fault(text, f"{node.value!r} is no number and no text")
    if isinstance(node, ast.List | ast.Tuple) and not all(isinstance(x, ast.Constant) for x in node.elts):
        raise _fault(text, "a list holds numbers or texts")


def _fault(text: str, problem: str, remedy: str = "") -> InputError:
    remedy = remedy or "write it like tp == 4 and gpu in ['h100_sxm', 'h200_sxm']"
    return InputError(f"condition {text!r}: {problem}; {remedy}")


def _evaluated(node: ast.AST, column: Callable[[str], np.ndarray]) -> Any:
    if isinstance(node, ast.Name):
        return _CONSTANTS[node.id] if node.id in _CONSTANTS else column(node.id)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        parts = [_truth(_evaluated(part, column)) for part in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return join.reduce(np.broadcast_arrays(*parts))
    if isinstance(node, ast.UnaryOp):
        value = _evaluated(node.operand, column)
        return ~_truth(value) if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.BinOp):
        left, right = _evaluated(node.left, column), _evaluated(node.right, column)
        return _ARITHMETIC[type(node.op)](_numeric(left), _numeric(right))
    return _compared(node, column)


def _compared(node: ast.AST, column: Callable[[str], np.ndarray]) -> Any:
    if not isinstance(node, ast.Compare):  # a list outside of `in`
        raise TypeError("a list stands alone")
    found: Any = True
    left = _evaluated(node.left, column)
    for kind, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(kind, ast.In | ast.NotIn):
            if not isinstance(right_node, ast.List | ast.Tuple):
                raise TypeError("`in` takes a list")
            allowed = [part.value for part in right_node.elts if isinstance(part, ast.Constant)]
            one = np.logical_or.reduce([_same(left, value) for value in allowed]) if allowed else False
            one = ~np.asarray(one) if isinstance(kind, ast.NotIn) else one
        else:
            right = _evaluated(right_node, column)
            one, left = _pair(kind, left, right), right
        found = np.logical_and(found, one)
    return found


def _pair(kind: ast.cmpop, left: Any, right: Any) -> Any:
    if isinstance(kind, ast.Eq | ast.NotEq):
        same = _same(left, right)
        return same if isinstance(kind, ast.Eq) else ~np.asarray(same)
    return _COMPARE[type(kind)](_numeric(left), _numeric(right))


def _same(left: Any, right: Any) -> Any:
    return np.equal(np.asarray(left, dtype=object), np.asarray(right, dtype=object)).astype(bool)


def _numeric(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype == object:
        array = np.where(missing(array), np.nan, array)
    if array.dtype.kind in "US" or any(isinstance(item, str) for item in np.ravel(array)[:50]):
        raise TypeError("texts have no order")
    return array.astype(np.float64)


def missing(values: Any) -> np.ndarray:
    """Where nothing is known."""
    import pandas as pd

    return np.asarray(pd.isna(values), dtype=bool)


def _truth(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "US":
        raise TypeError("a text is neither true nor false")
    if array.dtype == object:
        array = np.where(missing(array), False, array)
    return np.nan_to_num(array.astype(np.float64)) != 0 if array.dtype != bool else array
