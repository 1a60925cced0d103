"""Errors of operator models as Markdown, tables and a figure."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from error_figures import figure_png, worst_operators_figure

from simkit.reports.labels import MISSING, count, percent

MEDIAN_GOAL, P90_GOAL = 0.05, 0.20
_WORST = 40

_HEADS = (
    "GPU", "format", "models", "rows", "left out: median", "p90", "interpolated: median", "p90",
    "within 5 % / 20 %",
)  # fmt: skip

_READING = """\
Every model is scored on shapes left out of its fit: a fifth of the shapes (weights of a product, heads of an
attention, sizes of a mixture of experts, sizes of a message), each with all its rows. *Interpolated* is
log-log linear interpolation of the remaining table rows at the same points, in the same coordinates. A line
gathers all models of one GPU and number format over engines, and kernels; its figures are medians of the
models' medians and 90th percentiles, weighted by rows. *Within* counts models that meet both goals.
Interpolation, transfer and worst points were computed for at most 60 models of a family, evenly chosen."""

_TRANSFER = """\
Each model's rows predicted as if its GPU had no tables at all: the nearest relative's efficiency, scaled by
the speeds of light (perfmodels/op_times/learned.py). Median and 90th percentile of the absolute error,
medians over models. GPUs with a near twin (H100 and H200, B200 and GB200) are easy; A100, L40S and B60
have none."""


def write_operator_report(
    out: Path, tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], write: Callable[[Path, str], object]
) -> None:
    """README.md, scores.csv, transfer.csv, worst.csv and worst.png below `out`, from those three tables."""
    scores, transfer, worst = tables
    out.mkdir(parents=True, exist_ok=True)
    worst = _worst(worst)
    for name, table in (("scores", scores), ("transfer", transfer), ("worst", worst)):
        write(out / f"{name}.csv", table.to_csv(index=False, float_format="%.5g"))
    figure_png(worst_operators_figure(worst), out / "worst.png")
    write(out / "README.md", operator_markdown(scores, transfer, worst))


def operator_markdown(scores: pd.DataFrame, transfer: pd.DataFrame, worst: pd.DataFrame) -> str:
    """The report's text."""
    parts = [
        "<!-- Regenerate with: python experiments/operators/report.py <systems/data> -->",
        "# Operator models against measured tables",
        _summary(scores),
        _overview(scores),
        _READING,
        *(_family_section(name, part) for name, part in scores.groupby("family", sort=False)),
        "## A GPU without tables",
        _TRANSFER,
        _transfer_table(transfer),
        "## Worst points",
        "![Worst points: predicted against measured](worst.png)",
        _worst_table(worst),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(scores: pd.DataFrame) -> str:
    scored = scores[scores["held_out_median"].notna()]
    good = _meets(scored)
    lines = [
        f"- {count(len(scores))} models from {count(int(scores['rows'].sum()))} measured rows, "
        f"{count(int(scores['knots'].sum()))} knots in all.",
        f"- {count(int(good.sum()))} of {count(len(scored))} meet both goals on shapes left out (median at "
        f"most 5 %, 90th percentile at most 20 %); weighted by rows {percent(_share(scored, good))}. "
        f"{count(len(scores) - len(scored))} have fewer than five shapes and are not scored.",
        f"- Left out of every fit: {count(int(scores['launch_bound_rows'].sum()))} rows that timed the "
        f"host's launches and {count(int(scores['cached_rows'].sum()))} that were faster than memory allows.",
    ]
    return "\n".join(lines)


def _overview(scores: pd.DataFrame) -> str:
    """One line per family."""
    lines = [_scores_line((name,), part) for name, part in scores.groupby("family", sort=False)]
    return _table(("family", *_HEADS[2:]), lines)


def _meets(scores: pd.DataFrame) -> pd.Series:
    return (scores["held_out_median"] <= MEDIAN_GOAL) & (scores["held_out_p90"] <= P90_GOAL)


def _share(scores: pd.DataFrame, good: pd.Series) -> float:
    return float(scores.loc[good, "rows"].sum() / max(scores["rows"].sum(), 1))


def _family_section(name: object, part: pd.DataFrame) -> str:
    named = part.assign(format=part["variant"].str.split("[/:]", n=1, regex=True).str[0])
    lines = [_scores_line(keys, rows) for keys, rows in named.groupby(["gpu", "format"])]
    return f"## {name}\n\n{_table(_HEADS, lines)}"


def _scores_line(keys: Any, rows: pd.DataFrame) -> list[str]:
    scored = rows[rows["held_out_median"].notna()]
    figures = ("held_out_median", "held_out_p90", "interpolated_median", "interpolated_p90")
    shown = [percent(_median_of(scored, name)) for name in figures]
    shown = shown if len(scored) else [MISSING] * len(figures)
    within = f"{int(_meets(scored).sum())} of {len(scored)}"
    return [*map(str, keys), str(len(rows)), count(int(rows["rows"].sum())), *shown, within]


def _median_of(scored: pd.DataFrame, name: str) -> float:
    known = scored[scored[name].notna()]
    return weighted_median(known[name], known["rows"])


def weighted_median(values: pd.Series, weights: pd.Series) -> float:
    """The value below which half of the weight lies."""
    if not len(values):
        return float("nan")
    order = np.argsort(values.to_numpy())
    total = np.cumsum(weights.to_numpy()[order])
    return float(values.to_numpy()[order][np.searchsorted(total, total[-1] / 2.0)])


def _transfer_table(transfer: pd.DataFrame) -> str:
    found = transfer[transfer["rows"] > 0]
    gpus = sorted(found["gpu"].unique())
    lines = []
    for name, part in found.groupby("family", sort=False):
        cells = []
        for gpu in gpus:
            mine = part[part["gpu"] == gpu]
            text = f"{percent(mine['median'].median())} / {percent(mine['p90'].median())}"
            cells.append(text if len(mine) else MISSING)
        lines.append([str(name), *cells])
    return _table(("family", *gpus), lines)


def _worst(worst: pd.DataFrame) -> pd.DataFrame:
    ratio = np.abs(np.log(worst["predicted_us"] / worst["measured_us"]))
    return worst.assign(ratio=ratio).nlargest(_WORST, "ratio").drop(columns="ratio").reset_index(drop=True)


def _worst_table(worst: pd.DataFrame) -> str:
    lines = [
        [row["cell"], row["sizes"], f"{row['measured_us']:.4g}", f"{row['predicted_us']:.4g}"]
        for row in worst.to_dict("records")
    ]
    return _table(("model", "sizes", "measured [us]", "predicted [us]"), lines)


def _table(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
