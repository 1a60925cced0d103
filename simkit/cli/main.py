"""The `simkit` command: verbs, one place where errors become one line and an exit status."""

import itertools
import json
import os
import sys
from typing import Annotated

import typer

from simkit.cli.command_group import HELP_NAMES, VerbGroup
from simkit.cli.output import INTERRUPTED
from simkit.core.errors import SimkitError
from simkit.io.tools import cache_dir
from simkit.sim.compiling import before_compiling

# Typer carries its own copy of Click or imports the package, by version; the base class of its usage
# errors is the same in name only.
_USAGE_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

app = typer.Typer(
    name="simkit",
    cls=VerbGroup,
    context_settings=HELP_NAMES,
    help="How should I serve this model on these GPUs, and how sure are we?\n\n"
    "Example: simkit recommend --model Qwen/Qwen3-32B-FP8 --gpu h200_sxm --total-gpus 8 -o out",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help texts hold units in brackets
)


def _version(show: bool) -> None:
    if show:
        from simkit.verbs.recommend import versions

        typer.echo(f"simkit {versions()['simkit']}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    pass


_COMPILING = "simkit: compiling the simulator once, about 20 s; kept in {folder}\n"
_INTERRUPT_MESSAGE = "interrupted; no file was left half written"


def _keep_compiled() -> None:
    """Compiled code goes to the user's cache, not beside the sources, and making it is announced."""
    folder = os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "compiled"))
    if "--quiet" not in sys.argv:
        before_compiling(lambda: sys.stderr.write(_COMPILING.format(folder=folder)))


def _words(words: list[str]) -> list[str]:
    """`simkit` and `simkit help [VERB]` show the help page."""
    return [*words[1:], "--help"] if words[:1] in ([], ["help"]) else words


def main() -> None:
    """Entry point. Bad input exits 2 with one line on standard error; Ctrl-C exits 130.

    Under --format json an error is a JSON object on standard output, too.
    """
    _keep_compiled()
    try:
        status = _called(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _called(words: list[str]) -> int:
    """The exit status of a command line; what went wrong has been said."""
    try:
        status = app(_words(words), prog_name="simkit", standalone_mode=False)
    except SimkitError as error:
        return _told(words, str(error), error.exit_code, type(error).__name__)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except _USAGE_ERROR as error:
        return _told(words, f"{_usage_message(error)}; see simkit --help", 2, "UsageError")
    if status == INTERRUPTED:  # newer typer turns Ctrl-C into this status itself
        return _told(words, _INTERRUPT_MESSAGE, INTERRUPTED, "Interrupted")
    return status if isinstance(status, int) else 0


def _told(words: list[str], message: str, exit_code: int, kind: str) -> int:
    """Say an error on one line, and to programs as JSON; returns the exit status."""
    sys.stderr.write(f"simkit: {message}\n")
    if "--format=json" in words or ("--format", "json") in itertools.pairwise(words):
        error = {"message": message, "exit_code": exit_code, "kind": kind}
        sys.stdout.write(json.dumps({"error": error}, indent=2, ensure_ascii=False) + "\n")
    return exit_code


def _usage_message(error: Exception) -> str:
    describe = getattr(error, "format_message", None)
    return str(describe() if describe else error).strip().rstrip(".").replace("\n", " ")
