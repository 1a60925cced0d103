"""Where results go: tables or JSON on standard output, everything else on standard error."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simkit.core.harmless import shown_line

if TYPE_CHECKING:
    from rich.console import Console


INTERRUPTED = 130  # exit status after Ctrl-C: 128 and the number of the signal


class Format(StrEnum):
    """How a result is shown."""

    TABLE = "table"
    JSON = "json"


FormatFlag = Annotated[Format, typer.Option("--format", help="table for people, json for programs.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="No remarks on standard error.")]
SeedFlag = Annotated[int, typer.Option("--seed", help="Random seed; ignored where nothing is random.")]


def show(
    form: Format,
    document: Callable[[], Any],
    table: "Callable[[Console], None]",
    *,
    full_precision: bool = False,
) -> None:
    """Print the JSON document (six significant digits unless at full precision) or the table."""
    if form is Format.JSON:
        from simkit.reports.document import dumps

        sys.stdout.write(dumps(document(), full_precision=full_precision))
        return
    table(_console())


def _console() -> "Console":
    """A terminal, or what stands in for one; rich would end the process where the reader has gone."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

        def print(self, *objects: Any, **how: Any) -> None:
            """Texts are shown as they are: neither a terminal nor rich acts on what they hold."""
            harmless = (shown_line(item) if isinstance(item, str) else item for item in objects)
            super().print(*harmless, **{"markup": False, **how})

    return Output()


def remark(text: str, *, quiet: bool) -> None:
    """One line on standard error unless quiet."""
    if not quiet:
        sys.stderr.write(shown_line(text) + "\n")
