"""`simkit experiment`: sweeps as files and folders."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.command_group import HELP_NAMES, ActionGroup
from simkit.cli.output import INTERRUPTED, Format, FormatFlag, QuietFlag, remark, show

experiment = typer.Typer(
    cls=ActionGroup,
    context_settings=HELP_NAMES,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="One question at many points: predicted, simulated or searched; any kill is survived.\n\n"
    "Example: simkit experiment run experiments/sweeps/tp_scaling.yaml -o out/tp_scaling",
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Experiment.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]
JobsFlag = Annotated[int, typer.Option("--jobs", min=1, max=256, help="Processes that work side by side.")]
_OUTPUT_HELP = "Folder of the run; one that holds a part of it is finished."
_DRY_HELP = "Only say how many points, how long, how much."


@experiment.command(context_settings=HELP_NAMES)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="File to write.")],
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


@experiment.command(context_settings=HELP_NAMES)
def schema() -> None:
    """Print the JSON Schema of experiment files, for editors.

    Example: simkit experiment schema > experiment.json
    """
    from simkit.experiments.document import schema_text

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
    show(form, lambda: document, lambda console: console.print(f"{file}: sound, {points:,} points"))


@experiment.command(context_settings=HELP_NAMES)
def run(
    file: FileArgument,
    output: Annotated[Path | None, typer.Option("-o", "--output", help=_OUTPUT_HELP)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_DRY_HELP)] = False,
    jobs: JobsFlag = 1,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Run an experiment into a folder; run again to finish what was interrupted.

    Example: simkit experiment run sweep.yaml -o out/sweep
    """
    from simkit.core.errors import InputError
    from simkit.experiments.document import read_experiment

    asked = read_experiment(file)
    if dry_run:
        _dry_run(asked, form)
        return
    if output is None:
        raise InputError("no folder for the results is given; add -o DIR, or --dry-run")
    _run(asked, output, jobs, form, quiet=quiet)


@experiment.command(context_settings=HELP_NAMES)
def resume(
    folder: FolderArgument, jobs: JobsFlag = 1, form: FormatFlag = Format.TABLE, quiet: QuietFlag = False
) -> None:
    """Finish a run that was interrupted.

    Example: simkit experiment resume out/sweep
    """
    from simkit.experiments.store import RunFolder, read_run

    _run(read_run(RunFolder(path=folder))[0], folder, jobs, form, quiet=quiet)


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


@experiment.command(name="list", context_settings=HELP_NAMES)
def list_runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to look.")] = Path(
        "experiments/sweeps"
    ),
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Experiments and runs below a folder, with what they ask.

    Example: simkit experiment list out
    """
    from simkit.experiments.report import listing, listing_page
    from simkit.reports.pages import page_console

    found = listing(folder)
    show(form, lambda: found, lambda console: page_console(listing_page(str(folder), found), console))


@experiment.command(name="export-data", context_settings=HELP_NAMES)
def export_data(
    folder: FolderArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV or parquet to write.")],
    quiet: QuietFlag = False,
) -> None:
    """Write the finished points as one tidy table, sorted by point.

    Example: simkit experiment export-data out/sweep -o sweep.parquet
    """
    from simkit.experiments.report import write_dataset
    from simkit.experiments.store import RunFolder

    count = write_dataset(RunFolder(path=folder), output)
    remark(f"wrote {count:,} points to {output}", quiet=quiet)


def _dry_run(asked: Any, form: Format) -> None:
    from simkit.experiments.report import expected_document, expected_words
    from simkit.experiments.runner import expected

    found = expected(asked)
    show(form, lambda: expected_document(found), lambda console: console.print(expected_words(found)))


def _run(asked: Any, output: Path, jobs: int, form: Format, *, quiet: bool) -> None:
    from simkit.experiments.report import closing_words, status_document, status_page, write_summary
    from simkit.experiments.runner import count_points
    from simkit.experiments.runner import run as start
    from simkit.experiments.store import RunFolder

    folder = RunFolder(path=output)
    try:
        _follow(start(asked, folder, sys.argv[1:], jobs), count_points(asked), quiet=quiet)
    except KeyboardInterrupt:
        remark(f"interrupted; what is finished is kept: simkit experiment resume {output}", quiet=quiet)
        raise SystemExit(INTERRUPTED) from None
    from simkit.reports.pages import page_console

    page = write_summary(asked, folder)
    document = status_document(folder)
    remark(closing_words(document, folder), quiet=quiet)
    show(form, lambda: document, lambda console: page_console(page or status_page(document), console))


def _follow(steps: Any, total: int, *, quiet: bool) -> None:
    """Show progress on a terminal: points, rate, failures, and when it will be done."""
    if quiet or not sys.stderr.isatty():
        for _ in steps:
            pass
        return
    from simkit.cli.progress import followed

    followed(steps, total)
