"""The one way files are read: so many bytes at most, whatever lies there; as text, as JSON, line by line.

Every error is one line that says what is wrong, where, and what to do (`remedy`). Devices and pipes are read
like files, up to the bound; a pipe that says nothing is given up.
"""

import io
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.json_texts import json_value

MOST_TEXT = 5_000_000  # bytes of a document that people or simkit wrote
MOST_RESULT = 250_000_000  # of what a benchmark wrote, single requests among it
MOST_LINES = 4_000_000_000  # of a file that is read line by line
MOST_LINE = 1 << 24
_SILENCE_S = 30.0  # that a pipe may take until it says something
_CHUNK = 1 << 20
_CHECK_PATH = "check the path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a file may be, and what to do where it is not.

    strict: documents of our own and of people, in which every number is finite and every key is given once.
    """

    most: int = MOST_TEXT
    remedy: str = "correct it"
    strict: bool = True


DOCUMENT = Bounds()
# What code meets that takes a damaged document for a whole one.
DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError)


def read_bytes(path: Path, bounds: Bounds = DOCUMENT) -> bytes:
    """All of a file. Raises InputError where it cannot be read or is too large."""
    with _opened(path) as descriptor:
        chunks, total = [], 0
        while total <= bounds.most and (chunk := _read(path, descriptor)):
            chunks.append(chunk)
            total += len(chunk)
    if total > bounds.most:
        raise InputError(f"{path}: more than {_size(bounds.most)}, which no such file has; {bounds.remedy}")
    return b"".join(chunks)


def read_text(path: Path, bounds: Bounds = DOCUMENT) -> str:
    """A text file as UTF-8, lines ending as on Unix. Raises InputError."""
    return decoded(read_bytes(path, bounds), str(path))


def decoded(content: bytes, source: str) -> str:
    """Bytes as text. Raises InputError where they are no UTF-8."""
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def read_json(path: Path, bounds: Bounds = DOCUMENT) -> Any:
    """A JSON file as parsed and checked. Raises InputError."""
    return parse_json(read_text(path, bounds), str(path), bounds)


def read_json_object(path: Path, bounds: Bounds = DOCUMENT) -> dict[str, Any]:
    """A JSON file that holds an object. Raises InputError."""
    found = read_json(path, bounds)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, got {_kind(found)}; {bounds.remedy}")
    return found


def parse_json(text: str, source: str, bounds: Bounds = DOCUMENT) -> Any:
    """JSON text as parsed; `source` is the name that errors carry. Raises InputError."""
    return json_value(text, source, remedy=bounds.remedy, strict=bounds.strict)


def read_lines(path: Path, bounds: Bounds) -> Iterator[bytes]:
    """Every line with its end, MOST_LINE bytes of it at most. Raises InputError."""
    with _opened(path) as descriptor, io.BufferedReader(_Raw(path, descriptor)) as file:
        yield from bounded_lines(file, str(path), bounds)


def bounded_lines(file: io.BufferedIOBase, source: str, bounds: Bounds) -> Iterator[bytes]:
    """The same of an open file, one that unpacks what it reads among them."""
    total = 0
    while line := file.readline(MOST_LINE):
        total += len(line)
        if total > bounds.most:
            raise InputError(f"{source}: more than {_size(bounds.most)}; {bounds.remedy}")
        yield line
        while len(line) == MOST_LINE and not line.endswith(b"\n"):
            line = file.readline(MOST_LINE)
            total += len(line)


def opened_bounded(path: Path) -> "io.BufferedReader":
    """A file as a stream that no silent pipe holds up; the caller closes it. Raises InputError."""
    return io.BufferedReader(_Raw(path, _descriptor(path), owned=True))


class _Raw(io.RawIOBase):
    """A descriptor as Python's own readers take it."""

    def __init__(self, path: Path, descriptor: int, *, owned: bool = False) -> None:
        self._path, self._descriptor, self._owned = path, descriptor, owned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = _read(self._path, self._descriptor, len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if self._owned and not self.closed:
            os.close(self._descriptor)
        super().close()


def _descriptor(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); {_CHECK_PATH}") from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = _descriptor(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(path: Path, descriptor: int, most: int = _CHUNK) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            _wait(path, descriptor)
        return os.read(descriptor, most)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_CHECK_PATH}") from error


def _wait(path: Path, descriptor: int) -> None:
    """Until there is something to read, or the writer has gone."""
    try:
        ready, _, _ = select.select([descriptor], [], [], _SILENCE_S)
    except ValueError:  # a directory, or a number too large to be waited for: reading says what is wrong
        return
    if not ready:
        raise InputError(f"{path}: nothing came through this pipe for {_SILENCE_S:g} s; give a file")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), type(value).__name__)


def _size(count: int) -> str:
    return f"{count // 10**9} GB" if count >= 10**9 else f"{count // 10**6} MB"
