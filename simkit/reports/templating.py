"""Jinja with this package's templates: HTML is escaped, Markdown escapes what it prints by `md`."""

from typing import TYPE_CHECKING

from simkit.reports.labels import one_line

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> "Environment":
    """The templates, with `md` as a filter."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    found = Environment(
        loader=PackageLoader("simkit.reports"),
        autoescape=select_autoescape(enabled_extensions=("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["md"] = markdown_text
    return found


def markdown_text(text: str) -> str:
    """The text on one line with Markdown's and HTML's own characters made harmless."""
    harmless = one_line(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for letter in ("\\", "|", "`", "*", "[", "]"):
        harmless = harmless.replace(letter, f"\\{letter}")
    return harmless
