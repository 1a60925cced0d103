"""`simkit validate`, `simkit support` and `simkit tools`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.installing import shown_installing
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.engines.registry import engine_choices


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DGDR and DGD documents.")],
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Check DGDR and DGD documents; every fault with its path and remedy.

    Example: simkit validate request.yaml out/dgd.yaml
    """
    from simkit.formats.unfilled import how_to_fill, unfilled
    from simkit.formats.validate import is_beside, validate_documents
    from simkit.io.yamlio import load_documents

    documents = {str(path): load_documents(path) for path in files}
    for path, held in documents.items():
        beside = [str(item["kind"]) for item in held if is_beside(item, held)]
        if beside:
            remark(f"{path}: kinds of other controllers, not checked: {', '.join(beside)}", quiet=quiet)
        if names := unfilled(held):
            remark(f"{path}: still to fill in: {', '.join(names)}; {how_to_fill(names, path)}", quiet=quiet)
    found = {path: validate_documents(held, path) for path, held in documents.items()}
    faulty = sum(len(faults) for faults in found.values())
    show(form, lambda: _document(found), lambda console: _table(found, console))
    if faulty:
        raise typer.Exit(2)


def _document(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": name,
                "faults": [{"path": f.path, "problem": f.problem, "remedy": f.remedy} for f in faults],
            }
            for name, faults in found.items()
        ]
    }


def _table(found: dict[str, Any], console: Any) -> None:
    from simkit.reports.tables import faults_table

    for name, faults in found.items():
        console.print(name, style="bold", highlight=False)
        faults_table(faults, console)


def support(
    gpu: Annotated[str | None, typer.Option("--gpu", help="Only this GPU, for example h200_sxm.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", help=f"Only {engine_choices()}.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="For this model, in its own formats.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """List GPUs, engines and kinds of models: Dynamo's support, and what our predictions rest on.

    Example: simkit support --gpu h200_sxm --model deepseek-ai/DeepSeek-R1
    """
    from simkit.reports.support import support_table
    from simkit.verbs.support import support as run
    from simkit.verbs.support import support_document

    document = support_document(run(gpu, backend, model))
    show(form, lambda: document, lambda console: support_table(document, console))


def tools(
    make: Annotated[list[str] | None, typer.Option("--make", help="aiperf or dynamo; repeatable.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Say where AIPerf and Dynamo are found, or put them into environments of their own in the user's cache.

    Example: simkit tools --make aiperf --make dynamo
    """
    from simkit.cli.ending import stoppable
    from simkit.io.tools import DYNAMO, TOOLS, cache_dir, find_tool, make_tool, tool_named
    from simkit.reports.terminal import grid

    asked = [tool_named(name) for name in make or ()]
    with stoppable():
        for tool in asked:
            tried = _served_once if tool is DYNAMO else _run_is_enough
            with shown_installing(cache_dir() / "envs", quiet=quiet) as say:
                make_tool(tool, say, tried=tried)
    found = {name: find_tool(tool) for name, tool in TOOLS.items()}
    rows = {name: str(path) if path else None for name, path in found.items()}
    lines = [(name, path or f"not found; simkit tools --make {name}") for name, path in rows.items()]
    show(form, lambda: rows, lambda console: grid(console, lines))


def _run_is_enough(program: Path, folder: Path) -> None:
    """What has said its version works."""


def _served_once(program: Path, folder: Path) -> None:
    """Dynamo counts as installed once its frontend has answered for a mocked engine."""
    from simkit.measure.targets.local import try_out

    try_out(program, folder)
