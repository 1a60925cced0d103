"""A page of short sections, shown on a terminal, as Markdown, or as one HTML file that fetches nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simkit.reports.context import environment
from simkit.reports.terminal import bullets, cells, say, table

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with a table, lines, or both. The first `words` columns are text, the rest numbers."""

    title: str
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    words: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A titled answer with its verdict: status is met, missed or empty; command says how to make it again."""

    title: str
    verdict: str
    status: str = ""
    sections: tuple[Section, ...] = ()
    command: str = "simkit"


def page_markdown(page: Page) -> str:
    """The page as Markdown."""
    return environment().get_template("page.md.j2").render(page=page).rstrip() + "\n"


def page_html(page: Page) -> str:
    """The page as HTML."""
    return environment().get_template("page.html.j2").render(page=page).rstrip() + "\n"


def page_console(page: Page, console: "Console") -> None:
    """The page on a terminal."""
    say(console, f"{page.title}: {page.verdict}", style="bold")
    for section in page.sections:
        if section.rows:
            _rows(console, section)
        bullets(console, section.title if not section.rows else "", section.lines)


def _rows(console: "Console", section: Section) -> None:
    words, numbers = section.heads[: section.words], section.heads[section.words :]
    shown = table(console, words, numbers)
    for row in section.rows:
        shown.add_row(*cells(console, row))
    console.print()
    say(console, section.title, style="bold")
    console.print(shown)


def ms(seconds: float | None, digits: int = 3) -> str:
    """Seconds as milliseconds with so many significant digits; a dash where there is none."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}g}"


def joined(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines without repeats, in order."""
    return tuple(dict.fromkeys(lines))
