"""One at a time in a folder: a lock that the system lets go of when its holder ends, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from simkit.core.errors import ExternalError, InputError

_POLL_S = 0.2


@contextmanager
def held(
    lock: Path, remedy: str, *, wait_s: float = 0.0, waiting: Callable[[str], None] = lambda holder: None
) -> Iterator[None]:
    """Hold a lock file, which is gone again afterwards; its holder's process and start stand in it.

    A holder that was killed holds nothing. While another holds it we wait up to wait_s, after one call of
    `waiting`, then raise InputError with the remedy. Raises ExternalError where the folder takes no locks.
    """
    end, told = time.monotonic() + wait_s, False
    while (handle := _taken(lock)) is None:
        if time.monotonic() >= end:
            raise InputError(f"{lock.parent}: another run is at work here ({holder(lock)}); {remedy}")
        if not told:
            waiting(holder(lock))
            told = True
        time.sleep(_POLL_S)
    with handle:
        try:
            yield
        finally:  # removed while it is still ours: who opened it meanwhile sees that and opens anew
            with contextlib.suppress(OSError):
                lock.unlink()


def _taken(lock: Path) -> IO[str] | None:
    """The open lock file; None while another process holds it, or has just removed it."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{lock.parent}: cannot be written ({error.strerror}); give another folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    except OSError as error:
        handle.close()
        raise ExternalError(
            f"{lock.parent}: its file system takes no locks ({error.strerror}); give a folder on a local disk"
        ) from error
    if not _is(lock, handle):
        handle.close()
        return None
    handle.truncate(0)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    handle.write(f"pid {os.getpid()} on {os.uname().nodename} since {now}\n")
    handle.flush()
    return handle


def _is(lock: Path, handle: IO[str]) -> bool:
    """Whether the file of that name is the one that is open."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle.fileno()))
    except OSError:
        return False


def holder(lock: Path) -> str:
    """Who holds the lock, or did."""
    try:
        with lock.open(encoding="utf-8", errors="replace") as opened:
            said = opened.read(200).strip()
    except OSError:
        return "unknown"
    return "".join(sign for sign in said if sign.isprintable()) or "unknown"


def is_held(lock: Path) -> bool:
    """Whether a process holds it now."""
    try:
        with lock.open("r", encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
