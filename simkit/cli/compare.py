"""`simkit compare` and `simkit report`: what was found, side by side or as a page to forward."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import request_from_flags, with_request_flags_but
from simkit.core.words import counted

_WHAT = "DGD, DGDR, recommendation.json, or the folder it lies in."


@with_request_flags_but("search_strategy")
def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help=_WHAT)],
    other: Annotated[Path, typer.Argument(metavar="B", help=_WHAT)],
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Markdown file to write.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """What differs between two deployments, requests or recommendations, and why, by operator.

    Flags hold for DGDs and DGDRs; a recommendation keeps its figures. A DGD of recommend is asked what it was
    made for, another one what the other side is asked, or what flags say. A folder stands for its
    recommendation.json.

    Example: simkit compare out/dgd.yaml out/dgd-2.yaml --gpu h200_sxm --concurrency 64
    """
    from simkit.reports.compare import compare_page
    from simkit.reports.pages import page_console, page_markdown
    from simkit.verbs.compare import compare as run
    from simkit.verbs.compare_sides import read_sides

    asking = _asking(flags)
    document = run(*read_sides(one, other, asking))
    page = compare_page(document)
    if output is not None:
        from simkit.io.yamlio import write_text_atomic

        write_text_atomic(output, page_markdown(page))
        remark(f"wrote {output}", quiet=quiet)
    show(form, lambda: document, lambda console: page_console(page, console))


def _asking(flags: Mapping[str, Any]) -> Any:
    """How the flags become a request."""
    from simkit.cli.meant import request_meant
    from simkit.verbs.compare_sides import Asking

    def meant(path: Path, parsed: Any) -> tuple[Any, str]:
        found = request_meant(path, parsed, flags)
        return found.request, found.taken

    return Asking(
        request_of=lambda path: request_from_flags(path, flags),
        meant=meant,
        any=any(value is not None for value in flags.values()),
    )


_PATHS = "Folders of recommend, experiment, simulate, profile or benchmark; a table of runs; DGDs, DGDRs."
_STATIC_HELP = "No script in the page: smaller, and nothing to point at."


@with_request_flags_but("search_strategy")
def report(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help=_PATHS)],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for report.html and the rest.")],
    static: Annotated[bool, typer.Option("--static", help=_STATIC_HELP)] = False,
    opened: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """A report to forward: one self-contained HTML page, the same as Markdown, every figure as SVG and PNG.

    One path gives its own report, several stand side by side, the first as the baseline. Flags are asked of
    DGDs and DGDRs, as in `compare`.

    Example: simkit report out/llama-70b -o out/report --open

    Example: simkit report out/dgd.yaml out/dgd-2.yaml --gpu h200_sxm --concurrency 64 -o out/report
    """
    from simkit.publish.report import page_of, report_document, write_report
    from simkit.reports.labels import one_line
    from simkit.reports.pages import page_brief

    asking = _asking(flags)
    page = page_of(paths, asking)
    if len(paths) > 1:  # the flags belong to the question
        page = replace(page, command=one_line(shlex.join(["simkit", *sys.argv[1:]])))
    written = write_report(output, page, interactive=not static)
    remark(f"wrote {counted(len(written), 'file')} to {output}, first {written[0]}", quiet=quiet)
    show(form, lambda: report_document(page, written), lambda console: page_brief(page, console))
    if opened:
        import webbrowser

        webbrowser.open(written[0].resolve().as_uri())
