"""Text that remembers where it was written, for those who ask where a setting came from."""

from typing import Any


class Placed(str):
    """A text with its file and line; equal to the plain text in everything else."""

    __slots__ = ("file", "line")

    file: str
    line: int

    def __new__(cls, text: str, line: int, file: str = "") -> "Placed":
        """The text, written in that line (from 1) of that file ('': the command line itself)."""
        found = super().__new__(cls, text)
        found.file, found.line = file, line
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return (Placed, (str(self), self.line, self.file))

    def __str__(self) -> str:
        return "".join(self)


def place_of(text: str) -> str:
    """`deploy.yaml line 12`, `line 3`, or '' where it is not known."""
    if not isinstance(text, Placed):
        return ""
    return f"{text.file} line {text.line}".strip()


def placed_like(text: str, where: str) -> str:
    """`text` at the place of `where`, which it was made from."""
    return Placed(text, where.line, where.file) if isinstance(where, Placed) else text
