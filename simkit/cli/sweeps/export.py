"""`simkit export`."""

from pathlib import Path
from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show
from simkit.core.words import counted

_SELECT_HELP = "best, knee, pareto, id=…, or 'where tp == 4 and meets_sla'."

_CACHE_HELP = "Also a claim for the weights of each model and the Job that fills it."


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or of recommend -o.")],
    select: Annotated[str, typer.Option("--select", help=_SELECT_HELP)] = "best",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")] = Path("export"),
    *,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Namespace of everything.")] = None,
    model_cache: Annotated[bool, typer.Option("--model-cache/--no-model-cache", help=_CACHE_HELP)] = True,
    storage_class: Annotated[str | None, typer.Option("--storage-class", help="Of the claims.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Write selected deployments: DGDs, AIPerf commands and jobs, caches, and a page that says what each is.

    Example: simkit export out/sweep --select "where tp == 4 and meets_sla" -o out/selected
    """
    from simkit.experiments.export import ExportOptions, export_texts, write_export

    options = ExportOptions(model_cache=model_cache, storage_class=storage_class, namespace=namespace)
    texts = export_texts(run, select, options)
    write_export(output, texts)
    names = [name.removesuffix("/dgd.yaml") for name in texts if name.endswith("/dgd.yaml")]
    remark(f"wrote {counted(len(names), 'deployment')} to {output}", quiet=quiet)
    document = {"output": str(output), "deployments": names}
    show(
        form, lambda: document, lambda console: console.print("\n".join(names), markup=False, highlight=False)
    )
