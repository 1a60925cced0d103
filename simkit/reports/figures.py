"""Figures with matplotlib, drawn without pyplot: no global state, no window system.

Matplotlib is imported inside the functions; `import simkit` stays light. Texts are drawn as they are
(parse_math off): names with $ or _ must not become formulas.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.engines.registry import engine_names, engine_spec
from simkit.reports.labels import engine_name, layout_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# As the engines' own: one of Okabe and Ito's hues, in a tone that reads on white and on near-black.
_OTHER_COLOUR = "#b5679c"
_MODE_MARKERS = {"agg": "o", "disagg": "^"}
INK = "#1c1d1f"  # replaced by currentColor in SVG, so that a page sets it
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
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


def pareto_figure(doc: Mapping[str, Any]) -> "Figure":
    """Output tokens/s per GPU against tokens/s per user: candidates, the front, the selected one.

    doc is a recommendation's document.
    """
    with figure_style():
        figure, axes = new_figure(7.2, 4.3)
        for backend, mode in dict.fromkeys((c["backend"], c["mode"]) for c in doc["candidates"]):
            chosen = [c for c in doc["candidates"] if (c["backend"], c["mode"]) == (backend, mode)]
            label = f"{engine_name(backend)} {mode}"
            look: dict[str, Any] = {
                "color": colour_of(backend),
                "marker": _MODE_MARKERS[mode],
                "label": label,
            }
            axes.scatter(*_user_and_gpu(chosen), s=40, alpha=0.9, linewidths=0, zorder=3, **look)
        front = sorted(zip(*_user_and_gpu(doc["pareto"]), strict=True))
        if front:
            line: dict[str, Any] = {"color": INK, "lw": 1, "alpha": 0.6, "marker": ".", "ms": 5}
            axes.step(*zip(*front, strict=True), where="pre", label="Pareto front", **line)
        _mark_selected(axes, doc["selected"])
        if doc["knee"]:
            look = {"marker": "D", "s": 60, "facecolors": "none", "edgecolors": INK, "label": "knee"}
            axes.scatter(*_user_and_gpu([doc["knee"]]), zorder=4, **look)
        _mark_itl_bound(axes, doc["request"]["sla"]["itl_ms"])
        axes.set(xlabel="tokens/s per user (1/ITL)", ylabel="output tokens/s per GPU")
        axes.margins(x=0.05, y=0.12)  # the selected point's name stands above it
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_below(figure, columns=4)
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
    return re.sub(INK, "currentColor", text)


def png_bytes(fig: "Figure") -> bytes:
    """The figure as PNG: same figure, same bytes."""
    stream = io.BytesIO()
    with figure_style():
        fig.savefig(stream, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


# --- parts ----------------------------------------------------------------------------------------


def figure_style() -> Any:
    """Context in which all figures are drawn and written."""
    from matplotlib import rc_context

    return rc_context(_STYLE)


def new_figure(width_in: float, height_in: float) -> "tuple[Figure, Axes]":
    """A figure with one pair of axes, for `figure_style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def colour_of(backend: str) -> str:
    """An engine's colour in all figures."""
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
            "edgecolor": INK,
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


def legend_below(figure: "Figure", columns: int) -> None:
    """One legend for the whole figure, under it."""
    figure.legend(loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
