"""`simkit check`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, show
from simkit.core.harmless import shown_line


@with_access_flags
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="DGD, DGDR, or a folder of recommend.")],
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    *,
    access: ClusterFlags,
) -> None:
    """What a cluster lacks for a DGD or DGDR, everything at once, each with the command that mends it.

    Nothing is created. Exit status 1 where something would fail.

    Example: simkit check out/llama-70b --namespace team-a
    """
    from simkit.cluster.check import check as run
    from simkit.cluster.check import document_of
    from simkit.cluster.documents import load_bundle

    api = api_of(access)
    findings = run(api, load_bundle(file, access["namespace"], api.namespace))
    document = document_of(findings)
    show(form, lambda: document, lambda console: _table(findings, console, quiet=quiet))
    if not document["ok"]:
        raise typer.Exit(1)


_MARKS = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "error": ("FAIL", "red")}


def _table(findings: Any, console: Any, *, quiet: bool) -> None:
    from rich.text import Text

    for one in findings:
        if quiet and one.level == "ok":
            continue
        word, colour = _MARKS[one.level]
        said = shown_line(f"{one.subject}: {one.problem}")
        console.print(Text.assemble((f"{word:<5}", colour), said), soft_wrap=True)
        if one.command:
            console.print(Text(shown_line(f"      {one.command}")), soft_wrap=True)
