"""`simkit experiment`: sweeps as files and folders."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.command_group import HELP_NAMES, ActionGroup
from simkit.cli.ending import interrupted_status, stoppable
from simkit.cli.flags.calibration import CalibrationFlag, own_runs
from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show
from simkit.cli.sweeps.beside import gate, import_results
from simkit.core.words import counted

experiment = typer.Typer(
    cls=ActionGroup,
    context_settings=HELP_NAMES,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="One question at many points: predicted, simulated, searched or measured; any kill is survived.\n\n"
    "Example: simkit experiment run experiments/sweeps/tp_scaling.yaml -o out/tp_scaling",
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Experiment.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]
ClusterFlag = Annotated[
    str | None, typer.Option("--cluster", help="dask://HOST:PORT or ray://HOST:PORT, instead of --jobs.")
]
JobsFlag = Annotated[int, typer.Option("--jobs", min=1, max=256, help="Processes that work side by side.")]
MinutesFlag = Annotated[float | None, typer.Option(min=0.0, help="Begin no point after so many minutes.")]
PointsFlag = Annotated[int | None, typer.Option(min=1, help="Begin no block after so many points.")]
MoneyFlag = Annotated[float | None, typer.Option(min=0.0, help="Begin no point once workers cost so much.")]
PriceFlag = Annotated[float | None, typer.Option(min=0.0, help="Price of one worker by the hour.")]
EveryFlag = Annotated[float | None, typer.Option(min=0.1, help="Say progress every so many seconds.")]
_REFINE_HELP = "Ask only near the front and the bounds, as `refine: {}` in the file does."
_OUTPUT_HELP = "Folder of the run; one that holds a part of it is finished."
_RETRY_HELP = "Also blocks of points of which none has a result."
_DRY_HELP = "Only say how many points, how long, how much."


@experiment.command(context_settings=HELP_NAMES)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="File to write.")],
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Write a commented experiment that runs as it stands.

    Example: simkit experiment new sweep.yaml
    """
    from simkit.core.errors import InputError
    from simkit.experiments.template import template
    from simkit.io.yamlio import write_text_atomic

    if file.exists():
        raise InputError(f"{file}: exists already; choose another name, or remove it")
    write_text_atomic(file, template(str(file), file.stem))
    remark(f"wrote {file}; next: simkit experiment run {file} --dry-run", quiet=quiet)
    show(form, lambda: {"file": str(file)}, lambda console: None)


@experiment.command(context_settings=HELP_NAMES)
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors.

    Example: simkit experiment schema > experiment.json
    """
    from simkit.experiments.document_model import schema_text

    sys.stdout.write(schema_text())


@experiment.command(context_settings=HELP_NAMES)
def validate(file: FileArgument, form: FormatFlag = Format.TABLE, quiet: QuietFlag = False) -> None:
    """Say everything that is wrong with an experiment, or how many points it has.

    Example: simkit experiment validate sweep.yaml
    """
    from simkit.experiments.document import read_experiment
    from simkit.experiments.runner import count_points

    points = count_points(read_experiment(file))
    document = {"file": str(file), "valid": True, "points": points}
    show(form, lambda: document, lambda console: console.print(f"{file}: sound, {counted(points, 'point')}"))


@experiment.command(context_settings=HELP_NAMES)
def run(
    file: FileArgument,
    output: Annotated[Path | None, typer.Option("-o", "--output", help=_OUTPUT_HELP)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_DRY_HELP)] = False,
    *,
    refine: Annotated[bool, typer.Option("--refine", help=_REFINE_HELP)] = False,
    calibration: CalibrationFlag = None,
    jobs: JobsFlag = 1,
    cluster: ClusterFlag = None,
    max_minutes: MinutesFlag = None,
    max_points: PointsFlag = None,
    max_money: MoneyFlag = None,
    worker_hour_price: PriceFlag = None,
    progress_every: EveryFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Run an experiment into a folder; run again to finish what was interrupted.

    Example: simkit experiment run sweep.yaml -o out/sweep
    """
    from simkit.core.errors import InputError
    from simkit.experiments.document import read_experiment, refined
    from simkit.experiments.work.budget import RunBudget

    asked = refined(read_experiment(file)) if refine else read_experiment(file)
    asked = asked if calibration is None else replace(asked, own=own_runs(calibration))
    if dry_run:
        _dry_run(asked, form)
        return
    if output is None:
        raise InputError("no folder for the results is given; add -o DIR, or --dry-run")
    budget = RunBudget(
        minutes=max_minutes, points=max_points, money=max_money, worker_hour_price=worker_hour_price
    )
    _run(asked, output, (jobs, cluster, budget), (form, progress_every), quiet=quiet)


@experiment.command(context_settings=HELP_NAMES)
def resume(
    folder: FolderArgument,
    *,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help=_RETRY_HELP)] = False,
    jobs: JobsFlag = 1,
    cluster: ClusterFlag = None,
    max_minutes: MinutesFlag = None,
    max_points: PointsFlag = None,
    max_money: MoneyFlag = None,
    worker_hour_price: PriceFlag = None,
    progress_every: EveryFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Finish a run that was interrupted, or one whose budget was spent.

    Example: simkit experiment resume out/sweep
    """
    from simkit.experiments.store import RunFolder, forget_failures, locked, read_run
    from simkit.experiments.work.budget import RunBudget

    budget = RunBudget(
        minutes=max_minutes, points=max_points, money=max_money, worker_hour_price=worker_hour_price
    )
    asked = read_run(RunFolder(path=folder))[0]
    if retry_failed:
        with locked(RunFolder(path=folder)):
            count = forget_failures(RunFolder(path=folder))
        remark(f"{counted(count, 'point')} without a result: tried again", quiet=quiet)
    _run(asked, folder, (jobs, cluster, budget), (form, progress_every), quiet=quiet)


@experiment.command(context_settings=HELP_NAMES)
def status(folder: FolderArgument, form: FormatFlag = Format.TABLE, quiet: QuietFlag = False) -> None:
    """Points finished, failed and missing, and the commonest reasons.

    Example: simkit experiment status out/sweep
    """
    from simkit.experiments.report import status_document, status_page
    from simkit.experiments.store import RunFolder
    from simkit.reports.pages import page_console

    document = status_document(RunFolder(path=folder))
    show(form, lambda: document, lambda console: page_console(status_page(document), console))


_WHERE = "Where to look; left out: experiments/sweeps, or here where there is none."


@experiment.command(name="list", context_settings=HELP_NAMES)
def list_runs(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help=_WHERE)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Experiments and runs below a folder, with what they ask.

    Example: simkit experiment list out
    """
    from simkit.experiments.report import listing, listing_page
    from simkit.reports.pages import page_console

    shipped = Path("experiments/sweeps")
    folder = folder or (shipped if shipped.is_dir() else Path())
    found = listing(folder)
    show(form, lambda: found, lambda console: page_console(listing_page(str(folder), found), console))


experiment.command(name="import", context_settings=HELP_NAMES)(import_results)
experiment.command(context_settings=HELP_NAMES)(gate)


@experiment.command(name="export-data", context_settings=HELP_NAMES)
def export_data(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Folders of runs and imports.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV or parquet to write.")],
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Write the finished points as one tidy table, sorted by point; of several folders one below another.

    Example: simkit experiment export-data out/sweep -o sweep.parquet
    """
    from simkit.experiments.beside.dataset import write_datasets

    count = write_datasets(folders, output)
    remark(f"wrote {counted(count, 'point')} to {output}", quiet=quiet)
    show(form, lambda: {"output": str(output), "points": count}, lambda console: None)


def _dry_run(asked: Any, form: Format) -> None:
    from simkit.experiments.report import expected_document, expected_words
    from simkit.experiments.runner import expected

    found = expected(asked)
    show(form, lambda: expected_document(found), lambda console: console.print(expected_words(found)))


def _run(
    asked: Any, output: Path, work: tuple[int, str | None, Any], said: tuple[Format, Any], *, quiet: bool
) -> None:
    from simkit.experiments.report import closing_words, status_document, status_page, write_summary
    from simkit.experiments.runner import run as start
    from simkit.experiments.store import RunFolder
    from simkit.experiments.work.workers import Workers
    from simkit.reports.pages import page_console

    folder, (jobs, cluster, budget), (form, every) = RunFolder(path=output), work, said
    workers = Workers(jobs=jobs, cluster=cluster, budget=asked.budget.changed(budget))
    try:
        with stoppable():
            last = _follow(asked, start(asked, folder, sys.argv[1:], workers), every, quiet=quiet)
    except KeyboardInterrupt:
        remark(f"interrupted; what is finished is kept: simkit experiment resume {output}", quiet=quiet)
        raise SystemExit(interrupted_status()) from None
    page = write_summary(asked, folder) if not last.stopped else None
    document = {**status_document(folder), "stopped_by": last.stopped or None, "money": last.money}
    remark(closing_words(document, folder, last.stopped), quiet=quiet)
    show(form, lambda: document, lambda console: page_console(page or status_page(document), console))


def _follow(asked: Any, steps: Any, every: float | None, *, quiet: bool) -> Any:
    """Show progress: points, rate, failures, and when it will be done."""
    from simkit.cli.sweeps.progress import followed, told
    from simkit.experiments.runner import count_points

    total = None if asked.document.refine else count_points(asked)
    if quiet or not sys.stderr.isatty():
        return told(steps, total, None if quiet else every)
    return followed(steps, total)
