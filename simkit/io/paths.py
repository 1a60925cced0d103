"""Where the project's data lives: in the checkout, in the installed wheel, or where the user says."""

import os
from pathlib import Path

from simkit.core.errors import InputError

ENV_VARIABLE = "SIMKIT_DATA"

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
