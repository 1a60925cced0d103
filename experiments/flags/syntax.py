"""Python source as syntax: calls with their arguments, classes with their fields."""

import ast
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]


def tree_of(text: str) -> ast.Module:
    """The syntax of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text)


def classes(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name, node


def named_class(tree: ast.Module, name: str) -> ast.ClassDef:
    """The class called so."""
    return next(node for found, node in classes(tree) if found == name)


def fields_of(node: ast.ClassDef) -> dict[str, tuple[str, Any]]:
    """Annotated fields of a class: annotation as text, default where it is a constant."""
    return {
        ast.unparse(item.target): (ast.unparse(item.annotation), _default(item.value))
        for item in node.body
        if isinstance(item, ast.AnnAssign)
    }


def _default(value: ast.expr | None) -> Any:
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        given = next((word.value for word in value.keywords if word.arg == "default"), None)
        value = given or (value.args[0] if value.args else None)
    return None if value is None else constant(value)


def constant(value: ast.expr) -> Any:
    """The value of a literal; None for what would have to be run."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """Calls of a function or method by its last name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            yield node


def arguments_of(call: ast.Call) -> tuple[list[str], dict[str, Any]]:
    """Option names among the positional arguments, and keywords: literals, or their text."""
    names = [item for item in map(constant, call.args) if isinstance(item, str) and item.startswith("-")]
    given: dict[str, Any] = {}
    for word in call.keywords:
        if word.arg is not None:
            value = constant(word.value)
            given[word.arg] = ast.unparse(word.value) if value is None else value
    return names, given


def row(names: Sequence[str], takes: str, kind: str, default: Any) -> Row:
    """One option; takes: none, one, optional, many, or boolean (with a --no- form)."""
    found: Row = {"names": [name.replace("_", "-") for name in names], "takes": takes, "type": kind}
    if isinstance(default, str | int | float) and default not in ("None", ""):
        found["default"] = default
    return found
