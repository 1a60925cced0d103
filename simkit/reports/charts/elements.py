"""Elements of an SVG as text. Every text and attribute is escaped here and nowhere else."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

WIDTH = 480.0
TEXT_PX = 12.0
SMALL_PX = 11.0
_LETTER_PX = 0.56  # of the text's size, a sans serif's mean
_FONT = "system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif"
INK = "#1c1d1f"


def element(name: str, content: str = "", **attributes: Any) -> str:
    """One element; names of attributes have _ for -, and content is text that was made here."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(v)}"' for key, v in attributes.items())
    return f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>"


def text(words: str, x: float, y: float, *, size: float = TEXT_PX, **attributes: Any) -> str:
    """A line of text."""
    return element("text", escape(words, quote=False), x=x, y=y, font_size=size, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> str:
    """A straight line."""
    return element("path", d=f"M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}", **attributes)


def svg(content: Iterable[str], height: float, alt: str, *, alone: bool) -> str:
    """The whole picture; alone: a file by itself, else part of a page, whose colours it takes."""
    size: dict[str, Any] = {"viewBox": f"0 0 {px(WIDTH)} {px(height)}", "role": "img", "aria_label": alt}
    if alone:
        size |= {"width": 2 * WIDTH, "height": 2 * height, "color": INK, "style": "background:#fff"}
    size |= {"font_family": _FONT, "fill": "currentColor"}
    return element("svg", "".join(content), xmlns="http://www.w3.org/2000/svg", **size)


def px(value: float) -> str:
    """A length to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def text_width(words: str, size: float = TEXT_PX) -> float:
    """About how wide a line of text is."""
    return len(words) * size * _LETTER_PX


def cut(words: str, width: float, size: float = TEXT_PX) -> str:
    """The words, with an ellipsis where they are wider than that."""
    most = max(int(width / (size * _LETTER_PX)), 2)
    return words if len(words) <= most else words[: most - 1] + "\u2026"


def wrapped(widths: Sequence[float], room: float) -> list[list[int]]:
    """Positions of boxes in rows that each fit the room."""
    rows: list[list[int]] = [[]]
    used = 0.0
    for i, width in enumerate(widths):
        if rows[-1] and used + width > room:
            rows.append([])
            used = 0.0
        rows[-1].append(i)
        used += width
    return rows


def _value(value: object) -> str:
    return px(value) if isinstance(value, float) else escape(str(value))
