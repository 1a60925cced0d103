"""Lines of a trace file, compressed or not, checked and gathered into arrays."""

import gzip
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from simkit.core.errors import InputError
from simkit.io.reading import MOST_LINE, MOST_LINES, Bounds, bounded_lines, opened_bounded
from simkit.sim.load.lengths import MOST_TOKENS
from simkit.sim.requests import IntArray, Requests

# --- Lines of a trace file, compressed or not, and the checks that every format shares.


MAX_LINE_BYTES = MOST_LINE
_BOUNDS = Bounds(most=MOST_LINES, remedy="cut the trace")
MOST_TIME_S = 1e10  # three centuries; a larger time stamp is a mistake
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Entry(NamedTuple):
    """One request of a trace; time_s counts from any moment, block_ids name the prompt's blocks.

    A turn of a conversation that follows another names its session and how long after the answer it comes;
    its time is the other's and that delay, until it is known when the answer was there.
    """

    time_s: float
    isl_tokens: int
    osl_tokens: int
    block_ids: list[int] | None = None
    session: str | None = None
    delay_s: float | None = None


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
        with opened_bounded(path) as file:
            opened: Any = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
            for line in bounded_lines(opened, str(path), _BOUNDS):
                number += 1
                yield (line.removeprefix(_BOM) if number == 1 else line).strip()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: its gzip data breaks off or is damaged after line {number} ({error}); "
            "fetch the file again"
        ) from error


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


# --- Entries of a trace gathered into arrays, and the lines that are none counted.


FAULTS_KEPT = 5


class EntryReader(Protocol):
    """A format."""

    def entry(self, line: bytes) -> Entry | None:
        """One line's request."""


class Columns:
    """Entries as they come, in compact arrays."""

    def __init__(self) -> None:
        self.time_s, self.isl, self.osl = array("d"), array("q"), array("q")
        self.blocks: list[int] = []
        self.edges = array("q", [0])
        self.after, self.delay_s = array("q"), array("d")  # the turn before; -1: none
        self._last: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """Append one. Raises ValueError for a later turn of a conversation that has not begun."""
        before = -1
        time_s = entry.time_s
        if entry.delay_s is not None and entry.session is not None:
            before = self._last.get(entry.session, -1)
            if before < 0:
                raise ValueError(f"session {shown(entry.session)} has a delay, but no turn before it")
            time_s = self.time_s[before] + entry.delay_s
        if entry.session is not None:
            self._last[entry.session] = len(self.time_s)
        self.after.append(before)
        self.delay_s.append(entry.delay_s or 0.0)
        self.time_s.append(time_s)
        self.isl.append(entry.isl_tokens)
        self.osl.append(entry.osl_tokens)
        self.blocks += entry.block_ids or ()
        self.edges.append(len(self.blocks))

    def requests(self, block_tokens: int) -> Requests:
        """All of them in the order of the file."""
        return Requests(
            arrival_s=np.array(self.time_s, dtype=np.float64),
            isl_tokens=np.array(self.isl, dtype=np.int64),
            osl_tokens=np.array(self.osl, dtype=np.int64),
            block_ids=_numbered(self.blocks),
            block_starts=np.array(self.edges, dtype=np.int64),
            block_tokens=block_tokens,
        )


class LineCount:
    """Reads lines and remembers those that are no request."""

    def __init__(self) -> None:
        self.lines = self.malformed = self.failed = 0
        self.first: list[LineFault] = []

    @property
    def example(self) -> str:
        """The first fault in brackets, as the end of a message."""
        return f" (line {self.first[0].line}: {self.first[0].problem})" if self.first else ""

    def read(self, numbered: Iterable[tuple[int, bytes]], reader: EntryReader, into: Columns) -> None:
        """Every line: an entry into the columns, or counted as failed or malformed."""
        for number, line in numbered:
            self.lines += 1
            try:
                if len(line) >= MAX_LINE_BYTES:
                    raise ValueError(f"longer than {MAX_LINE_BYTES >> 20} MiB")
                entry = reader.entry(line)
                if entry is None:
                    self.failed += 1
                else:
                    into.add(entry)
            except ValueError as error:
                self._note(number, str(error))

    def _note(self, number: int, problem: str) -> None:
        self.malformed += 1
        if len(self.first) < FAULTS_KEPT:
            self.first.append(LineFault(number, problem))


def _numbered(ids: list[int]) -> IntArray:
    """Ids from 0 that fit into 64 bits as they are; others (hashes) numbered in the order they come."""
    try:
        found = np.array(ids, dtype=np.int64)
    except OverflowError:
        found = np.array([-1], dtype=np.int64)
    if len(found) and np.min(found) < 0:
        seen: dict[int, int] = {}
        found = np.array([seen.setdefault(item, len(seen)) for item in ids], dtype=np.int64)
    return found
