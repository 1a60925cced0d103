"""`simkit doctor`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import request_from_flags, with_request_flags


@with_request_flags
def doctor(
    dgd: Annotated[Path, typer.Argument(metavar="DGD.yaml", help="What was deployed.")],
    results: Annotated[Path, typer.Argument(metavar="AIPERF_DIR", help="Its benchmark: AIPerf, vLLM ...")],
    *,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """Say why measured differs from predicted: causes ranked, with the one measurement that would tell.

    Example: simkit doctor out/llama-70b/dgd.yaml aiperf-artifacts --gpu h100_sxm
    """
    from simkit.io.dgd import read_dgd
    from simkit.io.results.reader import read_run
    from simkit.reports.doctor import doctor_document, doctor_page
    from simkit.reports.pages import page_console
    from simkit.verbs.doctor import doctor as run

    parsed = read_dgd(dgd)
    for note in parsed.notes:
        remark(f"{dgd}: {note}", quiet=quiet)
    request = request_from_flags(None, flags, model=parsed.model)
    found = run(request, parsed.deployment, read_run(results))
    title = f"{parsed.model}: {dgd.name} against {results.name}"
    show(
        form,
        lambda: doctor_document(found.comparison, found.causes, found.run),
        lambda console: page_console(doctor_page(title, found.comparison, found.causes, found.run), console),
    )
    if not found.comparison.within:
        raise typer.Exit(1)
