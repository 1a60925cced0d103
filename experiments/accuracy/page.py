"""How well predictions meet measured serving runs: Markdown with figures, from a table and its evaluations.

The table has one row per run: the serving_runs columns with predicted_* beside the measured ones. The
evaluations are `simkit evaluate` documents by title ("Engine", "GPU", ...).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from error_figures import error_bars_figure, figure_png, natural_order, predicted_measured_figure

from perfmodels.parallel import ParallelPlan
from simkit.reports.labels import MISSING, count, engine_name, number, partition_label, percent
from simkit.reports.templating import markdown_text

REGENERATE = "make reports"

_WORST = 20
_METRICS = ("ttft", "itl")
_BIN_ENDS = (1, 4, 16, 64, 256, 1024)
_FIGURES = {"ttft": "ttft.png", "itl": "itl.png"}

_HEADS = (
    "n", "TTFT median", "mean", "p90", "bias", "rank", "in 90%",
    "ITL median", "mean", "p90", "bias", "rank", "in 90%", "tok/s/GPU median",
)  # fmt: skip

_READING = """\
Errors are predicted/measured - 1, of the mean TTFT, the mean ITL and the output tokens/s per GPU of a run.
*median*, *mean* and *p90* are of the absolute error; *bias* is the median with its sign (negative: predicted
too fast); *rank* is Spearman's correlation of predicted with measured; *in 90%* is the share of
measurements inside the predicted 90 % interval, 90 % when the intervals are honest."""


def accuracy_markdown(
    frame: pd.DataFrame, evaluation_docs: Mapping[str, Mapping[str, Any]], notes: Sequence[str] = ()
) -> str:
    """The report's text. `notes` say how the predictions were made (left-out groups, data, versions)."""
    covered = _covered(frame)
    parts = [
        f"<!-- Regenerate with: {REGENERATE} -->",
        "# Accuracy against measured serving runs",
        f"{count(len(covered))} of {count(len(frame))} runs predicted.{_failures(frame)}",
        *("\n".join(f"- {markdown_text(note)}" for note in group) for group in (notes,) if group),
        _READING,
        "![Predicted against measured TTFT](ttft.png)",
        "![Predicted against measured ITL](itl.png)",
        *(_section(title, doc) for title, doc in evaluation_docs.items()),
        _worst_section(covered),
    ]
    return "\n\n".join(parts) + "\n"


def write_accuracy_report(
    frame: pd.DataFrame,
    docs: Mapping[str, Mapping[str, Any]],
    out_dir: Path,
    write: Callable[[Path, str], None],
    notes: Sequence[str] = (),
) -> None:
    """README.md and its figures in `out_dir`; `write` writes a text atomically."""
    out_dir.mkdir(parents=True, exist_ok=True)
    covered = _covered(frame)
    for metric, name in _FIGURES.items():
        figure_png(predicted_measured_figure(covered, metric), out_dir / name)
    for title, doc in docs.items():
        if _has_figure(doc):
            figure_png(error_bars_figure(doc, _by(title)), out_dir / _figure_name(title))
    write(out_dir / "README.md", accuracy_markdown(frame, docs, notes))


def concurrency_bins(concurrency: "pd.Series[float]") -> "pd.Series[str]":
    """A label per run for an evaluation by load: 1, 2-4, 5-16, 17-64, 65-256, 257-1024, 1025+."""
    lows = [1, *(end + 1 for end in _BIN_ENDS[:-1])]
    names = [str(high) if low == high else f"{low}-{high}" for low, high in zip(lows, _BIN_ENDS, strict=True)]
    names.append(f"{_BIN_ENDS[-1] + 1}+")
    index = np.searchsorted(np.array(_BIN_ENDS), concurrency.to_numpy(dtype=float), side="left")
    return pd.Series([names[i] for i in index], index=concurrency.index, name="concurrency")


def worst_rows(frame: pd.DataFrame, num_rows: int = _WORST) -> pd.DataFrame:
    """The rows whose TTFT or ITL is furthest off, as a ratio either way, worst first."""
    ratios = [frame[f"predicted_{metric}_ms_mean"] / frame[f"{metric}_ms_mean"] for metric in _METRICS]
    distance = np.maximum(*(np.abs(np.log(ratio.to_numpy(dtype=float))) for ratio in ratios))
    return frame.iloc[np.argsort(-distance, kind="stable")[:num_rows]]


# --- parts ----------------------------------------------------------------------------------------


def _covered(frame: pd.DataFrame) -> pd.DataFrame:
    predicted = [f"predicted_{metric}_ms_mean" for metric in _METRICS]
    return frame[frame[predicted].notna().all(axis=1)]


def _failures(frame: pd.DataFrame) -> str:
    """The commonest reasons why rows were not predicted."""
    if "error" not in frame:
        return ""
    reasons = frame.loc[~frame.index.isin(_covered(frame).index), "error"].value_counts()
    named = [
        f"{markdown_text(str(reason))} ({count(number_of)})" for reason, number_of in reasons[:5].items()
    ]
    return f" The others: {'; '.join(named)}." if named else ""


def _section(title: str, doc: Mapping[str, Any]) -> str:
    keys = markdown_text(", ".join(doc["by"][0]["partition"]) if doc["by"] else "")
    found = sorted(doc["by"], key=lambda item: natural_order(partition_label(item["partition"])))
    rows = [[markdown_text(partition_label(item["partition"])), *_errors(item)] for item in found]
    image = f"\n\n![{_by(title)}]({_figure_name(title)})" if _has_figure(doc) else ""
    return f"## {title}\n\n{_table([keys, *_HEADS], rows)}{image}"


def _errors(item: Mapping[str, Any]) -> list[str]:
    cells = [count(item["rows"])]
    for metric in _METRICS:
        found = item.get(metric) or {}
        cells += [percent(found.get(name)) for name in ("mdape", "mape", "p90")]
        cells += [percent(found.get("bias"), signed=True), _rank(found.get("rank"))]
        cells.append(percent((item.get("coverage90") or {}).get(metric)))
    return [*cells, percent((item.get("output_tokens_per_s_per_gpu") or {}).get("mdape"))]


def _rank(value: float | None) -> str:
    return MISSING if value is None or np.isnan(value) else f"{value:.2f}"


def _worst_section(covered: pd.DataFrame) -> str:
    heads = ["run", "model", "GPU", "engine", "layout", "ISL/OSL", "concurrency", "TTFT ms", "ITL ms"]
    rows = [_worst_cells(row) for _, row in worst_rows(covered).iterrows()]
    title = f"## The {len(rows)} runs furthest off"
    return f"{title}\n\nLatencies are measured \u2192 predicted means.\n\n{_table(heads, rows, left=6)}"


def _worst_cells(row: "pd.Series[Any]") -> list[str]:
    lengths = f"{count(row['isl_tokens'])}/{count(row['osl_tokens'])}"
    latencies = [
        f"{number(float(row[f'{metric}_ms_mean']))} \u2192 "
        f"{number(float(row[f'predicted_{metric}_ms_mean']))} ({_error(row, metric)})"
        for metric in _METRICS
    ]
    names = [markdown_text(str(row[name])) for name in ("run_id", "model", "gpu")]
    return [
        *names,
        engine_name(str(row["backend"])),
        _layout(row),
        lengths,
        count(row["concurrency"]),
        *latencies,
    ]


def _error(row: "pd.Series[Any]", metric: str) -> str:
    return percent(row[f"predicted_{metric}_ms_mean"] / row[f"{metric}_ms_mean"] - 1, signed=True)


def _layout(row: "pd.Series[Any]") -> str:
    if row["mode"] == "agg":
        return _plan(row, "")
    prefill, decode = (f"{count(row[f'{role}_workers'])}" for role in ("prefill", "decode"))
    return f"{prefill}P {_plan(row, 'prefill_')} + {decode}D {_plan(row, 'decode_')}"


def _plan(row: "pd.Series[Any]", prefix: str) -> str:
    sizes = {name: row[f"{prefix}{name}"] for name in ("tp", "pp", "attn_dp", "moe_tp", "ep")}
    return ParallelPlan(**{name: int(size) for name, size in sizes.items() if pd.notna(size)}).label


def _has_figure(doc: Mapping[str, Any]) -> bool:
    """A figure of one bar says nothing, one of forty nothing readable."""
    return 2 <= len(doc["by"]) <= 40


def _by(title: str) -> str:
    return f"Error by {title if title.isupper() else title.lower()}"


def _figure_name(title: str) -> str:
    letters = "".join(letter if letter.isalnum() else "_" for letter in title.lower())
    return f"error_by_{letters}.png"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text."""
    rules = ["---" if index < left else "---:" for index in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows))
