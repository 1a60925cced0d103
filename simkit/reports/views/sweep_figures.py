"""Figures of a sweep: every point, lines along an axis, heat maps over two."""

from collections.abc import Sequence
from typing import Any

from simkit.reports.charts.model import Axis, BoundLine, Chart, Figure, HeatMap, Number, Series
from simkit.reports.labels import count, number
from simkit.reports.views.looks import words
from simkit.reports.views.swept_points import (
    NUMERIC,
    SweptPoints,
    groups_of,
    label_of,
    look_of,
    point_name,
    values_of,
)

_MOST_OFFERED = 5
_FULL_LINE = 100  # the same along a line
_FULL_NAMES = 2_000  # points up to which each says all of itself


def plane_chart(swept: SweptPoints, best: int | None) -> Chart:
    """Every point: speed for a user against output per GPU."""
    user, gpu = f"{swept.prefix}tokens_per_s_per_user", f"{swept.prefix}output_tokens_per_s_per_gpu"
    name, values = groups_of(swept)
    whole = swept.size <= _FULL_NAMES
    offered = _offered(swept)
    series = []
    for place, value in enumerate(values):
        chosen = [i for i in range(swept.size) if not name or swept.columns[name][i] == value]
        label, colour = look_of(name, value, place)
        series.append(
            Series(
                label=label,
                x=tuple(swept.columns[user][i] for i in chosen),
                y=tuple(swept.columns[gpu][i] for i in chosen),
                colour=colour,
                marker=("o", "^", "s", "D")[place % 4],
                names=tuple(point_name(swept, i, whole=whole) for i in chosen),
                doubtful=_doubtful(swept, chosen),
                extra=tuple(tuple(swept.columns[n][i] for i in chosen) for n in offered),
                group=label,
            )
        )
    if best is not None:
        spot = (swept.columns[user][best],), (swept.columns[gpu][best],)
        series.append(
            Series(
                label="best",
                x=spot[0],
                y=spot[1],
                marker="*",
                colour="#f0c419",
                names=(point_name(swept, best),),
                extra=tuple((swept.columns[n][best],) for n in offered),
            )
        )
    itl = swept.bounds.get("itl_ms")
    bounds = (
        (BoundLine(label=f"slower misses ITL \u2264 {number(itl)} ms", value=1e3 / itl, axis="x"),)
        if itl
        else ()
    )
    return Chart(
        name="points",
        title="Speed for one user against output per GPU",
        alt=f"{count(swept.size)} points: output tokens per second per GPU over tokens per second per user.",
        x=Axis(label="tokens/s per user (1/ITL)", from_zero=True, best="up"),
        y=Axis(label="output tokens/s per GPU", from_zero=True, best="up"),
        series=tuple(series),
        choices=tuple(label_of(swept, n) for n in offered),
        bounds=bounds,
        note="Hollow points are extrapolated.",
    )


def _offered(swept: SweptPoints) -> list[str]:
    """Other columns of numbers that may stand on an axis."""
    results = [f"{swept.prefix}{name}" for name in ("ttft_ms_mean", "itl_ms_mean")]
    wanted = dict.fromkeys([swept.best, *results, *(n for n in swept.varied if n in NUMERIC)])
    own = (f"{swept.prefix}tokens_per_s_per_user", f"{swept.prefix}output_tokens_per_s_per_gpu")
    return [name for name in wanted if name not in own and _known(swept, name)][:_MOST_OFFERED]


def _doubtful(swept: SweptPoints, chosen: Sequence[int]) -> tuple[bool, ...]:
    inside = swept.columns.get("in_domain", ())
    return tuple(not inside[i] for i in chosen) if inside else ()


def line_charts(swept: SweptPoints) -> list[Chart]:
    """The best metric, TTFT and ITL along the numeric axis with most values, one line for each group."""
    numeric = [n for n in swept.varied if n in NUMERIC and n != "repeat"]
    if not numeric:
        return []
    along = max(numeric, key=lambda n: len(values_of(swept, n)))
    metrics = [swept.best, f"{swept.prefix}ttft_ms_mean", f"{swept.prefix}itl_ms_mean"]
    shown = (metric for metric in dict.fromkeys(metrics) if _known(swept, metric) and metric != along)
    return [_line(swept, along, metric) for metric in shown]


def _known(swept: SweptPoints, metric: str) -> bool:
    return any(isinstance(value, int | float) for value in swept.columns.get(metric, ()))


def _line(swept: SweptPoints, along: str, metric: str) -> Chart:
    name, values = groups_of(swept, without=(along,))
    short = metric.removeprefix(swept.prefix)
    least = short.endswith("_ms_mean") or (metric == swept.best and swept.least)
    series = []
    for place, value in enumerate(values):
        chosen = [i for i in range(swept.size) if not name or swept.columns[name][i] == value]
        at = _best_of_each(swept, chosen, along, (metric, least))
        label, colour = look_of(name, value, place)
        ends = [_ends(swept, at, metric, end) for end in ("lo", "hi")]
        series.append(
            Series(
                label=label,
                kind="line",
                x=tuple(swept.columns[along][i] for i in at),
                y=tuple(swept.columns[metric][i] for i in at),
                lo=ends[0],
                hi=ends[1],
                band=len(values) == 1,
                colour=colour,
                marker=("o", "^", "s", "D")[place % 4],
                names=tuple(point_name(swept, i, whole=len(at) <= _FULL_LINE) for i in at),
                doubtful=_doubtful(swept, at),
                group=label,
            )
        )
    label = label_of(swept, metric)
    bound = swept.bounds.get(short.removesuffix("_mean"))
    lines = (BoundLine(label=f"SLA \u2264 {number(bound)} ms", value=bound),) if bound else ()
    spread = max(values_of(swept, along)) / max(min(values_of(swept, along)), 1e-9)
    chosen_by = "the lowest" if least else "the highest"
    return Chart(
        name=f"{short}_by_{along}",
        title=f"{label} against {label_of(swept, along)}",
        alt=f"{label} against {label_of(swept, along)}, {len(values)} lines.",
        x=Axis(label=label_of(swept, along), log=spread > 8),
        y=Axis(label=label, log=short.endswith("_ms_mean"), from_zero=not short.endswith("_ms_mean"),
               best="down" if least else "up"),
        series=tuple(series),
        bounds=lines,
        note=f"Each point is {chosen_by} of all that share its place, within the SLA or not: a line "
        f"may join different settings.{' Bars are 90 % intervals.' if any(one.lo for one in series) else ''}",
    )  # fmt: skip


def _ends(swept: SweptPoints, at: Sequence[int], metric: str, end: str) -> tuple[Number, ...]:
    column = swept.columns.get(f"{metric.removesuffix('_mean')}_{end}") if metric.endswith("_mean") else None
    return tuple(column[i] for i in at) if column is not None else ()


def _best_of_each(
    swept: SweptPoints, chosen: Sequence[int], along: str, metric: tuple[str, bool]
) -> list[int]:
    """One point for each value of an axis, in its order."""
    name, least = metric
    values = swept.columns[name]
    best: dict[Any, int] = {}
    for i in chosen:
        place, value = swept.columns[along][i], values[i]
        if place is None or value is None:
            continue
        held = best.get(place)
        if held is None or (value < values[held] if least else value > values[held]):
            best[place] = i
    return [best[place] for place in sorted(best)]


_PAIRS = (
    ("osl_tokens", "isl_tokens"), ("concurrency", "plan"), ("concurrency", "tp"),
    ("request_rate_per_s", "plan"),
    ("num_gpus", "plan"), ("isl_tokens", "plan"), ("gpu", "model"), ("backend", "gpu"), ("backend", "model"),
    ("concurrency", "gpu"), ("mode", "isl_tokens"),
)  # fmt: skip
_MOST_CELLS = 14


def heat_maps(swept: SweptPoints) -> list[Figure]:
    """The best metric over pairs of axes: lengths, parallelism and load, GPUs and models."""
    found: list[Figure] = []
    for x, y in _PAIRS:
        if x in swept.varied and y in swept.varied and swept.best not in (x, y):
            found.append(_heat(swept, x, y))
    return found[:4]


def _heat(swept: SweptPoints, x: str, y: str) -> HeatMap:
    columns, rows = values_of(swept, x)[:_MOST_CELLS], values_of(swept, y)[:_MOST_CELLS]
    best: dict[tuple[Any, Any], int] = {}
    values = swept.columns[swept.best]
    for i in range(swept.size):
        key = (swept.columns[x][i], swept.columns[y][i])
        held, value = best.get(key), values[i]
        if value is None:
            continue
        if held is None or (value < values[held] if swept.least else value > values[held]):
            best[key] = i
    inside = swept.columns.get("in_domain", ())
    cells = [[best.get((column, row)) for column in columns] for row in rows]
    label = label_of(swept, swept.best)
    return HeatMap(
        name=f"heat_{x}_{y}",
        title=f"{label}: {label_of(swept, y)} \u00d7 {label_of(swept, x)}",
        alt=f"{label} for {label_of(swept, y)} ({len(rows)}) by {label_of(swept, x)} ({len(columns)}).",
        x=Axis(label=label_of(swept, x), categories=tuple(words(value) for value in columns)),
        y=Axis(label=label_of(swept, y), categories=tuple(words(value) for value in rows)),
        unit=label,
        values=tuple(tuple(None if i is None else values[i] for i in line) for line in cells),
        marks=tuple(
            tuple("~" if i is not None and inside and not inside[i] else "" for i in line) for line in cells
        ),
        note="Each cell is the best point of its pair; ~ is extrapolated.",
    )
