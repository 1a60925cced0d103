"""`simkit tools`."""

from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show


def tools(
    make: Annotated[list[str] | None, typer.Option("--make", help="aiperf or dynamo; repeatable.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Say where AIPerf and Dynamo are found, or put them into environments of their own in the user's cache.

    Example: simkit tools --make aiperf --make dynamo
    """
    from simkit.adapters.tools import TOOLS, find_tool, make_tool, tool_named
    from simkit.reports.terminal import grid

    for name in make or ():
        make_tool(tool_named(name), lambda text: remark(text, quiet=quiet))
    found = {name: find_tool(tool) for name, tool in TOOLS.items()}
    rows = {name: str(path) if path else None for name, path in found.items()}
    lines = [(name, path or f"not found; simkit tools --make {name}") for name, path in rows.items()]
    show(form, lambda: rows, lambda console: grid(console, lines))
