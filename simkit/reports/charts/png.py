"""Any figure as PNG by matplotlib, for Markdown and slides. Drawn without pyplot."""

from typing import TYPE_CHECKING, Any

from simkit.core.words import gpus
from simkit.reports.charts.boxes_svg import LIGHT_FROM, SHADES, shade_of
from simkit.reports.charts.model import BoundLine, Chart, Drawing, DrawnPool, Figure, HeatMap, Number, Series
from simkit.reports.figures import figure_style, new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_FEW = 300
_BOUND_COLOUR = "#c2255c"
_NAN = float("nan")


def figure_as_png(figure: Figure) -> bytes:
    """The figure with its title: same figure, same bytes."""
    with figure_style():
        if isinstance(figure, Drawing):
            return png_bytes(_drawing(figure))
        canvas, axes = new_figure(7.2, 4.6)
        axes.set_title(figure.title, loc="left", fontweight="bold")
        if isinstance(figure, HeatMap):
            _heat(axes, figure)
        else:
            _chart(canvas, axes, figure)
        return png_bytes(canvas)


def _chart(canvas: "Canvas", axes: "Axes", chart: Chart) -> None:
    for series in sorted(chart.series, key=lambda s: s.marker == "*"):
        _series(axes, series)
    for side, axis in (("x", chart.x), ("y", chart.y)):
        if axis.log:
            getattr(axes, f"set_{side}scale")("log")
        if axis.categories:
            places = range(len(axis.categories))
            getattr(axes, f"set_{side}ticks")(list(places), list(axis.categories))
            getattr(axes, f"set_{side}lim")(-0.6, len(axis.categories) - 0.4)
        elif axis.from_zero and not axis.log:
            axes.set(**{f"{side}lim": (0.0, getattr(axes, f"get_{side}lim")()[1])})
    axes.set(xlabel=chart.x.label, ylabel=chart.y.label)
    if chart.y.categories:
        axes.invert_yaxis()
    for bound in chart.bounds:
        _bound(axes, bound)
    labels = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if len(labels) > 1:
        look: Any = {"loc": "outside lower center", "ncols": 3, "fontsize": 8.5, "frameon": False}
        canvas.legend(list(labels.values()), list(labels), **look)


def _series(axes: "Axes", series: Series) -> None:
    x, y = _clean(series.x), _clean(series.y)
    label = series.label or "_unnamed"
    if series.kind == "bars":
        begin = _clean(series.x_lo) or [0.0] * len(x)
        long = [b - a for a, b in zip(begin, x, strict=True)]
        look: Any = {"color": series.colour, "label": label, "height": 0.6, "edgecolor": "white", "lw": 0.5}
        axes.barh(y, long, left=begin, **look)
        return
    if series.band and series.lo:
        xs = [*(_clean(series.x_lo) or x), *reversed(_clean(series.x_hi) or x)]
        ys = [*_clean(series.lo), *reversed(_clean(series.hi))]
        axes.fill(*_paired(xs, ys), color=series.colour, alpha=0.15, lw=0)
    elif (series.lo or series.x_lo) and len(x) <= _FEW:
        look = {"fmt": "none", "ecolor": series.colour, "alpha": 0.45, "lw": 1}
        axes.errorbar(x, y, _ends(y, series.lo, series.hi), _ends(x, series.x_lo, series.x_hi), **look)
    hollow = bool(series.doubtful) and all(series.doubtful)
    size = {"*": 15.0}.get(series.marker, 6.0 if len(x) <= _FEW else 2.5)
    style: Any = {"marker": series.marker, "ms": size, "color": series.colour, "label": label, "lw": 1.8}
    style |= {"ls": ("--" if series.dashed else "-") if series.kind == "line" else ""}
    style |= {"mfc": "none"} if hollow else {"mec": "#1c1d1f" if series.marker == "*" else series.colour}
    axes.plot(x, y, alpha=1.0 if len(x) <= _FEW else 0.5, zorder=5 if series.marker == "*" else 3, **style)


def _paired(xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """Without places that one of both lacks."""
    kept = [(x, y) for x, y in zip(xs, ys, strict=True) if x == x and y == y]  # noqa: PLR0124 -- not a number
    return [x for x, _ in kept], [y for _, y in kept]


def _clean(values: tuple[Number, ...]) -> list[float]:
    return [_NAN if value is None else float(value) for value in values]


def _ends(middle: list[float], low: tuple[Number, ...], high: tuple[Number, ...]) -> Any:
    """Lengths below and above, for matplotlib; none where there are none."""
    if not low or not high or all(value is None for value in low):
        return None
    below = [max(m - v, 0.0) for m, v in zip(middle, _clean(low), strict=True)]
    above = [max(v - m, 0.0) for m, v in zip(middle, _clean(high), strict=True)]
    return [below, above]


def _bound(axes: "Axes", bound: BoundLine) -> None:
    look: Any = {"color": _BOUND_COLOUR, "lw": 1.2, "ls": "--", "label": bound.label, "zorder": 1}
    if bound.axis == "x":
        axes.axvline(bound.value, **look)
    elif bound.axis == "y":
        axes.axhline(bound.value, **look)
    else:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        ends = [max(left, bottom), min(right, top)]
        axes.plot(ends, ends, **look)


def _heat(axes: "Axes", heat: HeatMap) -> None:
    known = [value for line in heat.values for value in line if value is not None]
    for row, line in enumerate(heat.values):
        for column, value in enumerate(line):
            shade = shade_of(value, known)
            if shade is None or value is None:
                continue
            left, right, top, bottom = column - 0.48, column + 0.48, row - 0.46, row + 0.46
            axes.fill([left, right, right, left], [top, top, bottom, bottom], color=SHADES[shade], lw=0)
            mark = heat.marks[row][column] if heat.marks else ""
            ink = "black" if shade >= LIGHT_FROM else "white"
            axes.text(column, row, f"{value:,.3g}{mark}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(heat.x.categories)), list(heat.x.categories))
    axes.set_yticks(range(len(heat.y.categories)), list(heat.y.categories))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set(xlabel=heat.x.label, ylabel=heat.y.label)


def _drawing(drawing: Drawing) -> "Canvas":
    canvas, axes = new_figure(7.2, 2.4)
    axes.set_axis_off()
    axes.set_title(f"{drawing.title}: {drawing.entry}", loc="left", fontweight="bold")
    for place, pool in enumerate(drawing.pools):
        axes.text(place, 0.5, _words(pool), ha="center", va="center", bbox={"fc": "#eef6f2", "ec": "#0a9a73"})
    if drawing.link:
        axes.annotate(drawing.link, (0.68, 0.5), (0.3, 0.5), va="center", arrowprops={"arrowstyle": "->"})
    axes.set(xlim=(-0.6, len(drawing.pools) - 0.4), ylim=(0, 1))
    return canvas


def _words(pool: DrawnPool) -> str:
    nodes = f", {pool.nodes} nodes" if pool.nodes > 1 else ""
    return f"{pool.role}\n{pool.engines} \u00d7 {pool.label}\n{gpus(pool.gpus)} each{nodes}"
