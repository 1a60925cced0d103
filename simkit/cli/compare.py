"""`simkit compare`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import request_from_flags, with_request_flags

_WHAT = "DGD, DGDR or recommendation.json."


@with_request_flags
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

    Flags hold for both sides; a DGD needs at least --gpu.

    Example: simkit compare out/dgd.yaml out/dgd-2.yaml --gpu h200_sxm --concurrency 64
    """
    from simkit.reports.compare import compare_page
    from simkit.reports.pages import page_console, page_markdown
    from simkit.verbs.compare import compare as run
    from simkit.verbs.compare import read_side

    def request_of(path: Path | None, model: str | None) -> Any:
        return request_from_flags(path, flags, model=model)

    document = run(read_side(one, request_of), read_side(other, request_of))
    page = compare_page(document)
    if output is not None:
        from simkit.io.yamlio import write_text_atomic

        write_text_atomic(output, page_markdown(page))
        remark(f"wrote {output}", quiet=quiet)
    show(form, lambda: document, lambda console: page_console(page, console))
