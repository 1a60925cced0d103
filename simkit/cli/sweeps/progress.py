"""Progress of a run on standard error: a bar on a terminal, lines at intervals elsewhere."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from simkit.cli.output import remark
from simkit.experiments.report import progress_words
from simkit.experiments.runner import Progress as Step


def followed(steps: Iterable[Step], total: int | None) -> Step:
    """Run the steps to their end with a bar, the rate, failures and the time left; the last step."""
    columns = (TextColumn("points"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    step = Step(passed=0, kept=0, failed=0)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("points", total=total, told="")
        for step in steps:
            bar.update(task, completed=step.passed, told=progress_words(step, total))
    return step


def told(steps: Iterable[Step], total: int | None, every_s: float | None) -> Step:
    """Run the steps to their end with a line every so many seconds, None for none; the last step."""
    step, last = Step(passed=0, kept=0, failed=0), time.monotonic()
    for step in steps:
        if every_s is not None and time.monotonic() - last >= every_s:
            last = time.monotonic()
            remark(progress_words(step, total), quiet=False)
    return step
