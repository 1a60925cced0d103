"""The report of a sweep from its folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.core.errors import InputError
from simkit.experiments.columns import AXES, PREFIX, SAID, SIZES, column_of
from simkit.experiments.document import Experiment
from simkit.experiments.store import RunFolder, read_dataset, read_run
from simkit.experiments.summary import summary_page, summary_table
from simkit.reports.pages import Page, Section
from simkit.reports.views.experiment import experiment_page
from simkit.reports.views.swept_answer import SweptAnswer
from simkit.reports.views.swept_points import SweptPoints, axis_label

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = (
    "ttft_ms_mean", "ttft_ms_lo", "ttft_ms_hi", "itl_ms_mean", "itl_ms_lo", "itl_ms_hi",
    "tokens_per_s_per_user", "output_tokens_per_s_per_gpu",
)  # fmt: skip


def sweep_report(path: Path) -> Page:
    """The page of a run's folder."""
    folder = RunFolder(path=path)
    experiment, known = read_run(folder)
    provenance = tuple(
        f"{name}: {value}" for name, value in {**known["versions"], "seed": known["seed"]}.items()
    )
    return sweep_page(experiment, read_dataset(folder), provenance)


def sweep_page(experiment: Experiment, frame: "pd.DataFrame", provenance: tuple[str, ...] = ()) -> Page:
    """The page of an experiment from its dataset."""
    swept = swept_points(experiment, frame, provenance)
    if experiment.document.report is None:
        return experiment_page(swept, None)
    table = summary_table(experiment, frame)
    found = summary_page(experiment, table).sections[0]
    summary = Section(
        title="The best of each group",
        hint=found.title.replace("`", ""),
        heads=tuple(axis_label(name) for name in found.heads),
        rows=found.rows,
        words=found.words,
    )
    return experiment_page(swept, summary, swept_answer(experiment, table))


def swept_answer(experiment: Experiment, table: "pd.DataFrame") -> SweptAnswer | None:
    """The best of each group as an answer; a baseline that names one axis of the groups is compared with."""
    report, prefix = experiment.document.report, PREFIX[experiment.do]
    if report is None:
        return None
    columns = [name for name in table.columns if name != "points" and not str(name).startswith("over ")]
    rows = [
        dict(zip([str(name).removeprefix(prefix) for name in columns], values, strict=True))
        for values in zip(*(_plain(table[name]) for name in columns), strict=True)
    ]
    bases = [item for item in experiment.baselines.values() if len(item) == 1 and {*item} <= {*report.by}]
    compared, baseline = next(iter(bases[0].items())) if bases else ("", None)
    best = report.best.removeprefix(prefix)
    return SweptAnswer(
        by=tuple(name.removeprefix(prefix) for name in report.by),
        best=best,
        label=axis_label(best),
        rows=tuple(rows),
        compared=compared,
        baseline=baseline,
        asked=asked_words(report.where),
        least=report.least,
    )


def asked_words(where: str | None) -> str:
    """A condition as a reader knows it."""
    if where is None:
        return ""
    return {"meets_sla": "the SLA", "sla_probability >= 0.8": "the SLA with P ≥ 80%"}.get(where, where)


def swept_points(experiment: Experiment, frame: "pd.DataFrame", provenance: tuple[str, ...]) -> SweptPoints:
    """The finished points by column. Raises InputError where none has a result."""
    do, report = experiment.do, experiment.document.report
    prefix = PREFIX[do]
    usable = frame[frame["error"] == ""]
    if usable.empty:
        raise InputError(f"{experiment.source}: no point has a result; column `error` says why")
    best = column_of(report.best, do) if report else f"{prefix}output_tokens_per_s_per_gpu"
    varied = tuple(name for name in AXES if name in usable and usable[name].nunique(dropna=True) > 1)
    varied = tuple(
        name for name in varied if not name.startswith("sla_") and not _implied(usable, name, varied)
    )
    names = [
        *varied,
        best,
        *(f"{prefix}{name}" for name in _NEEDED),
        "sla_probability",
        "meets_sla",
        "in_domain",
    ]
    needed = (best, *(f"{prefix}{name}" for name in _NEEDED))
    lacking = next((name for name in needed if name not in usable), None)
    if lacking:
        raise InputError(f"{experiment.source}: its points lack column {lacking}; run it in a new folder")
    reasons = frame.loc[frame["error"] != "", "error"].value_counts().head(8)
    return SweptPoints(
        question=experiment.document.question,
        said=f"Every point is {SAID[do]}; nothing was measured.",
        columns={name: _plain(usable[name]) for name in dict.fromkeys(names) if name in usable},
        prefix=prefix,
        varied=varied,
        best=best,
        least=bool(report and report.least),
        command=f"simkit experiment run {experiment.source} -o DIR && simkit report DIR",
        bounds=_bounds(experiment, usable),
        failed={str(reason): int(number) for reason, number in reasons.items()},
        provenance=provenance,
    )  # fmt: skip


def _implied(frame: "pd.DataFrame", name: str, varied: tuple[str, ...]) -> bool:
    """Whether the plan says it already."""
    if "plan" not in varied or name != "num_gpus":
        return "plan" in varied and name in SIZES
    return bool((frame.groupby("plan")[name].nunique() <= 1).all())


def _bounds(experiment: Experiment, frame: "pd.DataFrame") -> dict[str, float]:
    """Bounds that are the same for every point."""
    found = {}
    for name in experiment.document.sla.stated():
        values: Any = frame[f"sla_{name}"].dropna().unique() if f"sla_{name}" in frame else []
        if len(values) == 1:
            found[name] = float(values[0])
    return found


def _plain(column: "pd.Series[Any]") -> list[Any]:
    """Values in Python's own types, None where there is none."""
    return column.astype(object).where(column.notna(), None).tolist()
