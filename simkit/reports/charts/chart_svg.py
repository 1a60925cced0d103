"""A chart as SVG: small, the same bytes each time, complete without a script."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from simkit.reports.charts.elements import (
    SMALL_PX,
    WIDTH,
    cut,
    element,
    line,
    px,
    svg,
    text,
    text_width,
    wrapped,
)
from simkit.reports.charts.model import BoundLine, Chart, Number, Series
from simkit.reports.charts.scales import Scale, scale_of, shown, tick_text, ticks, x_values, y_values

_PLOT = 250.0
_LEFT, _RIGHT, _TOP, _BELOW = 58.0, 14.0, 12.0, 42.0
_ROW = 17.0
_FEW = 300  # points up to which each has whiskers and says what it is
_DOTS = 60  # of a line, up to which each has a marker
_BOUND_COLOUR = "#c2255c"
_MARKS = {
    "o": "m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
    "^": "m0-4l3.9 6.6h-7.8z",
    "s": "m-3-3h6v6h-6z",
    "D": "m0-4.4l4.4 4.4l-4.4 4.4l-4.4-4.4z",
    "*": "m0-8l2.2 5.2l5.6.4l-4.3 3.6l1.4 5.5l-4.9-3l-4.9 3l1.4-5.5l-4.3-3.6l5.6-.4z",
}
Scales = tuple[Scale, Scale]


def chart_svg(chart: Chart, *, alone: bool = False) -> str:
    """The chart; alone: as a file with its title in it."""
    top = _TOP + (20.0 if alone else 0.0)
    labelled, tall = _margin(chart), _height(chart)
    scales = (
        scale_of(chart.x, x_values(chart), labelled, WIDTH - _RIGHT),
        scale_of(chart.y, y_values(chart), top + tall, top),
    )
    if chart.y.categories:  # the first on top
        scales = scales[0], replace(scales[1], low=scales[1].high, high=scales[1].low)
    parts = [*_axes(chart, scales)]
    for series in sorted(chart.series, key=lambda s: s.marker == "*"):
        parts += _series(series, scales)
    for bound in chart.bounds:
        parts += _bound(bound, scales)
    legend = list(_legend(chart, top + tall + _BELOW + 8))
    height = top + tall + _BELOW + _ROW * len(_legend_rows(chart)) + 4
    title = [text(chart.title, WIDTH / 2, 16.0, size=13, text_anchor="middle")] if alone else []
    return svg([*title, *parts, *legend], height, chart.alt, alone=alone)


def _height(chart: Chart) -> float:
    """Of the plot; with categories, as much as they need."""
    return min(_PLOT, 44.0 * len(chart.y.categories)) if chart.y.categories else _PLOT


def _margin(chart: Chart) -> float:
    longest = max((text_width(name, SMALL_PX) for name in chart.y.categories), default=0.0)
    return min(max(_LEFT, longest + 12.0), WIDTH * 0.4)


def _axes(chart: Chart, scales: Scales) -> Iterator[str]:
    x, y = scales
    for value, label in _ticks(chart.x.categories, x, 7):
        at = x.place(value)
        if not chart.x.categories:
            yield line(at, y.end, at, y.start, stroke="currentColor", opacity=0.13)
        yield text(label, at, y.start + 16, size=SMALL_PX, text_anchor="middle")
    for value, label in _ticks(chart.y.categories, y, 6):
        at = y.place(value)
        if not chart.y.categories:
            yield line(x.start, at, x.end, at, stroke="currentColor", opacity=0.13)
        short = cut(label, x.start - 10, SMALL_PX)
        yield text(short, x.start - 6, at + 4, size=SMALL_PX, text_anchor="end")
    yield line(x.start, y.start, x.end, y.start, stroke="currentColor", opacity=0.5)
    hint = {"up": " \u2192 better", "down": " (lower is better)"}.get(chart.x.best, "")
    yield text(chart.x.label + hint, (x.start + x.end) / 2, y.start + 34, text_anchor="middle")
    if chart.y.label:
        hint = {"up": " \u2192 better", "down": " (lower is better)"}.get(chart.y.best, "")
        middle = (y.start + y.end) / 2
        turned = f"rotate(-90 13 {px(middle)})"
        yield text(chart.y.label + hint, 13.0, middle, text_anchor="middle", transform=turned)


def _ticks(categories: Sequence[str], scale: Scale, most: int) -> list[tuple[float, str]]:
    if categories:
        return [(float(i), name) for i, name in enumerate(categories)]
    return [(value, tick_text(value)) for value in ticks(scale, most)]


def _series(series: Series, scales: Scales) -> Iterator[str]:
    kept = list(shown(series, scales))
    if series.kind == "bars":
        yield from _bars(series, scales, kept)
        return
    if series.lo and series.band:
        yield from _band(series, scales, kept)
    elif series.lo and len(kept) <= _FEW:
        yield from _whiskers(series, scales, kept)
    points = [(scales[0].place(series.x[i] or 0.0), scales[1].place(series.y[i] or 0.0)) for i in kept]
    if series.kind == "line" and points:
        dash: dict[str, Any] = {"stroke_dasharray": "5 4"} if series.dashed else {}
        path = "M" + "L".join(f"{px(a)} {px(b)}" for a, b in points)
        yield element("path", d=path, fill="none", stroke=series.colour, stroke_width=1.8, **dash)
    if series.kind != "line" or len(points) <= _DOTS:
        yield from _points(series, points, kept)


def _points(series: Series, points: list[tuple[float, float]], kept: list[int]) -> Iterator[str]:
    """Markers, hollow where extrapolated; where they are few each says what it is."""
    if len(points) > _FEW:
        path = "".join(f"M{px(a)} {px(b)}h0" for a, b in points)
        look: dict[str, Any] = {"stroke_width": 3.4, "stroke_linecap": "round", "opacity": 0.45}
        yield element("path", d=path, stroke=series.colour, fill="none", **look)
        return
    for (a, b), i in zip(points, kept, strict=True):
        hollow = bool(series.doubtful) and series.doubtful[i]
        fill: dict[str, Any] = {"fill": "none", "stroke_width": 1.6} if hollow else {"fill": series.colour}
        name = element("title", _escaped(series.names[i])) if series.names else ""
        edge = "currentColor" if series.marker == "*" else series.colour
        mark = f"M{px(a)} {px(b)}{_MARKS[series.marker]}"
        yield element("path", name, d=mark, stroke=edge, **fill)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _band(series: Series, scales: Scales, kept: list[int]) -> Iterator[str]:
    """The area between the bounds; with bounds in x too, between the worse and the better end of both."""
    x, y = scales
    sides: list[list[str]] = []
    for xs, ys in ((series.x_lo or series.x, series.lo), (series.x_hi or series.x, series.hi)):
        known = [i for i in kept if x.shows(xs[i]) and y.shows(ys[i])]
        sides.append([f"{px(x.place(xs[i] or 0.0))} {px(y.place(ys[i] or 0.0))}" for i in known])
    if all(sides):
        path = "M" + "L".join([*sides[0], *reversed(sides[1])]) + "z"
        yield element("path", d=path, fill=series.colour, opacity=0.15)


def _whiskers(series: Series, scales: Scales, kept: list[int]) -> Iterator[str]:
    x, y = scales
    path = ""
    for i in kept:
        at = (x.place(series.x[i] or 0.0), y.place(series.y[i] or 0.0))
        for scale, low, high, upright in (
            (y, _at(series.lo, i), _at(series.hi, i), True),
            (x, _at(series.x_lo, i), _at(series.x_hi, i), False),
        ):
            if low is None or high is None or not (scale.shows(low) and scale.shows(high)):
                continue
            a, b = px(scale.place(low)), px(scale.place(high))
            path += f"M{px(at[0])} {a}V{b}" if upright else f"M{a} {px(at[1])}H{b}"
    if path:
        yield element("path", d=path, stroke=series.colour, opacity=0.45, fill="none")


def _at(values: Sequence[Number], i: int) -> Number:
    return values[i] if values else None


def _bars(series: Series, scales: Scales, kept: list[int]) -> Iterator[str]:
    """Bars that lie: x is where they end, x_lo where they begin, y the category."""
    x, y = scales
    thick = min(abs((y.end - y.start) / (y.high - y.low)) * 0.7, 26.0)
    for i in kept:
        begin = x.place(_at(series.x_lo, i) or 0.0)
        end, middle = x.place(series.x[i] or 0.0), y.place(series.y[i] or 0.0)
        name = element("title", _escaped(series.names[i])) if series.names else ""
        box: dict[str, Any] = {
            "x": begin,
            "y": middle - thick / 2,
            "width": max(end - begin, 0.0),
            "height": thick,
        }
        yield element("rect", name, **box, fill=series.colour, stroke="var(--page,#fff)", stroke_width=0.6)


def _bound(bound: BoundLine, scales: Scales) -> Iterator[str]:
    x, y = scales
    look: dict[str, Any] = {"stroke": _BOUND_COLOUR, "stroke_dasharray": "6 4", "stroke_width": 1.4}
    if bound.axis == "diagonal":
        low, high = max(x.low, y.low), min(x.high, y.high)
        if low < high:
            yield line(x.place(low), y.place(low), x.place(high), y.place(high), **look)
        return
    label: dict[str, Any] = {"size": SMALL_PX, "fill": _BOUND_COLOUR}
    if bound.axis == "x":
        at = x.place(bound.value)
        yield line(at, y.end, at, y.start, **look)
        near_end = at > (x.start + x.end) / 2
        side, shift = ("end", -5) if near_end else ("start", 5)
        yield text(bound.label, at + shift, y.end + 9, text_anchor=side, **label)
    else:
        at = y.place(bound.value)
        yield line(x.start, at, x.end, at, **look)
        yield text(bound.label, x.end - 4, at - 5, text_anchor="end", **label)


def _legend_rows(chart: Chart) -> list[list[int]]:
    entries = _entries(chart)
    widths = [text_width(item.label, SMALL_PX) + 30.0 for item in entries]
    return wrapped(widths, WIDTH - 20.0) if entries else []


def _entries(chart: Chart) -> list[Series]:
    """Each label once."""
    found: dict[str, Series] = {}
    for series in chart.series:
        if series.label and series.x:
            found.setdefault(series.label, series)
    return list(found.values()) if len(found) > 1 else []


def _legend(chart: Chart, top: float) -> Iterator[str]:
    entries = _entries(chart)
    for row, places in enumerate(_legend_rows(chart)):
        widths = [text_width(entries[i].label, SMALL_PX) + 30.0 for i in places]
        at, y = max((WIDTH - sum(widths)) / 2, 6.0), top + _ROW * row
        for i, width in zip(places, widths, strict=True):
            item = entries[i]
            if item.kind == "line":
                dash: dict[str, Any] = {"stroke_dasharray": "5 3"} if item.dashed else {}
                yield line(at, y - 4, at + 16, y - 4, stroke=item.colour, stroke_width=2.0, **dash)
            if item.kind == "bars":
                yield element("rect", x=at + 3, y=y - 9, width=10, height=10, fill=item.colour)
            elif item.kind == "points" or len(item.x) <= _FEW:
                mark = f"M{px(at + 8)} {px(y - 4)}{_MARKS[item.marker]}"
                yield element("path", d=mark, fill=item.colour)
            yield text(cut(item.label, WIDTH - 50, SMALL_PX), at + 20, y, size=SMALL_PX)
            at += width
