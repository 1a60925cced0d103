"""One exception tree. The CLI catches it once and prints one line."""

import difflib
from collections.abc import Iterable

from simkit.core.harmless import shown_line

_LONGEST = 10_000  # characters of a message; names come from documents


class SimkitError(Exception):
    """What went wrong, where, what was expected and what to do, in one line; exit status 2."""

    exit_code = 2

    def __str__(self) -> str:
        """The message on one line: names come from documents, and a terminal acts on what they may hold."""
        text = super().__str__()
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}..."
        return shown_line(text).replace("\n", "\\n")


class InputError(SimkitError):
    """A document, flag or table that cannot be used as given."""


class UnknownNameError(InputError):
    """A name (model, GPU, key) that the catalogue does not hold."""


class InfeasibleError(SimkitError):
    """Nothing can run: no candidate fits the hardware."""


class ExternalError(SimkitError):
    """An outside system failed; exit status 3."""

    exit_code = 3


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like `name`, best first, case ignored."""
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.45)
    return [by_lower[item] for item in found]


def unknown_name(kind: str, name: str, known: Iterable[str], remedy: str = "") -> UnknownNameError:
    """An UnknownNameError that names the nearest known names."""
    hints = nearest(name, known)
    hint = f"did you mean {' or '.join(hints)}?" if hints else ""
    told = "; ".join(part for part in (f"unknown {kind} {name!r}", hint) if part)
    return UnknownNameError((f"{told} " if hint else f"{told}; ") + remedy if remedy else told)
