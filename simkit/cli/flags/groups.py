"""Flags that several commands share, given to each as one mapping."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

Command = Callable[..., None]


def keyword(kind: Any, option: Any, name: str, default: Any = None) -> inspect.Parameter:
    """A keyword of that name; one that defaults to None may be left out."""
    annotation = Annotated[kind | None if default is None else kind, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def plain_flag(
    panel: str, name: str, kind: Any, words: tuple[str, str], default: Any = None
) -> inspect.Parameter:
    """A flag in a panel of the help; words is (flag, help). Switches are off by default."""
    option = typer.Option(words[0], help=words[1], rich_help_panel=panel)
    return keyword(kind, option, name, False if kind is bool else default)


def with_flags(name: str, parameters: Sequence[inspect.Parameter]) -> Callable[[Command], Command]:
    """A decorator that gives a command the flags; it receives them as one mapping under `name`."""
    names = [parameter.name for parameter in parameters]

    def decorated(command: Command) -> Command:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != name]

        @functools.wraps(command)
        def wrapper(**arguments: Any) -> None:
            given = {key: arguments.pop(key) for key in names}
            command(**{name: given}, **arguments)

        wrapper.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *parameters)}
        return wrapper

    return decorated
