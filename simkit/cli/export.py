"""`simkit export`."""

from pathlib import Path
from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show

_SELECT_HELP = "best, knee, pareto, id=…, or 'where tp == 4 and meets_sla'."


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or of recommend -o.")],
    select: Annotated[str, typer.Option("--select", help=_SELECT_HELP)] = "best",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")] = Path("export"),
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Write selected deployments: a DGD, its AIPerf benchmark, and a page that says what each is.

    Example: simkit export out/sweep --select "where tp == 4 and meets_sla" -o out/selected
    """
    from simkit.experiments.export import export_texts, write_export

    texts = export_texts(run, select)
    write_export(output, texts)
    names = [name.removesuffix("/dgd.yaml") for name in texts if name.endswith("/dgd.yaml")]
    remark(f"wrote {len(names)} deployments to {output}", quiet=quiet)
    document = {"output": str(output), "deployments": names}
    show(
        form, lambda: document, lambda console: console.print("\n".join(names), markup=False, highlight=False)
    )
