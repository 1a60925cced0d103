"""Progress of an installation on a terminal: the step, and how much is there already."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simkit.cli.output import remark

_LOOK_S = 2.0  # between looks at the size


@contextmanager
def shown_installing(folder: Path, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """What says the steps of an installation into the folder; on a terminal with the megabytes so far."""
    if quiet or not sys.stderr.isatty():
        yield lambda text: remark(text, quiet=quiet)
        return
    from rich.console import Console
    from rich.text import Text

    before, step, ended = _megabytes(folder), [""], threading.Event()
    with Console(stderr=True).status("") as status:

        def look() -> None:
            while not ended.wait(_LOOK_S):
                status.update(Text(f"{step[0]}: {max(_megabytes(folder) - before, 0):,.0f} MB so far"))

        def say(text: str) -> None:
            step[0] = text
            status.update(Text(text))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield say
        finally:
            ended.set()
            watcher.join()


def _megabytes(folder: Path) -> float:
    """What lies below a folder; files that vanish meanwhile count for nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total / 1e6
