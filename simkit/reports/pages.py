"""The one document that every report is: an answer, a few figures, then sections.

It is shown on a terminal, as Markdown, or as one HTML file that fetches nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simkit.reports.charts.model import Figure
from simkit.reports.templating import environment
from simkit.reports.terminal import Rows, bullets, fitted, say

if TYPE_CHECKING:
    from rich.console import Console


STYLE, SCRIPT = "report.css", "report.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One headline number: what it is, its value, and what bounds or explains it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A file's text to copy, by its name."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink:
    """Another page of the same set, by its place relative to this one."""

    text: str
    href: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with a hint, figures, a table, lines and files, each where there is any.

    The first `words` columns are text, the rest numbers. folded: shown on demand. drawn: the figures in
    letters, for Markdown that stands without pictures.
    """

    title: str
    hint: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    words: int = 1
    figures: tuple[Figure, ...] = ()
    files: tuple[Code, ...] = ()
    links: tuple[PageLink, ...] = ()
    folded: bool = False
    drawn: str = ""

    @property
    def filled(self) -> bool:
        """Whether there is anything under the heading."""
        return bool(self.rows or self.lines or self.figures or self.files or self.links)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A titled answer with its verdict: status is met, missed, unsure, none or empty.

    answer says in a sentence what was found, where that is more than the verdict; figures are the few that
    come first; command says how to make the page again.
    """

    title: str
    verdict: str
    status: str = ""
    sections: tuple[Section, ...] = ()
    command: str = "simkit"
    answer: str = ""
    tiles: tuple[Tile, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def all_figures(self) -> Iterator[Figure]:
        """Those that come first, then those of the sections."""
        yield from self.figures
        for section in self.sections:
            yield from section.figures


def page_markdown(page: Page, figures_in: str = "") -> str:
    """The page as Markdown; figures_in: the folder that holds its figures as PNG, empty where none does."""
    template = environment().get_template("page.md.j2")
    return template.render(page=page, figures_in=figures_in).rstrip() + "\n"


def page_html(page: Page, *, interactive: bool = False, shared: str = "") -> str:
    """The page as HTML, whole and printable without a script; interactive: with one that lets look closer.

    shared: the folder beside the page that holds `shared_files`; empty: the page is one file and holds them.
    """
    from simkit.reports.charts.payload import payload_text
    from simkit.reports.charts.svg import figure_as_svg

    files = {} if shared else shared_files(interactive=interactive)
    scripts = {
        "style": files.get(STYLE, ""),
        "script": files.get(SCRIPT, ""),
        "payload": payload_text(page.all_figures) if interactive else "",
    }
    template = environment().get_template("page.html.j2")

    def drawn(figure: Figure) -> str:
        return figure_as_svg(figure, titled=not interactive)

    found = template.render(page=page, svg=drawn, interactive=interactive, shared=shared, **scripts)
    return found.rstrip() + "\n"


def shared_files(*, interactive: bool = True) -> dict[str, str]:
    """Style and script of every page by name: pages of a set have them once, beside them."""
    from simkit.reports.charts.payload import library_text, script_text, style_text

    script = f"{library_text()}\n{script_text()}" if interactive else ""
    return {STYLE: style_text(), SCRIPT: script}


def page_console(page: Page, console: "Console") -> None:
    """The page on a terminal."""
    say(console, f"{page.title}: {page.verdict}", style="bold")
    for section in page.sections:
        if section.rows:
            _rows(console, section)
        bullets(console, section.title if not section.rows else "", section.lines)


def page_brief(page: Page, console: "Console") -> None:
    """What the page says first: the verdict, the answer, and the first lines that explain it."""
    say(console, f"{page.title}: {page.verdict}", style="bold")
    if page.answer:
        say(console, page.answer)
    first = next((section for section in page.sections if section.lines and not section.rows), None)
    if first is not None:
        bullets(console, first.title, first.lines)


def _rows(console: "Console", section: Section) -> None:
    console.print()
    say(console, section.title, style="bold")
    for one in fitted(console, Rows(heads=section.heads, rows=section.rows, words=section.words)):
        console.print(one)


def ms(seconds: float | None, digits: int = 3) -> str:
    """Seconds as milliseconds with so many significant digits; a dash where there is none."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}g}"


def joined(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines without repeats, in order."""
    return tuple(dict.fromkeys(lines))
