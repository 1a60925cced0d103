"""Flags for the engines' own settings: what they leave open is searched."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from simkit.core.request import Request

_PANEL = "Engine settings"
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("max_num_seqs", int, "--max-num-seqs", "Most requests that one engine runs at once."),
    ("max_num_batched_tokens", int, "--max-num-batched-tokens", "Token budget of a step; else several."),
    ("kv_dtype", str, "--kv-dtype", "KV cache: auto, bf16, fp8, or both to search."),
    (
        "speculative", str, "--speculative",
        "Also search with speculative decoding, METHOD:TOKENS:ACCEPTANCE[:MODEL], as in mtp:3:0.8; "
        "methods mtp, eagle, ngram.",
    ),
)  # fmt: skip


def with_tuning_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags; it receives them as one mapping, `tuning`."""
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "tuning"]
    shared = [_parameter(*option) for option in _OPTIONS]
    names = [parameter.name for parameter in shared]

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        tuning = {name: arguments.pop(name) for name in names}
        command(tuning=tuning, **arguments)

    wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
    return wrapper


def _parameter(name: str, kind: Any, flag: str, text: str) -> inspect.Parameter:
    annotation = Annotated[kind | None, typer.Option(flag, help=text, rich_help_panel=_PANEL)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def with_tuning(request: Request, tuning: Mapping[str, Any]) -> Request:
    """The request with the settings that were given."""
    from simkit.core.draft import parse_draft

    given = {name: value for name, value in tuning.items() if value is not None and name != "speculative"}
    if tuning.get("speculative"):
        given["draft"] = parse_draft(tuning["speculative"])
    return replace(request, tuning=replace(request.tuning, **given))
