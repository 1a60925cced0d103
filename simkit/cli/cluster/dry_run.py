"""What would be sent to a cluster, or would change there: the same flags and words for every verb."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, show
from simkit.core.errors import unknown_name

_RUNS = ("client", "server")
_DRY = "client, or alone: show what would be sent; server: let the cluster check it; nothing is kept."
DryRun = Annotated[str | None, typer.Option("--dry-run", metavar="client|server", help=_DRY)]
DiffFlag = Annotated[bool, typer.Option("--diff", help="Show what would change, and change nothing.")]


def checked_dry_run(given: str | None) -> str | None:
    """The kind of dry run. Raises UnknownNameError for another."""
    if given is not None and given not in _RUNS:
        raise unknown_name("dry run", given, _RUNS, "expected client or server")
    return given


def said(one: Any, *, dry: bool) -> str:
    """One object that was applied, in a line."""
    from simkit.cluster.kinds import KINDS, named

    tail = " (dry run)" if dry else ""
    return f"{KINDS[one.kind].short}/{named(one.after)} {one.change}{tail}"


def show_documents(
    documents: Sequence[Mapping[str, Any]], form: Format, beside: Mapping[str, Any] | None = None
) -> None:
    """What would be sent, as YAML, or as JSON with what belongs `beside`."""
    from simkit.io.yamlio import dump_yaml

    if form is Format.JSON:
        show(form, lambda: {**(beside or {}), "documents": list(documents)}, lambda console: None)
    elif documents:
        sys.stdout.write(dump_yaml([dict(one) for one in documents]))


def show_changes(
    applied: Iterable[Any], form: Format, *, diff: bool, beside: Mapping[str, Any] | None = None
) -> None:
    """What a dry run changed: as a diff if asked, or as JSON with what belongs `beside`."""
    from simkit.cluster.kinds import named

    changes = [
        {"kind": one.kind, "name": named(one.after), "change": one.change, "diff": one.diff()}
        for one in applied
    ]
    if form is Format.JSON:
        show(form, lambda: {**(beside or {}), "changes": changes}, lambda console: None)
    elif diff:
        sys.stdout.write("".join(f"{one['diff']}\n" for one in changes if one["diff"]))
