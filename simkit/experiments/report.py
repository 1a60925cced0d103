"""What is said of experiments and runs: status, lists, summaries, the dataset in one file."""

from pathlib import Path
from typing import Any

from simkit.core.errors import InputError, SimkitError
from simkit.core.words import counted
from simkit.experiments.beside.imported import IMPORT, read_import
from simkit.experiments.document import Experiment, read_experiment
from simkit.experiments.runner import Expected, Progress, count_points, missing_points
from simkit.experiments.store import (
    EXPERIMENT,
    RUN,
    RunFolder,
    is_running,
    pace,
    part_files,
    read_dataset,
    read_run,
    stored_points,
)
from simkit.experiments.summary import summary_markdown, summary_page, summary_table
from simkit.io.yamlio import write_text_atomic
from simkit.reports.pages import Page, Section

SUMMARY = "summary"
_MOST_REASONS = 5


def status_document(folder: RunFolder) -> dict[str, Any]:
    """Points finished, failed and missing, whether a runner is at work, and the commonest reasons."""
    experiment, known = read_run(folder)
    reasons: dict[str, int] = {}
    if part_files(folder):
        errors = read_dataset(folder, ["error"])["error"]
        found = errors[(errors != "").to_numpy()].value_counts().head(_MOST_REASONS)
        reasons = {str(reason): int(count) for reason, count in found.items()}
    return {
        "folder": str(folder.path), "question": known["question"], "do": known["do"],
        "running": is_running(folder), **counts_of(experiment, folder), "reasons": reasons,
        "versions": known["versions"],
    }  # fmt: skip


def counts_of(experiment: Experiment, folder: RunFolder) -> dict[str, Any]:
    """Points finished, failed and missing, points a second, and seconds until the run is done.

    Of a refined run the points missing are those of the round that is being asked.
    """
    (finished, failed), missing = stored_points(folder), missing_points(experiment, folder)
    per_s = pace(folder)
    refined = experiment.document.refine is not None
    return {
        "points": finished + missing, "finished": finished, "failed": failed, "missing": missing,
        "grid_points": count_points(experiment), "refined": refined, "points_per_s": per_s,
        "seconds_left": missing / per_s if per_s and not refined else None,
    }  # fmt: skip


def status_page(document: dict[str, Any]) -> Page:
    """The same on a page."""
    counts = [(name, f"{document[name]:,}") for name in ("points", "finished", "failed", "missing")]
    if document["refined"]:
        counts[0] = ("points asked for so far", counts[0][1])
        counts.append(("points of the whole grid", f"{document['grid_points']:,}"))
    if document["running"]:
        counts += [(name, words) for name, words in _pace_words(document)]
    reasons = tuple(f"{count:,} x {reason}" for reason, count in document["reasons"].items())
    verdict = "running" if document["running"] else "complete" if not document["missing"] else "incomplete"
    sections = [Section(title=document["question"], heads=("", ""), rows=tuple(counts))]
    if reasons:
        sections.append(Section(title="Without a result", lines=reasons))
    return Page(title=document["folder"], verdict=verdict, sections=tuple(sections))


def _pace_words(document: dict[str, Any]) -> list[tuple[str, str]]:
    per_s, left = document["points_per_s"], document["seconds_left"]
    rate = [("points a second", f"{per_s:,.1f}")] if per_s else []
    return rate + ([("time left", duration_words(left))] if left is not None else [])


def duration_words(seconds: float) -> str:
    """40 s, 12 min or 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def progress_words(step: Progress, total: int | None) -> str:
    """One line on a run that is at work."""
    left = step.left_s(total)
    parts = [
        f"{step.passed:,}{f' of {total:,}' if total is not None else ''} points",
        f"{step.per_s:,.1f} a second" if step.per_s else "",
        f"{step.failed:,} without a result" if step.failed else "",
        f"{duration_words(left)} left" if left is not None else "",
        f"{step.money:.2f} spent" if step.money is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def closing_words(document: dict[str, Any], folder: RunFolder, stopped: str = "") -> str:
    """One line on a run that ended."""
    failed = (
        f", {document['failed']:,} without a result (column `error` says why)" if document["failed"] else ""
    )
    more = (
        f"; the budget of {stopped} is spent, {document['missing']:,} are missing: "
        f"simkit experiment resume {folder.path} goes on"
        if stopped
        else ""
    )
    return f"{counted(document['finished'], 'point')} in {folder.path}{failed}{more}"


def listing(folder: Path) -> list[dict[str, Any]]:
    """Experiments (files) and runs (folders) below a folder. Raises InputError where it is none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds experiments or runs")
    places = [path.parent for path in sorted(folder.rglob(RUN)) if (path.parent / EXPERIMENT).is_file()]
    runs = [RunFolder(path=path) for path in places]  # a measured run has a file of the same name
    found = [_listed_run(run) for run in runs]
    found += [_listed_import(path.parent) for path in sorted(folder.rglob(IMPORT))]
    for path in sorted(folder.rglob("*.yaml")):
        if not any(run.path in path.parents for run in runs):
            found += _listed_file(path)
    return found


def _listed_run(folder: RunFolder) -> dict[str, Any]:
    status = status_document(folder)
    state = f"{status['finished']:,} of {counted(status['points'], 'point')}"
    return {"kind": "run", "path": str(folder.path), "question": status["question"], "state": state}


def _listed_import(folder: Path) -> dict[str, Any]:
    table = read_import(folder)
    tools = ", ".join(sorted(set(table.loc[table["file"].notna(), "source"])))
    state = counted(int(table["file"].notna().sum()), "point")
    return {"kind": "import", "path": str(folder), "question": f"results of {tools}", "state": state}


def _listed_file(path: Path) -> list[dict[str, Any]]:
    try:
        found = read_experiment(path)
    except SimkitError:
        return []  # another kind of document
    state = counted(count_points(found), "point")
    return [{"kind": "experiment", "path": str(path), "question": found.document.question, "state": state}]


def listing_page(folder: str, found: list[dict[str, Any]]) -> Page:
    """The list on a page."""
    rows = tuple((item["path"], item["question"], item["state"]) for item in found)
    section = Section(title="Experiments and runs", heads=("path", "question", "state"), rows=rows, words=3)
    return Page(title=folder, verdict=f"{len(found)} found", sections=(section,) if rows else ())


def write_summary(experiment: Experiment, folder: RunFolder) -> Page | None:
    """summary.csv and summary.md of a finished run, where its file asks for them; the same for a terminal."""
    from simkit.catalog.runs import write_table

    if experiment.document.report is None or not part_files(folder):
        return None
    table = summary_table(experiment, read_dataset(folder))
    text = summary_markdown(experiment, table, f"simkit experiment run {experiment.source} -o DIR")
    write_table(table, folder.path / f"{SUMMARY}.csv")
    write_text_atomic(folder.path / f"{SUMMARY}.md", text)
    return summary_page(experiment, table)


def expected_document(found: Expected) -> dict[str, Any]:
    """What a run would take, as JSON."""
    return {
        "points": found.points,
        "seconds": found.seconds,
        "bytes": found.size_bytes,
        "sample": found.sample,
        "refined": found.refined,
    }


def expected_words(found: Expected) -> str:
    """The same in a line."""
    if found.seconds is None or found.size_bytes is None:
        return f"{counted(found.points, 'point')} to measure; how long one takes is not known before"
    minutes = f"{found.seconds:,.1f} s" if found.seconds < 120 else f"{found.seconds / 60:,.0f} min"
    most = "at most " if found.refined else ""
    return (
        f"{most}{counted(found.points, 'point')}; {most}about {minutes} for one worker on this machine and "
        f"{found.size_bytes / 1e6:,.2f} MB (from {found.sample:,} of them, evaluated now)"
    )
