"""Lines of a trace file, compressed or not, and the checks that every format shares."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from simkit.core.errors import InputError
from simkit.sim.lengths import MOST_TOKENS

MAX_LINE_BYTES = 1 << 24
MOST_TIME_S = 1e10  # three centuries; a larger time stamp is a mistake
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Entry(NamedTuple):
    """One request of a trace; time_s counts from any moment, block_ids name the prompt's blocks."""

    time_s: float
    isl_tokens: int
    osl_tokens: int
    block_ids: list[int] | None = None


class LineFault(NamedTuple):
    """A line that is no request, counted from 1, and why."""

    line: int
    problem: str


def trace_lines(path: Path) -> Iterator[bytes]:
    """Every line without its end; a line longer than MAX_LINE_BYTES comes cut off at that length.

    Raises InputError where the file cannot be read to its end.
    """
    number = 0
    try:
        with path.open("rb") as file:
            opened = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
            for line in _cut_lines(cast(BinaryIO, opened)):
                number += 1
                yield (line.removeprefix(_BOM) if number == 1 else line).strip()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: its gzip data breaks off or is damaged after line {number} ({error}); "
            "fetch the file again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a trace: Mooncake JSONL, "
            "Azure CSV or BurstGPT CSV"
        ) from error


def _cut_lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES):
        yield line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)


def tokens(name: str, value: object) -> int:
    """A token count as it must be; ValueError says what is wrong."""
    if type(value) is not int or not 1 <= value <= MOST_TOKENS:
        raise ValueError(f"{name} must be a whole number from 1 to {MOST_TOKENS:,}, got {shown(value)}")
    return value


def seconds(name: str, value: object, scale: float = 1.0) -> float:
    """A time stamp in seconds after multiplying by `scale`; ValueError says what is wrong."""
    most = MOST_TIME_S / scale
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most:.0e}, got {shown(value)}")
    return float(value) * scale


def shown(value: object, limit: int = 40) -> str:
    """The value as it may stand in a message: its first letters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
