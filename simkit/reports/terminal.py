"""What the terminal views build with: text cells, tables, label grids and bullet lists.

Rich is imported inside the functions: `import simkit` stays light. Cells are Text, never markup, so a
model called "[red]" prints as such.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
    """A name over lines of at most so many characters, broken after slash, hyphen and underscore alone."""
    lines = [""]
    for part in re.findall(r"[^/_-]*[/_-]|[^/_-]+", name):
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


# --- A table on a terminal that may be too narrow for it: heads break, words fold, the rest goes below.


_HEADS = (99, 16, 11, 8)  # most characters of a line of a head: names of columns are long
_LEAST_WORDS = 8  # characters of a column of words, however narrow the terminal
_BETWEEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Heads and rows of a table whose first `words` columns are words that may fold, the rest numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int

    def columns(self, first: int, last: int) -> "Rows":
        """The columns of words with those from `first` to one before `last`."""
        heads, named = self.heads, self.words
        rows = [[*row[:named], *row[first:last]] for row in self.rows]
        return replace(self, heads=[*heads[:named], *heads[first:last]], rows=rows)


def fitted(console: "Console", shown: Rows) -> "list[Table]":
    """One table, or several one below another where its numbers do not stand side by side."""
    last = len(shown.heads)
    for needed in (_whole, _folded):
        for most in _HEADS:
            if needed(console, shown, most) <= console.width:
                return [_table(console, shown, most)]
    if last - shown.words < 2:
        return [_table(console, shown, _HEADS[-1])]
    half = shown.words + (last - shown.words + 1) // 2
    parts = shown.columns(shown.words, half), shown.columns(half, last)
    return [one for part in parts for one in fitted(console, part)]


def _table(console: "Console", shown: Rows, most: int) -> "Table":
    heads = [broken(head, most) for head in shown.heads]
    found = table(console, heads[: shown.words], heads[shown.words :])
    found.show_header = any(heads)
    for row in shown.rows:
        found.add_row(*cells(console, row))
    return found


def _whole(console: "Console", shown: Rows, most: int) -> int:
    """Characters that the table takes with no word folded."""
    free = console.options.update(width=10 * console.width)
    return int(console.measure(_table(console, shown, most), options=free).maximum)


def _folded(console: "Console", shown: Rows, most: int) -> int:
    """Characters that it takes at least."""
    numbers = Rows(heads=shown.heads[shown.words :], rows=[row[shown.words :] for row in shown.rows], words=0)
    return _whole(console, numbers, most) + shown.words * (_LEAST_WORDS + _BETWEEN)
