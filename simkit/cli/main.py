"""The `simkit` command: verbs, one place where errors become one line and an exit status."""

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
_INTERRUPT_MESSAGE = "simkit: interrupted; nothing half-written was left behind\n"


def _keep_compiled() -> None:
    """Compiled code goes to the user's cache, not beside the sources, and making it is announced."""
    folder = os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "compiled"))
    if "--quiet" not in sys.argv:
        before_compiling(lambda: sys.stderr.write(_COMPILING.format(folder=folder)))


def _words(words: list[str]) -> list[str]:
    """`simkit` and `simkit help [VERB]` show the help page."""
    return [*words[1:], "--help"] if words[:1] in ([], ["help"]) else words


def main() -> None:
    """Entry point. Bad input exits 2 with one line on standard error; Ctrl-C exits 130."""
    _keep_compiled()
    try:
        status = app(_words(sys.argv[1:]), prog_name="simkit", standalone_mode=False)
        sys.stdout.flush()
        if status == INTERRUPTED:  # newer typer turns Ctrl-C into this status itself
            sys.stderr.write(_INTERRUPT_MESSAGE)
    except SimkitError as error:
        sys.stderr.write(f"simkit: {error}\n")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write(_INTERRUPT_MESSAGE)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader has seen enough; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except _USAGE_ERROR as error:
        sys.stderr.write(f"simkit: {_usage_message(error)}; see simkit --help\n")
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)


def _usage_message(error: Exception) -> str:
    describe = getattr(error, "format_message", None)
    return str(describe() if describe else error).strip().rstrip(".").replace("\n", " ")
