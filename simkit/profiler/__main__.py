"""`python -m simkit.profiler`: command line, signals and exit status of the profiler.

Exit status 0: final_config.yaml was written, also where the SLA is missed (a Job that fails is run
again, and its output thrown away). 2: the request was refused. 130, 143: interrupted. In every case the
status file says what happened, as long as its folder can be written.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from simkit.core.errors import InputError, SimkitError
from simkit.profiler.status import StatusFile

DEFAULT_FOLDER = "profiling_results"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_REFUSED = "Request refused"


class Stopped(BaseException):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)


class _Parser(argparse.ArgumentParser):
    """Faults of the command line are input errors like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"command line: {message}; see --help")


def main(words: Sequence[str] | None = None) -> int:
    """Run the profiler; the result is the exit status."""
    words = sys.argv[1:] if words is None else words
    for number in _SIGNALS:
        # Set by hand, because the first process of a container ignores what is left at its default.
        signal.signal(number, _stop)
    status = StatusFile(output_folder(words))
    try:
        return _finish(words, status)
    except SimkitError as error:
        return _fail(status, _REFUSED, str(error), error.exit_code)
    except Stopped as stopped:
        what = f"stopped by {stopped.number.name} during {status.phase.value}; nothing was deployed"
        return _fail(status, "Profiler stopped", what, 128 + stopped.number)
    except Exception as error:
        _fail(status, "Profiler failed on a fault of its own", f"{type(error).__name__}: {error}", 1)
        raise


def _finish(words: Sequence[str], status: StatusFile) -> int:
    given = parser().parse_args(words)
    from simkit.profiler.job import Job, run

    job = Job(
        config=given.config,
        folder=status.folder,
        dry_run=given.dry_run,
        dgdr_name=os.environ.get("DGDR_NAME") or None,
        dgdr_namespace=os.environ.get("DGDR_NAMESPACE") or None,
    )
    outcome = run(job, status)
    _hold_signals()
    status.succeed(outcome.message, outcome.outputs, outcome.warnings)
    return 0


def parser() -> argparse.ArgumentParser:
    """The arguments of Dynamo's profiler."""
    result = _Parser(
        prog="python -m simkit.profiler",
        description="Answer a DynamoGraphDeploymentRequest with a DynamoGraphDeployment.",
        epilog='example: python -m simkit.profiler --output-dir out --config \'{"model": "Qwen/Qwen3-32B", '
        '"hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}}\'',
        allow_abbrev=False,
    )
    result.add_argument("--config", required=True, help="DGDR or its spec: JSON, or a JSON or YAML file")
    result.add_argument("--output-dir", default=DEFAULT_FOLDER, help="default: %(default)s")
    result.add_argument("--dry-run", action="store_true", help="check the request and search nothing")
    unused = "accepted for Dynamo's sake: nothing is deployed or swept on a cluster"
    result.add_argument("--deployment-timeout", type=int, default=3600, help=unused)
    result.add_argument("--prefill-interpolation-granularity", type=int, default=16, help=unused)
    result.add_argument("--decode-interpolation-granularity", type=int, default=6, help=unused)
    return result


def output_folder(words: Sequence[str]) -> Path:
    """Where the status goes, also when the rest of the command line cannot be read."""
    folder = DEFAULT_FOLDER
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--output-dir" and following:
            folder = following
        elif word.startswith("--output-dir="):
            folder = word.partition("=")[2] or folder
    return Path(folder)


def _fail(status: StatusFile, message: str, error: str, exit_status: int) -> int:
    """Leave the reason behind; where even that cannot be written, on standard error."""
    _hold_signals()
    try:
        status.fail(message, error)
    except SimkitError as unwritten:
        sys.stderr.write(f"simkit.profiler: {error}\n")
        if str(unwritten) != error:
            sys.stderr.write(f"simkit.profiler: {unwritten}\n")
    return exit_status


def _stop(number: int, _frame: object) -> NoReturn:
    raise Stopped(number)


def _hold_signals() -> None:
    """The last status is written whole, whatever arrives meanwhile."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
