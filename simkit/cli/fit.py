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
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="default: data/operators")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> None:
    """Fit operator models to measured tables and write one artifact per GPU.

    Example: simkit fit --operators aiconfigurator_core/systems/data -o data/operators
    """
    if operators is None:
        raise InputError("nothing to fit: give --operators DIR with measured operator tables")
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


def _fitter() -> Callable[[Path, Path, list[str], Callable[[str], object]], int]:
    try:
        from simkit.verbs.fit_operators import fit_operators
    except ModuleNotFoundError as missing:
        raise InputError(
            f'fitting needs the package {missing.name}, which is not installed: pip install "simkit[fit]"'
        ) from missing
    return fit_operators
