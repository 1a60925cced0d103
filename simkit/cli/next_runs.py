"""`simkit next-runs`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import CalibrationFlag, Format, FormatFlag, QuietFlag, SeedFlag, show
from simkit.cli.request_flags import request_from_flags, with_request_flags


@with_request_flags
def next_runs(
    dgdr: Annotated[Path | None, typer.Argument(metavar="[DGDR.yaml]", help="Deployment request.")] = None,
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="Runs to name.")] = 3,
    calibration: CalibrationFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """Name the few measurements that would narrow the intervals of the best candidates most.

    Example: simkit next-runs request.yaml --gpu h100_sxm --total-gpus 8 --calibration own.json
    """
    from simkit.io.own_calibration import read_own
    from simkit.reports.pages import Page, Section, page_console
    from simkit.verbs.own_runs import next_runs as run

    request = request_from_flags(dgdr, flags)
    own = read_own(calibration) if calibration is not None else None
    found, now = run(request, own, count)
    document = {
        "known_runs": len(own.observations) if own else 0,
        "doubt": now,
        "next": [
            {
                "deployment": item.name,
                "concurrency": item.workload.concurrency,
                "request_rate_per_s": item.workload.request_rate_per_s,
                "isl_tokens": item.workload.isl_tokens,
                "osl_tokens": item.workload.osl_tokens,
                "doubt_left": item.left_frac,
                "command": list(item.command),
            }
            for item in found
        ],
    }
    rows = tuple(
        (
            item.name,
            f"{item.workload.concurrency or item.workload.request_rate_per_s:g}",
            "requests/s" if item.workload.request_rate_per_s else "in flight",
            f"{item.left_frac:.0%}",
        )
        for item in found
    )
    page = Page(
        title=request.model,
        verdict=f"doubt {now:.0%} now, {found[-1].left_frac:.0%} after these {len(found)}",
        sections=(
            Section(title="Measure next", heads=("deployment", "load", "", "doubt left"), rows=rows),
            Section(title="How", lines=tuple(shlex.join(item.command) for item in found)),
        ),
    )
    show(form, lambda: document, lambda console: page_console(page, console))
