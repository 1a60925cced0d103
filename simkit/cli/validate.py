"""`simkit validate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, show


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DGDR and DGD documents.")],
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Check DGDR and DGD documents; every fault with its path and remedy.

    Example: simkit validate request.yaml out/dgd.yaml
    """
    from simkit.io.validate import validate_documents
    from simkit.io.yamlio import load_documents

    found = {str(path): validate_documents(load_documents(path), str(path)) for path in files}
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
