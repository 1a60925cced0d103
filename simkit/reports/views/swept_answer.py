"""The answer of a sweep: what it compares, by how much one differs from the other, and where.

Everything here is drawn from the sweep's own summary, one row for each group, so that figures, sentence and
table are the same numbers.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.reports.charts.model import Axis, Chart, Figure, HeatMap, Series
from simkit.reports.labels import count, number
from simkit.reports.views.looks import words
from simkit.reports.views.swept_points import NUMERIC, axis_label, look_of, whole_label

_MOST_CHARTS = 6
_MOST_VALUES = 4
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptAnswer:
    """The best point of each group: rows with the axes in `by`, and the figure `best` (None: nothing holds).

    compared: the axis that a baseline names, and its value there; empty without one. label: what the figure
    is called. asked: what a point must keep to count, in words. least: lower is better.
    """

    by: tuple[str, ...]
    best: str
    label: str
    rows: tuple[Row, ...]
    compared: str = ""
    baseline: Any = None
    asked: str = ""
    least: bool = False

    def values(self, name: str) -> list[Any]:
        """Values of an axis, numbers by size."""
        found = list(dict.fromkeys(row[name] for row in self.rows))
        return sorted(found) if name in NUMERIC else found

    @property
    def others(self) -> tuple[str, ...]:
        """Axes with several values besides the one compared."""
        return tuple(name for name in self.by if name != self.compared and len(self.values(name)) > 1)


def answer_words(answer: SweptAnswer) -> str:
    """The figure of each value compared over the baseline's, in all groups; without one, its spread."""
    known = [row for row in answer.rows if row[answer.best] is not None]
    if not known:
        return f"Nowhere does a point count{_asked(answer)}"
    ratios = _ratios(answer) if answer.compared else {}
    if not ratios:
        return f"{_spread(answer, known)}{_nowhere(answer, known)}"
    told = [_ratio_words(answer, value, found) for value, found in list(ratios.items())[:_MOST_VALUES]]
    more = len(ratios) - len(told)
    rest = f" ({count(more)} more in the table)" if more > 0 else ""
    base = words(answer.baseline) if isinstance(answer.baseline, str) else _named(answer, answer.baseline)
    return f"{whole_label(answer.label)} over {base}: {'; '.join(told)}{rest}{_nowhere(answer, known)}"


def _named(answer: SweptAnswer, value: Any) -> str:
    return f"{axis_label(answer.compared)} {words(value)}"


def _ratios(answer: SweptAnswer) -> dict[Any, list[tuple[float, Row]]]:
    """By value compared: its figure over the baseline's, and where, for groups that have both."""
    places = [name for name in answer.by if name != answer.compared]
    base = {
        tuple(row[name] for name in places): row[answer.best]
        for row in answer.rows
        if row[answer.compared] == answer.baseline
    }
    found: dict[Any, list[tuple[float, Row]]] = {}
    for row in answer.rows:
        own, other = row[answer.best], base.get(tuple(row[name] for name in places))
        if row[answer.compared] != answer.baseline and own is not None and other:
            found.setdefault(row[answer.compared], []).append((own / other, row))
    return found


def _ratio_words(answer: SweptAnswer, value: Any, found: Sequence[tuple[float, Row]]) -> str:
    low, high = min(found, key=lambda one: one[0]), max(found, key=lambda one: one[0])
    name = words(value) if isinstance(value, str) else _named(answer, value)
    if len(found) == 1 or high[0] / low[0] < 1.005:
        return f"{name} \u00d7{number(low[0])}"
    middle = statistics.median(one[0] for one in found)
    return (
        f"{name} \u00d7{number(low[0])} ({_place(answer, low[1])}) to \u00d7{number(high[0])} "
        f"({_place(answer, high[1])}), median \u00d7{number(middle)}"
    )


def _place(answer: SweptAnswer, row: Row) -> str:
    return ", ".join(f"{axis_label(name)} {_short(row[name])}" for name in answer.others)


def _short(value: Any) -> str:
    """A value in words, a model without its publisher."""
    return words(value).rpartition("/")[2]


def _spread(answer: SweptAnswer, known: Sequence[Row]) -> str:
    figures = [row[answer.best] for row in known]
    low, high = min(figures), max(figures)
    if len(figures) == 1:
        return f"{whole_label(answer.label)}: {words(low)}"
    middle = statistics.median(figures)
    spread = f"{words(low)} to {words(high)}, half of {count(len(figures))} groups up to {words(middle)}"
    return f"{whole_label(answer.label)}: {spread}"


def _asked(answer: SweptAnswer) -> str:
    return f" that keeps {answer.asked}" if answer.asked else ""


def _nowhere(answer: SweptAnswer, known: Sequence[Row]) -> str:
    """How many groups have no figure."""
    missing = len(answer.rows) - len(known)
    if not missing:
        return ""
    return f". In {count(missing)} of {count(len(answer.rows))} groups no point counts{_asked(answer)}"


# --- figures --------------------------------------------------------------------------------------


def answer_figures(answer: SweptAnswer) -> list[Figure]:
    """Lines along the longest axis of numbers, one for each value compared; else a heat map."""
    numeric = [name for name in answer.others if name in NUMERIC]
    if not numeric:
        heat: list[Figure] = [_heat(answer)]
        return heat if len(answer.rows) > 1 else []
    along = max(numeric, key=lambda name: len(answer.values(name)))
    lines = answer.compared or next((name for name in answer.others if name != along), "")
    apart = [name for name in answer.others if name not in (along, lines)]
    facets = itertools.product(*(answer.values(name) for name in apart))
    charts = [_lines(answer, (along, lines), dict(zip(apart, facet, strict=True))) for facet in facets]
    found: list[Figure] = [chart for chart in charts if chart is not None]
    return found[:_MOST_CHARTS]


def _lines(answer: SweptAnswer, axes: tuple[str, str], facet: Mapping[str, Any]) -> Chart | None:
    along, lines = axes
    chosen = [row for row in answer.rows if all(row[name] == value for name, value in facet.items())]
    series = []
    for place, value in enumerate(answer.values(lines) if lines else [None]):
        rows = [row for row in chosen if row[answer.best] is not None and (not lines or row[lines] == value)]
        rows.sort(key=lambda row: row[along])
        label, colour = look_of(lines, value, place)
        if rows:
            series.append(_series(answer, rows, (along, label, colour, place)))
    if not series:
        return None
    where = ", ".join(f"{axis_label(name)} {words(value)}" for name, value in facet.items())
    xs, ys = [x for one in series for x in one.x if x], [y for one in series for y in one.y if y]
    title = f"{whole_label(answer.label)} against {axis_label(along)}{f': {where}' if where else ''}"
    return Chart(
        name="_".join(["answer", along, *(str(value) for value in facet.values())]).replace("/", "-"),
        title=title,
        alt=f"{title}, {len(series)} lines.",
        x=Axis(label=axis_label(along), log=_wide(xs)),
        y=_figure_axis(answer, ys),
        series=tuple(series),
        note=f"Each point is the best of its group{_asked(answer)}. Hollow points are extrapolated.",
    )


def _figure_axis(answer: SweptAnswer, values: Sequence[float]) -> Axis:
    wide = _wide(values)
    return Axis(label=answer.label, log=wide, from_zero=not wide, best="down" if answer.least else "up")


def _series(answer: SweptAnswer, rows: Sequence[Row], look: tuple[str, str, str, int]) -> Series:
    along, label, colour, place = look
    return Series(
        label=label,
        kind="line",
        x=tuple(row[along] for row in rows),
        y=tuple(row[answer.best] for row in rows),
        colour=colour,
        marker=("o", "^", "s", "D")[place % 4],
        names=tuple(_row_name(answer, row) for row in rows),
        doubtful=tuple(row.get("in_domain") is False for row in rows),
        group=label,
    )


def _row_name(answer: SweptAnswer, row: Row) -> str:
    axes = ", ".join(f"{axis_label(name)} {words(row[name])}" for name in answer.by)
    shown = [f"{axis_label(name)} {words(value)}" for name, value in row.items() if name not in answer.by]
    return "\n".join([axes, *shown])


def _wide(values: Sequence[float]) -> bool:
    return bool(values) and max(values) > 8 * min(values) > 0


def _heat(answer: SweptAnswer) -> HeatMap:
    """What is compared across, every other combination down."""
    across = answer.compared or answer.by[-1]
    down = [name for name in answer.by if name != across]
    columns = answer.values(across)
    rows = list(dict.fromkeys(tuple(row[name] for name in down) for row in answer.rows))
    at = {(row[across], tuple(row[name] for name in down)): row for row in answer.rows}
    cells = [[at.get((column, line)) for column in columns] for line in rows]
    return HeatMap(
        name=f"answer_{across}",
        title=f"{whole_label(answer.label)} by {axis_label(across)}",
        alt=f"{answer.label} for {len(rows)} by {len(columns)} groups.",
        x=Axis(label=axis_label(across), categories=tuple(words(value) for value in columns)),
        y=Axis(label="", categories=tuple(", ".join(_short(value) for value in line) for line in rows)),
        unit=answer.label,
        values=tuple(tuple(cell[answer.best] if cell else None for cell in line) for line in cells),
        marks=tuple(
            tuple("~" if cell and cell.get("in_domain") is False else "" for cell in line) for line in cells
        ),
        note=f"Each cell is the best point of its group{_asked(answer)}; empty where there is none. "
        "~ is extrapolated.",
    )
