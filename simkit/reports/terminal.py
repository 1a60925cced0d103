"""What the terminal views build with: text cells, tables, label grids and bullet lists.

Rich is imported inside the functions: `import simkit` stays light. Cells are Text, never markup, so a
model called "[red]" prints as such.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.labels import ascii_text, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_ROOMY_COLUMNS = 90  # from here on columns stand two blanks apart, below it one


def cells(console: "Console", values: Iterable[str]) -> list[Any]:
    """The values as Text, each line free of control characters."""
    from rich.text import Text

    show = _encoder(console)
    return [Text("\n".join(one_line(line) for line in show(value).split("\n"))) for value in values]


def table(
    console: "Console", names: Sequence[str], numbers: Sequence[str], left: Sequence[str] = ()
) -> "Table":
    """A table whose `names` columns may wrap and whose `numbers` columns may not; `left` aligns some."""
    from rich import box
    from rich.table import Table

    padding = (0, 1, 0, 0) if console.width >= _ROOMY_COLUMNS else (0, 0)
    found = Table(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False)
    for name in names:
        found.add_column(name, overflow="fold")
    for name in numbers:
        found.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return found


def print_fitting(console: "Console", build: Callable[[str], "Table"]) -> None:
    """Print the table with a blank between a mean and its interval, or a line break where that is too wide.

    build takes what stands between the two.
    """
    rows = build(" ")
    console.print(rows if fits(console, rows) else build("\n"))


def print_within(console: "Console", longest: int, build: Callable[[int], "Table"]) -> None:
    """Print the table with as much room for names as the terminal leaves, at most for the longest.

    build takes the most characters of a line of a name.
    """
    rows = build(longest)
    free = console.options.update(width=10 * console.width)
    over = console.measure(rows, options=free).maximum - console.width
    console.print(build(max(longest - over, 1)) if over > 0 else rows)


def broken(name: str, most: int) -> str:
    """A name over lines of at most so many characters, broken after a slash or hyphen alone."""
    lines = [""]
    for part in re.findall(r"[^/-]*[/-]|[^/-]+", name):
        if lines[-1] and len(lines[-1]) + len(part) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def fits(console: "Console", rows: "Table") -> bool:
    """Whether the table is no wider than the terminal."""
    free = console.options.update(width=10 * console.width)
    return console.measure(rows, options=free).maximum <= console.width


def grid(console: "Console", rows: Iterable[Sequence[str]], style: str | None = None) -> None:
    """Print label and text side by side; the text wraps under itself."""
    from rich.table import Table

    found = Table.grid(padding=(0, 1))
    found.add_column(no_wrap=True)
    found.add_column(overflow="fold", style=style)
    for row in rows:
        found.add_row(*cells(console, row))
    console.print(found)


def bullets(console: "Console", title: str, lines: Sequence[str], style: str | None = None) -> None:
    """Print a titled list; nothing when it is empty."""
    if lines:
        console.print()
        say(console, title, style="bold")
        grid(console, ([" -", line] for line in lines), style=style)


def say(console: "Console", line: str, style: str | None = None) -> None:
    """Print one line of text."""
    from rich.text import Text

    console.print(Text(one_line(_encoder(console)(line))), style=style)


def _encoder(console: "Console") -> Callable[[str], str]:
    """How this terminal takes text: as it is, or in ASCII."""
    return str if console.encoding.lower().startswith("utf") else ascii_text
