"""Figures of predicted against measured, for the reports of experiments."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simkit.reports.figures import INK, figure_style, legend_below, new_figure, png_bytes
from simkit.reports.labels import engine_name, partition_label, percent
from simkit.reports.views.looks import colour_of

_METRICS = {"ttft": "TTFT", "itl": "ITL"}
_BAND = 0.3  # the shaded +-30 % around predicted = measured


def predicted_measured_figure(frame: pd.DataFrame, metric: str) -> Figure:
    """Predicted against measured mean TTFT or ITL (`metric`: "ttft" or "itl"), on logarithmic axes."""
    names = (f"{metric}_ms_mean", f"predicted_{metric}_ms_mean")
    kept = frame[(frame[names[0]] > 0) & (frame[names[1]] > 0)]
    error = (kept[names[1]] / kept[names[0]] - 1).abs().median()
    with figure_style():
        figure, axes = new_figure(5.6, 5.4)
        for backend, rows in kept.groupby("backend", sort=True):
            label = f"{engine_name(str(backend))} ({len(rows):,})"
            points: dict[str, Any] = {"s": 13, "alpha": 0.45, "linewidths": 0, "zorder": 3}
            axes.scatter(rows[names[0]], rows[names[1]], color=colour_of(str(backend)), label=label, **points)
        _diagonal(axes, kept[[*names]].to_numpy())
        title = f"{_METRICS[metric]}: n = {len(kept):,}, median error {percent(error)}"
        label = f"mean {_METRICS[metric]} [ms]"
        axes.set(title=title, xlabel=f"measured {label}", ylabel=f"predicted {label}")
        axes.legend(loc="upper left", fontsize=9, frameon=False)
    return figure


def error_bars_figure(doc: Mapping[str, Any], title: str = "") -> Figure:
    """Median absolute error of TTFT and ITL by partition, from an evaluation document."""
    found = sorted(doc["by"], key=lambda item: natural_order(partition_label(item["partition"])))
    labels = [f"{partition_label(item['partition'])}  (n = {item['rows']:,})" for item in found]
    with figure_style():
        figure, axes = new_figure(7.2, 1.5 + 0.5 * max(1, len(found)))
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
        legend_below(figure, columns=2)
    return figure


def reliability_figure(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Share of measurements inside intervals against the share they promise, a line per name."""
    with figure_style():
        figure, axes = new_figure(5.8, 5.2)
        axes.plot([0.45, 1], [0.45, 1], color=INK, lw=1, label="honest")
        for name, points in curves.items():
            dashed = "--" if name.startswith("ITL") else "-"
            axes.plot(*zip(*points, strict=True), dashed, marker=".", lw=1.3, label=name, zorder=3)
        axes.set(xlabel="interval promises", ylabel="interval held", xlim=(0.45, 1), ylim=(0.45, 1))
        axes.legend(loc="lower right", fontsize=9, frameon=False)
    return figure


def worst_operators_figure(points: pd.DataFrame) -> Figure:
    """Operator times with the largest errors: columns cell (family first), measured_us, predicted_us."""
    with figure_style():
        figure, axes = new_figure(6.4, 6.0)
        families = points["cell"].str.split("/").str[0]
        for family, rows in points.groupby(families, sort=True):
            axes.scatter(rows["measured_us"], rows["predicted_us"], s=26, label=str(family), zorder=3)
        _diagonal(axes, points[["measured_us", "predicted_us"]].to_numpy())
        axes.set(title=f"The worst {len(points)} points", xlabel="measured [us]", ylabel="predicted [us]")
        axes.legend(loc="upper left", fontsize=9, frameon=False)
    return figure


def figure_png(fig: Figure, path: Path) -> None:
    """Write the figure as PNG; a reader sees the old file or the new one, never half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(png_bytes(fig))
    part.replace(path)


def natural_order(text: str) -> list[tuple[bool, int, str]]:
    """Sort key under which c9 comes before C10."""
    parts = re.findall(r"\d+|\D+", text.lower())
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _diagonal(axes: Axes, values: np.ndarray) -> None:
    low, high = (values.min() / 1.3, values.max() * 1.3) if values.size else (1.0, 10.0)
    ends = np.array([low, high])
    axes.fill_between(
        ends, (1 - _BAND) * ends, (1 + _BAND) * ends, color="#8a8f98", alpha=0.18, lw=0, label="\u00b130%"
    )
    axes.plot(ends, ends, color=INK, lw=1, label="predicted = measured")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")


def _bar_label(error: float) -> str:
    return "" if np.isnan(error) else f"{error:.1f}%"


def _percentage(frac: float | None) -> float:
    return float("nan") if frac is None else 100 * frac
