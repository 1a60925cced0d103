"""What figures by matplotlib share, drawn without pyplot: no global state, no window system.

Matplotlib is imported inside the functions; `import simkit` stays light. Texts are drawn as they are
(parse_math off): names with $ or _ must not become formulas.
"""

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


def legend_below(figure: "Figure", columns: int) -> None:
    """One legend for the whole figure, under it."""
    figure.legend(loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
