"""`simkit estimate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import request_from_flags, with_request_flags


@with_request_flags
def estimate(
    dgd: Annotated[Path | None, typer.Argument(metavar="[DGD.yaml]", help="Deployment to estimate.")] = None,
    *,
    worker: Annotated[str | None, typer.Option("--worker", help="Aggregated: 4xtp2, 1xdep8 ...")] = None,
    prefill: Annotated[str | None, typer.Option("--prefill", help="Prefill engines: 3xtp2 ...")] = None,
    decode: Annotated[str | None, typer.Option("--decode", help="Decode engines: 1xtp4 ...")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """Latency, throughput, memory and time by operator of one deployment under one load.

    Example: simkit estimate out/dgd.yaml --gpu h200_sxm --concurrency 64
    """
    from simkit.reports.tables import estimate_table
    from simkit.verbs.estimate import Layouts, estimate_document
    from simkit.verbs.estimate import estimate as run

    layouts = Layouts(worker=worker, prefill=prefill, decode=decode)
    if dgd is None:
        request = request_from_flags(None, flags)
        deployment: Any = layouts
    else:
        request, deployment = _from_dgd(dgd, flags, quiet=quiet)
    result = run(request, deployment)
    document = estimate_document(request, result)
    show(form, lambda: document, lambda console: estimate_table(document, console))
    if not result.candidate.meets_sla and _bound_asked(flags):
        raise typer.Exit(1)


def _bound_asked(flags: Mapping[str, Any]) -> bool:
    return any(flags.get(name) is not None for name in ("ttft", "itl", "e2e_latency"))


def _from_dgd(path: Path, flags: Mapping[str, Any], *, quiet: bool) -> tuple[Any, Any]:
    from simkit.io.dgd import read_dgd

    parsed = read_dgd(path)
    for note in parsed.notes:
        remark(f"{path}: {note}", quiet=quiet)
    request = request_from_flags(None, flags, model=parsed.model)
    return request, parsed.deployment
