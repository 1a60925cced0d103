"""`simkit doctor` and `simkit next-runs`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.meant import dgd_in, request_meant
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import PRICE, request_from_flags, with_request_flags_but

# The deployment says its engines, the run its load; a diagnosis judges no SLA.
_OF_THE_RUN = (
    "backend", "total_gpus", "isl", "osl", "concurrency", "request_rate", "prefix_hit", "ttft", "itl",
    "e2e_latency", "search_strategy", "mode", "precision",
)  # fmt: skip


@with_request_flags_but(*_OF_THE_RUN, PRICE)
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
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.formats.dgd.read import read_dgd
    from simkit.measure.doctor import doctor as run
    from simkit.reports.compare import doctor_document, doctor_page
    from simkit.reports.pages import page_console

    dgd = dgd_in(dgd)
    parsed = read_dgd(dgd, model=flags.get("model"))
    meant = request_meant(dgd, parsed, flags, measured=True)
    for note in (*(f"{dgd}: {note}" for note in parsed.notes), *filter(None, (meant.taken,))):
        remark(note, quiet=quiet)
    found = run(meant.request, parsed.deployment, read_run(results))
    title = f"{parsed.model}: {dgd.name} against {results.name}"
    show(
        form,
        lambda: doctor_document(found.comparison, found.causes, found.run),
        lambda console: page_console(doctor_page(title, found.comparison, found.causes, found.run), console),
    )
    if not found.comparison.within:
        raise typer.Exit(1)


@with_request_flags_but(PRICE)
def next_runs(
    dgdr: Annotated[Path | None, typer.Argument(metavar="[DGDR.yaml]", help="Deployment request.")] = None,
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="Number of runs.")] = 3,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """Name the few measurements that would narrow the intervals of the best candidates most.

    Example: simkit next-runs request.yaml --gpu h100_sxm --total-gpus 8 --calibration own.json
    """
    from simkit.calibrate.user_runs import next_runs as run
    from simkit.reports.pages import Page, Section, page_console

    request = request_from_flags(dgdr, flags)
    found, now = run(request, count)
    document = {
        "known_runs": len(request.own.observations) if request.own else 0,
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
