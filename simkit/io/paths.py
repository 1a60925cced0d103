"""Where the project's data lives: in the checkout, in the installed wheel, or where the user says."""

import errno
import os
from pathlib import Path

from simkit.core.errors import ExternalError, InputError, SimkitError

ENV_VARIABLE = "SIMKIT_DATA"

# What no other input would change: the disk or its rights.
_OF_THE_SYSTEM = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM,
    errno.EMFILE, errno.ENFILE,
})  # fmt: skip
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PACKAGE = Path(__file__).resolve().parents[1]


def data_dir() -> Path:
    """The folder that holds models/, gpus/ and the fitted artifacts.

    SIMKIT_DATA if set, else the copy inside an installed package, else the checkout's data/.
    Raises InputError when there is none.
    """
    if chosen := os.environ.get(ENV_VARIABLE):
        path = Path(chosen).expanduser()
        if not path.is_dir():
            raise InputError(f"{ENV_VARIABLE}={chosen}: expected an existing folder; correct or unset it")
        return path
    candidates = (_PACKAGE / "_data", _PACKAGE.parent / "data")
    for path in candidates:
        if path.is_dir():
            return path
    looked = " nor ".join(str(path) for path in candidates)
    raise InputError(f"no data folder: neither {looked} exists; reinstall or point {ENV_VARIABLE} at one")


def unwritable(place: Path, error: OSError, remedy: str) -> SimkitError:
    """The error to raise where a file cannot be written; the system's where disk or rights forbid it."""
    kind = ExternalError if error.errno in _OF_THE_SYSTEM else InputError
    helps = f"make room, or {remedy}" if error.errno in _FULL else remedy
    return kind(f"{place}: cannot be written ({error.strerror or error}); {helps}")
