"""Figures with matplotlib, drawn without pyplot: no global state, no window system.

Matplotlib is imported inside the functions; `import simkit` stays light. Texts are drawn as they are
(parse_math off): names with $ or _ must not become formulas.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.engines.registry import engine_names, engine_spec
from simkit.reports.labels import engine_name, layout_label, natural_order, partition_label, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# As the engines' own: one of Okabe and Ito's hues, in a tone that reads on white and on near-black.
_OTHER_COLOUR = "#b5679c"
_MODE_MARKERS = {"agg": "o", "disagg": "^"}
_METRICS = {"ttft": "TTFT", "itl": "ITL"}
_BAND = 0.3  # the shaded +-30 % around predicted = measured
_INK = "#1c1d1f"  # replaced by currentColor in SVG, so that a page sets it
_STYLE: Any = {  # matplotlib types its keys as literals, which a spread dict cannot meet
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "simkit",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}


def pareto_figure(doc: Mapping[str, Any]) -> "Figure":
    """Output tokens/s per GPU against tokens/s per user: candidates, the front, the selected one.

    doc is a recommendation's document.
    """
    with figure_style():
        figure, axes = _new_figure(7.2, 4.3)
        for backend, mode in dict.fromkeys((c["backend"], c["mode"]) for c in doc["candidates"]):
            chosen = [c for c in doc["candidates"] if (c["backend"], c["mode"]) == (backend, mode)]
            label = f"{engine_name(backend)} {mode}"
            look: dict[str, Any] = {"color": _colour(backend), "marker": _MODE_MARKERS[mode], "label": label}
            axes.scatter(*_user_and_gpu(chosen), s=40, alpha=0.9, linewidths=0, zorder=3, **look)
        front = sorted(zip(*_user_and_gpu(doc["pareto"]), strict=True))
        if front:
            line: dict[str, Any] = {"color": _INK, "lw": 1, "alpha": 0.6, "marker": ".", "ms": 5}
            axes.step(*zip(*front, strict=True), where="pre", label="Pareto front", **line)
        _mark_selected(axes, doc["selected"])
        if doc["knee"]:
            look = {"marker": "D", "s": 60, "facecolors": "none", "edgecolors": _INK, "label": "knee"}
            axes.scatter(*_user_and_gpu([doc["knee"]]), zorder=4, **look)
        _mark_itl_bound(axes, doc["request"]["sla"]["itl_ms"])
        axes.set(xlabel="tokens/s per user (1/ITL)", ylabel="output tokens/s per GPU")
        axes.margins(x=0.05, y=0.12)  # the selected point's name stands above it
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        _legend_below(figure, columns=4)
    return figure


def predicted_measured_figure(frame: "pd.DataFrame", metric: str) -> "Figure":
    """Predicted against measured mean TTFT or ITL (`metric`: "ttft" or "itl"), on logarithmic axes."""
    names = (f"{metric}_ms_mean", f"predicted_{metric}_ms_mean")
    kept = frame[(frame[names[0]] > 0) & (frame[names[1]] > 0)]
    error = (kept[names[1]] / kept[names[0]] - 1).abs().median()
    with figure_style():
        figure, axes = _new_figure(5.6, 5.4)
        for backend, rows in kept.groupby("backend", sort=True):
            label = f"{engine_name(str(backend))} ({len(rows):,})"
            points: dict[str, Any] = {"s": 13, "alpha": 0.45, "linewidths": 0, "zorder": 3}
            axes.scatter(rows[names[0]], rows[names[1]], color=_colour(str(backend)), label=label, **points)
        _diagonal(axes, kept[[*names]].to_numpy())
        title = f"{_METRICS[metric]}: n = {len(kept):,}, median error {percent(error)}"
        label = f"mean {_METRICS[metric]} [ms]"
        axes.set(title=title, xlabel=f"measured {label}", ylabel=f"predicted {label}")
        axes.legend(loc="upper left", fontsize=9, frameon=False)
    return figure


def worst_operators_figure(points: "pd.DataFrame") -> "Figure":
    """Operator times with the largest errors: columns cell (family first), measured_us, predicted_us."""
    with figure_style():
        figure, axes = _new_figure(6.4, 6.0)
        families = points["cell"].str.split("/").str[0]
        for family, rows in points.groupby(families, sort=True):
            axes.scatter(rows["measured_us"], rows["predicted_us"], s=26, label=str(family), zorder=3)
        _diagonal(axes, points[["measured_us", "predicted_us"]].to_numpy())
        axes.set(title=f"The worst {len(points)} points", xlabel="measured [us]", ylabel="predicted [us]")
        axes.legend(loc="upper left", fontsize=9, frameon=False)
    return figure


def error_bars_figure(doc: Mapping[str, Any], title: str = "") -> "Figure":
    """Median absolute error of TTFT and ITL by partition, from an evaluation document."""
    found = sorted(doc["by"], key=lambda item: natural_order(partition_label(item["partition"])))
    labels = [f"{partition_label(item['partition'])}  (n = {item['rows']:,})" for item in found]
    with figure_style():
        figure, axes = _new_figure(7.2, 1.5 + 0.5 * max(1, len(found)))
        for shift, (metric, colour) in ((-0.19, ("ttft", "#2b84c2")), (0.19, ("itl", "#e69f00"))):
            errors = [_percentage(item[metric]["mdape"]) for item in found]
            bars = axes.barh(
                np.arange(len(found)) + shift, errors, 0.34, color=colour, label=_METRICS[metric]
            )
            axes.bar_label(bars, [_bar_label(error) for error in errors], padding=3, fontsize=8.5)
        axes.set_yticks(np.arange(len(found)), labels)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="median |predicted/measured \u2212 1| [%]", title=title)
        axes.margins(x=0.15)
        _legend_below(figure, columns=2)
    return figure


def reliability_figure(curves: Mapping[str, Sequence[tuple[float, float]]]) -> "Figure":
    """Share of measurements inside intervals against the share they promise, a line per name."""
    with figure_style():
        figure, axes = _new_figure(5.8, 5.2)
        axes.plot([0.45, 1], [0.45, 1], color=_INK, lw=1, label="honest")
        for name, points in curves.items():
            dashed = "--" if name.startswith("ITL") else "-"
            axes.plot(*zip(*points, strict=True), dashed, marker=".", lw=1.3, label=name, zorder=3)
        axes.set(xlabel="interval promises", ylabel="interval held", xlim=(0.45, 1), ylim=(0.45, 1))
        axes.legend(loc="lower right", fontsize=9, frameon=False)
    return figure


def figure_svg(fig: "Figure") -> str:
    """The figure as an <svg> element to paste into a page: same figure, same bytes.

    Texts stay text; the page's own colour shows where the figure has its ink.
    """
    stream = io.StringIO()
    blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with figure_style():
        fig.savefig(stream, format="svg", metadata=blank, transparent=True)
    text = stream.getvalue()
    text = text[text.index("<svg") :]  # without XML declaration and DOCTYPE
    return re.sub(_INK, "currentColor", text)


def png_bytes(fig: "Figure") -> bytes:
    """The figure as PNG: same figure, same bytes."""
    stream = io.BytesIO()
    with figure_style():
        fig.savefig(stream, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def figure_png(fig: "Figure", path: Path) -> None:
    """Write the figure as PNG; a reader sees the old file or the new one, never half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(png_bytes(fig))
    part.replace(path)


# --- parts ----------------------------------------------------------------------------------------


def figure_style() -> Any:
    """Context in which all figures are drawn and written."""
    from matplotlib import rc_context

    return rc_context(_STYLE)


def _new_figure(width_in: float, height_in: float) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _colour(backend: str) -> str:
    return engine_spec(backend).colour if backend in engine_names() else _OTHER_COLOUR


def _user_and_gpu(candidates: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    kept = [c for c in candidates if c["tokens_per_s_per_user"] and c["output_tokens_per_s_per_gpu"]]
    return (
        [c["tokens_per_s_per_user"] for c in kept],
        [c["output_tokens_per_s_per_gpu"] for c in kept],
    )


def _mark_selected(axes: "Axes", selected: Mapping[str, Any] | None) -> None:
    xs, ys = _user_and_gpu([selected] if selected else [])
    for x, y in zip(xs, ys, strict=True):
        look: dict[str, Any] = {
            "marker": "*",
            "s": 210,
            "facecolor": "#f0c419",
            "edgecolor": _INK,
            "linewidth": 0.9,
        }
        axes.scatter([x], [y], label="selected", zorder=5, **look)
        end = axes.get_xlim()[1]  # near it the name stands left of the point
        place: dict[str, Any] = {"xytext": (9, 8)} if x < 0.7 * end else {"xytext": (-9, 8), "ha": "right"}
        place |= {"textcoords": "offset points", "fontweight": "bold", "zorder": 6}
        axes.annotate(layout_label(selected or {}), (x, y), **place)


def _mark_itl_bound(axes: "Axes", itl_ms: float | None) -> None:
    """A slower user than 1/ITL bound misses the SLA: left of the line."""
    if itl_ms:
        label = f"ITL bound {itl_ms:g} ms"
        axes.axvline(1000 / itl_ms, color="#cc3366", lw=1.2, ls="--", label=label, zorder=1)


def _diagonal(axes: "Axes", values: np.ndarray) -> None:
    low, high = (values.min() / 1.3, values.max() * 1.3) if values.size else (1.0, 10.0)
    ends = np.array([low, high])
    axes.fill_between(
        ends, (1 - _BAND) * ends, (1 + _BAND) * ends, color="#8a8f98", alpha=0.18, lw=0, label="\u00b130%"
    )
    axes.plot(ends, ends, color=_INK, lw=1, label="predicted = measured")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")


def _legend_below(figure: "Figure", columns: int) -> None:
    figure.legend(loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def _bar_label(error: float) -> str:
    return "" if np.isnan(error) else f"{error:.1f}%"


def _percentage(frac: float | None) -> float:
    return float("nan") if frac is None else 100 * frac
