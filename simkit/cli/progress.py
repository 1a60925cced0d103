"""Progress of a run on a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simkit.experiments.runner import Progress as Step


def followed(steps: Iterable[Step], total: int) -> None:
    """Run the steps to their end with a bar, the rate, failures and the time left on standard error."""
    columns = (
        TextColumn("points"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[failed]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("points", total=total, rate="", failed="")
        for step in steps:
            known = bar.tasks[0]
            rate = f"{known.speed:,.0f}/s" if known.speed else ""
            failed = f"{step.failed:,} without a result" if step.failed else ""
            bar.update(task, completed=step.passed, rate=rate, failed=failed)
