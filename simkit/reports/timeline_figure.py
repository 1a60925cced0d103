"""A run over time: requests in flight, rates and time to first token."""

from typing import TYPE_CHECKING, Any

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.reports.figures import figure_style
from simkit.sim.cluster import Samples
from simkit.sim.results.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STACK = (("decoding", "#0a9a73"), ("prefilling", "#e69f00"), ("queued", "#d55e00"))
_MOST_POINTS = 200  # more would be noise at this width
_LINE: Any = {"color": "#2b84c2", "lw": 1.2}


def timeline_figure(timeline: Timeline, samples: Samples | None = None) -> "Figure":
    """Panels over the same time: what requests do, output tokens per second, TTFT, the cache if sampled."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 3 if samples is None else 4
    with figure_style():
        figure = Figure(figsize=(7.6, 2.0 * panels), layout="constrained")
        FigureCanvasAgg(figure)
        top, middle, bottom, *rest = figure.subplots(panels, sharex=True)
        _draw_requests(top, middle, timeline)
        figure.legend(loc="outside upper center", fontsize=9, frameon=False, ncols=3)
        sent = ~np.isnan(timeline.ttft_s)
        bottom.plot(timeline.time_s[sent], timeline.ttft_s[sent], ".", ms=3.5, color=_LINE["color"])
        bottom.set(ylabel="mean TTFT [s]\nby time of sending")
        if samples is not None:
            _draw_cache(rest[0], timeline, samples)
        for axes in figure.axes:
            axes.set_ylim(bottom=0)
        figure.axes[-1].set_xlabel("time [s]")
    return figure


def _draw_requests(flight: "Axes", rate: "Axes", timeline: Timeline) -> None:
    """What requests do, one on the other, and output tokens per second."""
    every = max(1, -(-len(timeline.queued) // _MOST_POINTS))
    time_s = timeline.time_s[::every]
    layers = [_averaged(getattr(timeline, name), every) for name, _ in _STACK]
    look: Any = {"labels": [name for name, _ in _STACK], "colors": [colour for _, colour in _STACK]}
    flight.stackplot(time_s, *layers, step="post", lw=0, alpha=0.85, **look)
    flight.set(ylabel="requests in flight")
    rate.step(time_s, _averaged(timeline.output_tokens_per_s, every), where="post", **_LINE)
    rate.set(ylabel="output tokens/s")
    for axes in (flight, rate):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def _draw_cache(axes: "Axes", timeline: Timeline, samples: Samples) -> None:
    """Shares of the KV cache: of sequences, and of prefixes that no sequence uses at the moment."""
    shares = [timeline.held(samples.time_s, values) for values in (samples.used_frac, samples.idle_frac)]
    look: Any = {"labels": ["sequences", "idle prefixes"], "colors": ["#2b84c2", "#b9d6ea"]}
    axes.stackplot(timeline.time_s, *map(np.nan_to_num, shares), step="post", lw=0, **look)
    axes.set(ylabel="KV cache")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="upper right", fontsize=8, ncols=2)


def _averaged(values: FloatArray, every: int) -> FloatArray:
    """Means of `every` neighbours; the last group may be smaller."""
    starts = np.arange(0, len(values), every)
    sums = np.add.reduceat(values, starts)
    return np.asarray(sums / np.diff([*starts, len(values)]), dtype=np.float64)
