"""`simkit fit`: fit models to measurements and write versioned artifacts."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, SeedFlag, remark, show
from simkit.core.errors import InputError
from simkit.core.harmless import shown_line
from simkit.core.words import counted

Say = Callable[[str], object]
Made = tuple[dict[str, Any], list[str]]  # what was fitted, as a document and in words


def fit(
    operators: Annotated[
        Path | None,
        typer.Option(
            "--operators",
            metavar="DIR",
            help="systems/data of an unpacked aiconfigurator-core: measured operator tables",
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--runs",
            metavar="FILE",
            help="tables of measured runs (CSV or parquet, schema in data/README.md; repeatable)",
        ),
    ] = None,
    own: Annotated[
        list[Path] | None,
        typer.Option(
            "--own",
            metavar="FILE",
            help="a few runs of your own cluster, for --calibration: tables, profile folders (repeatable)",
        ),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option("--family", help="fit only this operator family (repeatable)")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="default: under data/"),
    ] = None,
    *,
    form: FormatFlag = Format.TABLE,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
    seed: SeedFlag = 0,
) -> None:
    """Fit operator models to measured tables, or predictions to measured runs, and write the artifacts.

    Example: simkit fit --operators aiconfigurator_core/systems/data -o data/operators

    Example: simkit fit --runs data/runs/serving_runs_fit.csv -o data/calibration

    Example: simkit fit --own my_runs.csv --own out/profile -o own.json
    """
    made: list[Made] = []
    if own:
        made.append(_fit_own(own, output or Path("own.json"), mixed=operators is not None or bool(runs)))
    else:
        _check(operators, runs or [], output)

    def say(line: str) -> None:
        remark(line, quiet=quiet)

    if operators is not None:
        made.append(_fit_operators(operators, output, family or [], say))
    if runs:
        made.append(_fit_runs(runs, output, say))
    lines = "\n".join(shown_line(line) for _, told in made for line in told)
    show(
        form,
        lambda: {name: value for document, _ in made for name, value in document.items()},
        lambda console: console.print(lines, soft_wrap=True, markup=False, highlight=False),
    )


def _check(operators: Path | None, runs: list[Path], output: Path | None) -> None:
    if operators is None and not runs:
        raise InputError(
            "nothing to fit: give --operators DIR with measured operator tables, --runs FILE with runs, "
            "or --own with a few of your own"
        )
    if operators is not None and not operators.is_dir():
        raise InputError(f"--operators {operators}: expected an existing folder")
    if operators is not None and runs and output is not None:
        raise InputError("-o names one folder: fit --operators and --runs one after the other")


def _fit_own(places: list[Path], output: Path, *, mixed: bool) -> Made:
    from simkit.calibrate.user_runs import own_calibration
    from simkit.formats.user_calibration import write_own

    if mixed:
        raise InputError("--own writes a calibration for your cluster, not the shipped ones; give it alone")
    own = own_calibration(places)
    write_own(output, own)
    count = len(own.observations)
    document = {"calibration": str(output), "runs": count}
    return document, [
        f"{output} holds {counted(count, 'run')} to calibrate with; use it by --calibration {output}"
    ]


def _fit_operators(tables: Path, output: Path | None, families: list[str], say: Say) -> Made:
    from simkit.io.paths import data_dir

    try:
        from simkit.calibrate.fit_operators import fit_operators
    except ModuleNotFoundError as missing:
        raise _extra_missing(missing) from missing
    out = output or data_dir() / "operators"
    count = fit_operators(tables, out, families, say)
    document = {"operator_models": count, "operators_output": str(out)}
    return document, [f"{count} operator models written to {out}"]


def _fit_runs(tables: list[Path], output: Path | None, say: Say) -> Made:
    from simkit.io.paths import data_dir

    try:
        from simkit.calibrate.fit_runs import fit_tables
    except ModuleNotFoundError as missing:
        raise _extra_missing(missing) from missing
    out = output or data_dir() / "calibration"
    scores = fit_tables(tables, out, say)
    lines = []
    for scheme, score in scores.items():
        parts = [f"{name} {item['mdape']:.1%} (p90 {item['p90']:.0%})" for name, item in score.items()]
        lines.append(f"left out by {scheme}: median error {', '.join(parts)}")
    lines.append(f"factors, residuals and errors written to {out}")
    return {"left_out": scores, "runs_output": str(out)}, lines


def _extra_missing(missing: ModuleNotFoundError) -> InputError:
    return InputError(
        f'fitting needs the package {missing.name}, which is not installed: pip install "dynamo-simkit[fit]"'
    )
