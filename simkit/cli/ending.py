"""How the command ends: what the system refuses is one line and exit status 3, a signal its own status."""

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from simkit.cli.output import INTERRUPTED
from simkit.core.harmless import json_line, shown_line

SYSTEM = 3  # exit status where an outside system failed
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_REMEDIES = {
    errno.ENOSPC: "make room on that disk, or write elsewhere",
    errno.EDQUOT: "make room within your quota, or write elsewhere",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write elsewhere",
    errno.EROFS: "that disk is read-only; write elsewhere",
    errno.EACCES: "its rights forbid it; write elsewhere or change them",
    errno.EPERM: "its rights forbid it; write elsewhere or change them",
    errno.EBADF: "it is closed; send the output to a file or a pipe",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOMEM: "free memory, or ask for less at once",
}
# Files are written by functions that name them, so what comes without a name is the output.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)
_received: list[int] = []


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler of signals: what was started is stopped as on Ctrl-C, the exit status is the signal's own."""
    _received.append(number)
    raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[None]:
    """A request to end (SIGTERM, SIGHUP) becomes an interrupt, so that what was started is stopped."""
    _received.clear()
    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted_status() -> int:
    """The exit status after an interrupt: 130 for Ctrl-C, 143 for SIGTERM.

    An interrupt that passed through exec() of a text, as dataclasses do it, stays noted in the interpreter,
    which would end itself by SIGINT; the next text clears the note.
    """
    exec("")  # noqa: S102
    return 128 + _received[-1] if _received else INTERRUPTED


_STREAMS = ((0, "stdin", os.O_RDONLY, "r"), (1, "stdout", os.O_RDONLY, "w"), (2, "stderr", os.O_WRONLY, "w"))


def streams_ready() -> None:
    """Streams that were closed before we came: no file may take their place; writing to one is an error."""
    for number, name, how, mode in _STREAMS:
        if getattr(sys, name) is None:
            place = os.open(os.devnull, how)
            if place != number:
                os.dup2(place, number)
                os.close(place)
            setattr(sys, name, os.fdopen(number, mode, closefd=False, encoding="utf-8"))


def quiet_stdout() -> None:
    """Nothing more may be written at exit: the reader has gone, or the disk is full."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def system_words(error: OSError) -> str:
    """What the system refused, where, and what helps."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    place = str(error.filename) if error.filename else "standard output" if error.errno in _OF_WRITING else ""
    remedy = _REMEDIES.get(error.errno or 0, "mend that and try again")
    text = f"{place}: {reason}; {remedy}" if place else f"{reason}; {remedy}"
    return shown_line(text).replace("\n", " ")


def told(message: str, exit_code: int, kind: str, *, as_json: bool) -> int:
    """Say an error on one line, and to programs as JSON; returns the exit status.

    Where neither can be written the status alone says it.
    """
    with suppress(OSError, ValueError):
        sys.stderr.write(f"simkit: {shown_line(message)}\n")
    if as_json:
        error = {"message": message, "exit_code": exit_code, "kind": kind}
        try:
            sys.stdout.write(json_line(json.dumps({"error": error}, indent=2, ensure_ascii=False)) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            quiet_stdout()
    return exit_code
