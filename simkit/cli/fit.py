"""`simkit fit`: fit models to measurements and write versioned artifacts."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from simkit.core.errors import InputError


def fit(
    operators: Annotated[
        Path | None,
        typer.Option(
            "--operators",
            metavar="DIR",
            help="systems/data of an unpacked aiconfigurator-core: measured operator tables",
        ),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option("--family", help="fit only this operator family (repeatable)")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--runs", metavar="FILE", help="your own measured runs: tables, profile folders"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="default: data/operators; with --runs own.json"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> None:
    """Fit operator models to measured tables, or a calibration to a few runs of your own cluster.

    Example: simkit fit --operators aiconfigurator_core/systems/data -o data/operators

    Example: simkit fit --runs my_runs.csv --runs out/profile -o own.json
    """
    if runs:
        _fit_own(runs, output or Path("own.json"), mixed=operators is not None)
        return
    if operators is None:
        raise InputError(
            "nothing to fit: give --operators DIR with measured operator tables, or --runs with your own"
        )
    if not operators.is_dir():
        raise InputError(f"--operators {operators}: expected an existing folder")
    from simkit.io.paths import data_dir

    fit_operators = _fitter()

    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    out = output or data_dir() / "operators"
    count = fit_operators(operators, out, family or [], say)
    typer.echo(f"{count} operator models written to {out}")


def _fit_own(runs: list[Path], output: Path, *, mixed: bool) -> None:
    from simkit.io.own_calibration import write_own
    from simkit.verbs.own_runs import own_calibration

    if mixed:
        raise InputError("--runs and --operators write different things; give one of them")
    own = own_calibration(runs)
    write_own(output, own)
    typer.echo(f"{len(own.observations)} runs calibrate {output}; use it by --calibration {output}")


def _fitter() -> Callable[[Path, Path, list[str], Callable[[str], object]], int]:
    try:
        from simkit.verbs.fit_operators import fit_operators
    except ModuleNotFoundError as missing:
        raise InputError(
            f'fitting needs the package {missing.name}, which is not installed: pip install "simkit[fit]"'
        ) from missing
    return fit_operators
