"""Heat maps and deployments as SVG."""

from collections.abc import Iterator
from typing import Any

from simkit.reports.charts.elements import SMALL_PX, WIDTH, cut, element, line, svg, text, text_width
from simkit.reports.charts.model import Drawing, DrawnPool, HeatMap, Number
from simkit.reports.charts.scales import tick_text

# From dark to light in even steps of lightness, legible to the colour-blind (viridis).
SHADES = (
    "#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b",
    "#fde725",
)  # fmt: skip
LIGHT_FROM = 6  # shades on which text is dark
_CELL_PX = 34.0
_MOST_GPUS = 16


def heat_svg(heat: HeatMap, *, alone: bool = False) -> str:
    """A cell for each pair, with its value written in it."""
    top = 32.0 if alone else 8.0
    left = min(max(max((text_width(n, SMALL_PX) for n in heat.y.categories), default=0) + 36, 64), 190.0)
    across = (WIDTH - left - 8) / max(len(heat.x.categories), 1)
    parts = [text(heat.title, WIDTH / 2, 16.0, size=13, text_anchor="middle")] if alone else []
    for row, name in enumerate(heat.y.categories):
        middle = top + _CELL_PX * (row + 0.5) + 4
        short = cut(name, left - 28, SMALL_PX)
        parts.append(text(short, left - 6, middle, size=SMALL_PX, text_anchor="end"))
        parts += _cells(heat, row, (left, top, across))
    bottom = top + _CELL_PX * len(heat.y.categories)
    for column, name in enumerate(heat.x.categories):
        at = left + across * (column + 0.5)
        parts.append(text(cut(name, across, SMALL_PX), at, bottom + 15, size=SMALL_PX, text_anchor="middle"))
    parts.append(text(heat.x.label, (left + WIDTH) / 2, bottom + 33, text_anchor="middle"))
    middle = (top + bottom) / 2
    turned = f"rotate(-90 12 {middle:.1f})"
    parts.append(text(heat.y.label, 12.0, middle, text_anchor="middle", transform=turned))
    return svg(parts, bottom + 42, heat.alt, alone=alone)


def shade_of(value: Number, values: list[float]) -> int | None:
    """Which shade a value has among all: by rank where they span decades, else by size."""
    if value is None or not values:
        return None
    low, high = min(values), max(values)
    if low > 0 and high / low > 20:
        share = sum(other < value for other in values) / max(len(values) - 1, 1)
    else:
        share = (value - low) / (high - low) if high > low else 0.5
    return min(int(share * len(SHADES)), len(SHADES) - 1)


def _cells(heat: HeatMap, row: int, place: tuple[float, float, float]) -> Iterator[str]:
    left, top, across = place
    known = [value for line in heat.values for value in line if value is not None]
    for column, value in enumerate(heat.values[row]):
        shade = shade_of(value, known)
        fill = "none" if shade is None else SHADES[shade]
        x, y = left + across * column, top + _CELL_PX * row
        box: dict[str, Any] = {"x": x + 1, "y": y + 1, "width": across - 2, "height": _CELL_PX - 2, "rx": 2}
        yield element("rect", **box, fill=fill, stroke="currentColor", stroke_opacity=0.2)
        mark = heat.marks[row][column] if heat.marks else ""
        words = cut(("-" if value is None else _short(value)) + mark, across, SMALL_PX)
        ink = "currentColor" if shade is None else "#000" if shade >= LIGHT_FROM else "#fff"
        middle: dict[str, Any] = {"size": SMALL_PX, "fill": ink, "text_anchor": "middle"}
        yield text(words, x + across / 2, y + _CELL_PX / 2 + 4, **middle)


def _short(value: float) -> str:
    return tick_text(float(f"{value:.3g}"))


def drawing_svg(drawing: Drawing, *, alone: bool = False) -> str:
    """Pools side by side: a box for each engine, a square for each of its GPUs."""
    top = 54.0 if alone else 34.0
    parts = [text(drawing.title, WIDTH / 2, 16.0, size=13, text_anchor="middle")] if alone else []
    parts.append(text(drawing.entry, WIDTH / 2, top - 18, text_anchor="middle"))
    gap = 70.0 if drawing.link else 14.0
    width = (WIDTH - 12 - gap * (len(drawing.pools) - 1)) / len(drawing.pools)
    heights = []
    for i, pool in enumerate(drawing.pools):
        left = 6 + i * (width + gap)
        middle = left + width / 2
        parts.append(line(WIDTH / 2, top - 13, middle, top - 2, stroke="currentColor", opacity=0.5))
        drawn, height = _pool(pool, (left, top), width)
        parts += drawn
        heights.append(height)
    if drawing.link:
        at = 6 + width
        parts.append(line(at + 4, top + 40, at + gap - 8, top + 40, stroke="currentColor", stroke_width=1.6))
        head = f"M{at + gap - 12:.1f} {top + 35:.1f}l8 5l-8 5z"
        parts.append(element("path", d=head))
        words = cut(drawing.link, gap - 4, SMALL_PX)
        parts.append(text(words, at + gap / 2, top + 31, size=SMALL_PX, text_anchor="middle"))
    return svg(parts, top + max(heights) + 8, drawing.alt, alone=alone)


def _pool(pool: DrawnPool, place: tuple[float, float], width: float) -> tuple[list[str], float]:
    """The pool's elements and its height; from some size on engines are counted instead of drawn."""
    left, top = place
    drawn, columns = min(pool.engines, 8), min(pool.gpus, 8 if width > 250 else 4, _MOST_GPUS)
    shown = min(pool.gpus, _MOST_GPUS)
    rows = -(-shown // columns)
    tall = rows * 14.0 + 10
    words = f"{pool.role}: {pool.engines} \u00d7 {pool.label}"
    parts = [text(cut(words, width - 12), left + 8, top + 16, font_weight="bold")]
    fit = max(int((width - 8) // (columns * 14 + 14)), 1)
    for i in range(drawn):
        x, y = left + 8 + (i % fit) * (columns * 14 + 14), top + 40 + (i // fit) * (tall + 6)
        box: dict[str, Any] = {"x": x, "y": y, "width": columns * 14 + 8.0, "height": tall, "rx": 4}
        parts.append(element("rect", **box, fill="none", stroke="currentColor", opacity=0.6))
        for g in range(shown):
            square: dict[str, Any] = {"x": x + 5 + (g % columns) * 14, "y": y + 6 + (g // columns) * 14}
            parts.append(element("rect", **square, width=11, height=11, rx=2, fill="#0a9a73"))
    nodes = f" on {pool.nodes} nodes" if pool.nodes > 1 else ""
    each = f"{pool.gpus} GPU{'s' if pool.gpus > 1 else ''} each{nodes}"
    more = f"; {pool.engines - drawn} more not drawn" if pool.engines > drawn else ""
    parts.append(text(cut(each + more, width - 12, SMALL_PX), left + 8, top + 32, size=SMALL_PX))
    height = 40 + -(-drawn // fit) * (tall + 6) + 6
    frame: dict[str, Any] = {"x": left, "y": top, "width": width, "height": height, "rx": 6}
    parts.insert(0, element("rect", **frame, fill="none", stroke="currentColor", opacity=0.35))
    return parts, height
