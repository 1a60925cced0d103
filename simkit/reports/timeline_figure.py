"""A run over time: requests in flight, rates and time to first token."""

from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.reports.figures import figure_style
from simkit.sim.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STACK = (("decoding", "#0a9a73"), ("prefilling", "#e69f00"), ("queued", "#d55e00"))
_MOST_POINTS = 200  # more would be noise at this width
_LINE: Any = {"color": "#2b84c2", "lw": 1.2}


def timeline_figure(timeline: Timeline) -> "Figure":
    """Three panels over the same time: what requests do, output tokens per second, mean TTFT."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    every = max(1, -(-len(timeline.queued) // _MOST_POINTS))
    time_s = timeline.time_s[::every]
    with figure_style():
        figure = Figure(figsize=(7.6, 6.0), layout="constrained")
        FigureCanvasAgg(figure)
        top, middle, bottom = figure.subplots(3, sharex=True)
        layers = [_averaged(getattr(timeline, name), every) for name, _ in _STACK]
        look: Any = {"labels": [name for name, _ in _STACK], "colors": [colour for _, colour in _STACK]}
        top.stackplot(time_s, *layers, step="post", lw=0, alpha=0.85, **look)
        top.set(ylabel="requests in flight")
        figure.legend(loc="outside upper center", fontsize=9, frameon=False, ncols=3)
        middle.step(time_s, _averaged(timeline.output_tokens_per_s, every), where="post", **_LINE)
        middle.set(ylabel="output tokens/s")
        middle.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        sent = ~np.isnan(timeline.ttft_s)
        bottom.plot(timeline.time_s[sent], timeline.ttft_s[sent], ".", ms=3.5, color=_LINE["color"])
        bottom.set(ylabel="mean TTFT [s]\nby time of sending", xlabel="time [s]")
        for axes in (top, middle, bottom):
            axes.set_ylim(bottom=0)
    return figure


def _averaged(values: FloatArray, every: int) -> FloatArray:
    """Means of `every` neighbours; the last group may be smaller."""
    starts = np.arange(0, len(values), every)
    sums = np.add.reduceat(values, starts)
    return np.asarray(sums / np.diff([*starts, len(values)]), dtype=np.float64)
