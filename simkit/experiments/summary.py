"""A small table of the answer: the best point of each group, beside the named baselines."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from simkit.core.errors import InputError
from simkit.experiments.columns import PREFIX, SAID, column_of
from simkit.experiments.conditions import missing, parse_condition
from simkit.experiments.document import Experiment, result_names
from simkit.reports.pages import Page, Section

if TYPE_CHECKING:
    import pandas as pd


def summary_table(experiment: Experiment, frame: "pd.DataFrame") -> "pd.DataFrame":
    """One row for each group that has any point; groups where nothing holds have empty figures."""
    import pandas as pd

    report, do = experiment.document.report, experiment.do
    if report is None:
        raise InputError(f"{experiment.source}: has no `report`; add one that says `by` and `best`")
    by = [column_of(name, do) for name in report.by]
    best, show = column_of(report.best, do), [column_of(name, do) for name in report.show]
    usable = frame["error"].to_numpy() == ""
    if report.where is not None:
        usable &= parse_condition(report.where, result_names(do)).holds(frame)
    sign = -1.0 if report.least else 1.0
    rows: list[dict[str, Any]] = []
    for _, group in frame.assign(_usable=usable).groupby(by, sort=False, dropna=False):
        row: dict[str, Any] = {name: group.iloc[0][name] for name in by}
        values = np.where(group["_usable"], group[best].to_numpy(dtype=np.float64) * sign, np.nan)
        if np.isfinite(values).any():
            chosen = group.iloc[int(np.nanargmax(values))]
            row |= {name: chosen[name] for name in (best, *show) if name not in row}
        rows.append({**row, "points": len(group)})
    columns = list(dict.fromkeys([*by, best, *show]))
    table = pd.DataFrame(rows, columns=[*columns, "points"])
    table = _in_order(table, by)
    for name, baseline in experiment.baselines.items():
        table[f"over {name}"] = _over(table, by, best, baseline)
    return table


def _in_order(table: "pd.DataFrame", by: list[str]) -> "pd.DataFrame":
    """Groups next to each other that share their first columns; values in the order in which they came."""
    places = {name: {value: place for place, value in enumerate(table[name].unique())} for name in by}
    return table.sort_values(by, key=lambda column: column.map(places[str(column.name)]), ignore_index=True)


def _over(table: "pd.DataFrame", by: list[str], best: str, baseline: Mapping[str, Any]) -> np.ndarray:
    """Each row's figure over that of the baseline with the same other groups; empty where there is none."""
    others = [name for name in by if name not in baseline]
    at = np.logical_and.reduce([(table[name] == value).to_numpy() for name, value in baseline.items()])
    base = {tuple(row[name] for name in others): row[best] for _, row in table[at].iterrows()}
    own = [base.get(tuple(row[name] for name in others), np.nan) for _, row in table.iterrows()]
    ratio: np.ndarray = table[best].to_numpy(dtype=np.float64) / np.array(own, dtype=np.float64)
    return ratio


def summary_markdown(experiment: Experiment, table: "pd.DataFrame", made_by: str) -> str:
    """The table as a page that says what was asked and how to make it again."""
    document = experiment.document
    head = _heads(table)
    lines = [
        f"Made again by `{made_by}`.", "", f"# {document.question}", "",
        _words(experiment), "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in table.itertuples(index=False)),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def summary_page(experiment: Experiment, table: "pd.DataFrame") -> Page:
    """The same for a terminal."""
    report = experiment.document.report
    rows = tuple(tuple(_cell(value) for value in row) for row in table.itertuples(index=False))
    words = len(report.by) if report else 1
    section = Section(title=_words(experiment), heads=_heads(table), rows=rows, words=words)
    return Page(title="experiment", verdict=experiment.document.question, sections=(section,))


def _heads(table: "pd.DataFrame") -> tuple[str, ...]:
    """Columns without who says so, which the page says once."""
    return tuple(_bare(str(name)) for name in table.columns)


def _bare(name: str) -> str:
    for prefix in set(PREFIX.values()):
        name = name.removeprefix(prefix)
    return name


def _words(experiment: Experiment) -> str:
    report, said = experiment.document.report, SAID[experiment.do]
    if report is None:
        return said
    rule = f"the {'lowest' if report.least else 'highest'} `{report.best}`"
    only = f" where `{report.where}`" if report.where else ""
    sla = ", ".join(f"{name} {bound}" for name, bound in experiment.document.sla.stated().items())
    asked = f" The SLA: {sla}." if sla else ""
    best = f"Each row is the point with {rule} of its group{only}"
    end = "." if experiment.do == "benchmark" else "; nothing was measured."
    return f"Every point is {said}.{asked} {best}{end}"


def _cell(value: Any) -> str:
    if bool(missing(value)):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
