"""`simkit models` and `simkit gpus`."""

from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, show

_TEXT = "Words that a name must hold, in any order."


def models(
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT...]", help=_TEXT)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """List the models of the catalogue: parameters, kind, KV cache per token, number formats.

    Example: simkit models qwen3 fp8
    """
    from simkit.reports.catalogue import models_table
    from simkit.verbs.catalogue import models as run

    rows = run(" ".join(text or ()))
    show(form, lambda: {"models": rows}, lambda console: models_table(rows, console))


def gpus(
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT...]", help=_TEXT)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """List the GPUs of the catalogue: memory, bandwidth, rates by format, and the data at hand.

    Example: simkit gpus blackwell
    """
    from simkit.reports.catalogue import gpus_table
    from simkit.verbs.catalogue import gpus as run

    rows = run(" ".join(text or ()))
    show(form, lambda: {"gpus": rows}, lambda console: gpus_table(rows, console))
