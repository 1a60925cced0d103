"""`simkit estimate`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.asked_deployment import (
    Sources,
    asked_deployment,
    bound_asked,
    tuned_deployment,
    with_layout_flags,
)
from simkit.cli.flags.bounds import STATISTIC_HELP
from simkit.cli.output import (
    Format,
    FormatFlag,
    QuietFlag,
    SeedFlag,
    remark,
    show,
)
from simkit.cli.request_flags import with_request_flags, with_tuning_flags
from simkit.core.errors import InputError

_EXPLAIN_HELP = "Show for each setting of a DGD or command the flag, file and line that it was read from."
_DGD_HELP = "Write a DGD that runs the same engines; with --command or a layout."


@with_tuning_flags
@with_request_flags
@with_layout_flags
def estimate(
    dgd: Annotated[Path | None, typer.Argument(metavar="[DGD.yaml]", help="Deployment to estimate.")] = None,
    *,
    out: Annotated[Path | None, typer.Option("--dgd", metavar="OUT.yaml", help=_DGD_HELP)] = None,
    statistic: Annotated[str, typer.Option("--sla-statistic", help=STATISTIC_HELP)] = "mean",
    explain: Annotated[bool, typer.Option("--explain-reading", help=_EXPLAIN_HELP)] = False,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any],
    tuning: Mapping[str, Any],
) -> None:
    """Latency, throughput, memory and time by operator of one deployment under one load.

    Example: simkit estimate out/dgd.yaml --gpu h200_sxm --concurrency 64

    Example: simkit estimate --model Qwen/Qwen3-8B --gpu h200_sxm --worker 1xtp1 --concurrency 1,2,4,8,16

    Example: simkit estimate --command "vllm serve Qwen/Qwen3-32B -tp 4" --gpu h200_sxm --concurrency 64
    """
    from simkit.reports.curve import curve_table
    from simkit.reports.estimated import estimate_table
    from simkit.verbs.estimate import estimate as run
    from simkit.verbs.estimate import estimate_document
    from simkit.verbs.predict import with_measured_run

    if out is not None and dgd is not None:
        raise InputError("--dgd: the deployment is a DGD already; give --command or a layout, or drop --dgd")
    sources = Sources(dgd=dgd, **layout)
    several = flags["concurrency"] if isinstance(flags["concurrency"], tuple) else ()
    if several and out is not None:
        raise InputError("--dgd: a DGD has room for one load; give one --concurrency, or drop --dgd")
    asked = asked_deployment(sources, {**flags, "concurrency": several[0]} if several else flags, quiet=quiet)
    request = tuned_deployment(asked.request, tuning, sources)
    request = replace(request, slo=replace(request.slo, statistic=statistic))
    if several:
        curve, kept = _curve(request, asked, several)
        show(form, lambda: curve, lambda console: curve_table(curve, console))
        if not kept and bound_asked(asked.flags):
            raise typer.Exit(1)
        return
    result, notes = run(request, asked.deployment), asked.notes
    if out is not None:
        notes += _write_dgd(out, request, result, asked.carried, quiet=quiet)
    document = with_measured_run(estimate_document(request, result), result)
    document["notes"] = [*notes, *document["notes"]]
    document = _with_reading(document, asked, explain=explain)
    show(form, lambda: document, lambda console: estimate_table(document, console))
    if not result.candidate.meets_sla and bound_asked(asked.flags):
        raise typer.Exit(1)


def _with_reading(document: dict[str, Any], asked: Any, *, explain: bool) -> dict[str, Any]:
    """The document with what was read, before what is predicted."""
    from simkit.reports.reading import with_reading

    if asked.source is not None:
        return with_reading(document, asked.source, asked.origins if explain else ())
    if explain:
        raise InputError("--explain-reading: a layout is not read from anywhere; give a DGD or --command")
    return document


def _curve(request: Any, asked: Any, several: tuple[float, ...]) -> tuple[Any, bool]:
    """The document of several loads, and whether any of them keeps what is bounded."""
    from simkit.verbs.curve import concurrency_curve, curve_document

    points = concurrency_curve(request, asked.deployment, several)
    return curve_document(points, asked.notes), any(result.candidate.meets_sla for _, result in points)


def _write_dgd(path: Path, request: Any, result: Any, carried: Any, *, quiet: bool) -> tuple[str, ...]:
    from simkit.io.yamlio import write_text_atomic
    from simkit.verbs.imported import dgd_of_estimate

    text, notes = dgd_of_estimate(request, result, carried, path.parent)
    write_text_atomic(path, text)
    remark(f"wrote {path}", quiet=quiet)
    return tuple(notes)
