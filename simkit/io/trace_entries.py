"""Entries of a trace gathered into arrays, and the lines that are none counted."""

from array import array
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from simkit.io.trace_lines import MAX_LINE_BYTES, Entry, LineFault
from simkit.sim.requests import IntArray, Requests

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

    def add(self, entry: Entry) -> None:
        """Append one."""
        self.time_s.append(entry.time_s)
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
            except ValueError as error:
                self._note(number, str(error))
                continue
            if entry is None:
                self.failed += 1
            else:
                into.add(entry)

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
