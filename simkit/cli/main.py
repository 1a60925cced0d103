"""The `simkit` command: verbs, one place where errors become one line and an exit status."""

import itertools
import os
import sys
from typing import Annotated

import typer

from simkit.cli.command_group import HELP_NAMES, VerbGroup
from simkit.cli.ending import (
    SYSTEM,
    interrupted_status,
    quiet_stdout,
    stoppable,
    streams_ready,
    system_words,
    told,
)
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
    add_completion=True,
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
_NO_MEMORY = "not enough memory for what was asked; ask for less at once, or free some"
_TOO_DEEP = "what was given is nested too deeply; write it out plainly"


def _keep_compiled() -> None:
    """Compiled code goes to the user's cache, not beside the sources, and making it is announced."""
    folder = os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "compiled"))
    if "--quiet" not in sys.argv:
        before_compiling(lambda: sys.stderr.write(_COMPILING.format(folder=folder)))


def _words(words: list[str]) -> list[str]:
    """`simkit` and `simkit help [VERB]` show the help page."""
    return [*words[1:], "--help"] if words[:1] in ([], ["help"]) else words


def main() -> None:
    """Entry point. Bad input exits 2 with one line on standard error, what the system refuses 3.

    Ctrl-C exits 130, SIGTERM 143. Under --format json an error is a JSON object on standard output, too.
    """
    streams_ready()
    _keep_compiled()
    sys.exit(_ended(sys.argv[1:]))


def _ended(words: list[str]) -> int:
    """The exit status once everything is written."""
    try:
        with stoppable():
            status = called(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        quiet_stdout()
        return 0
    except OSError as error:
        message = system_words(error)
        quiet_stdout()
        return _told(words, message, SYSTEM, "OSError")
    return status


def called(words: list[str]) -> int:
    """The exit status of a command line; what went wrong has been said."""
    try:
        status = app(_words(words), prog_name="simkit", standalone_mode=False)
    except SimkitError as error:
        return _told(words, str(error), error.exit_code, type(error).__name__)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except _USAGE_ERROR as error:
        return _told(words, f"{_usage_message(error)}; see simkit --help", 2, "UsageError")
    except MemoryError:
        return _told(words, _NO_MEMORY, SYSTEM, "MemoryError")
    except RecursionError:
        return _told(words, _TOO_DEEP, 2, "RecursionError")
    if status == INTERRUPTED:  # newer typer turns Ctrl-C into this status itself
        return _told(words, _INTERRUPT_MESSAGE, interrupted_status(), "Interrupted")
    return status if isinstance(status, int) else 0


def _told(words: list[str], message: str, exit_code: int, kind: str) -> int:
    as_json = "--format=json" in words or ("--format", "json") in itertools.pairwise(words)
    return told(message, exit_code, kind, as_json=as_json)


def _usage_message(error: Exception) -> str:
    describe = getattr(error, "format_message", None)
    return str(describe() if describe else error).strip().rstrip(".").replace("\n", " ")
