"""What one measurement is, what a run may use, and the columns of the table."""

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIZES = (
    "m", "n", "k", "prompts", "new_tokens", "keys_per_query", "seqs", "keys", "heads", "kv_heads", "head_dim",
    "num_tokens", "hidden", "inter", "topk", "experts", "bytes",
)  # fmt: skip
COLUMNS = (
    "family", "name", "variant", *SIZES,
    "time_us_median", "time_us_p25", "time_us_p75", "repeats", "mode", "note",
)  # fmt: skip

Call = Callable[[int], object]  # the number of the copy in the graph -> one operation started


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operation at one size.

    make allocates the operands and returns the call to be timed, or a dict of findings for the note when
    there is nothing to time. copies fixes the length of the chain; None lets the timer choose it.
    """

    family: str
    name: str
    variant: str
    make: Callable[[], Any]
    sizes: dict[str, float] = field(default_factory=dict)
    modes: tuple[str, ...] = ("graph",)
    copies: int | None = None
    flush: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where to run, and whether only to rehearse with tiny sizes."""

    device: str
    quick: bool

    @property
    def on_gpu(self) -> bool:
        """Whether times mean anything."""
        return self.device == "cuda"

    def pick(self, full: Any, tiny: Any) -> Any:
        """The grid to use: the full one, or the rehearsal's."""
        return tiny if self.quick else full


CaseMaker = Callable[[Settings], Iterator[Case]]


def error_note(error: BaseException) -> str:
    """One short line for the table: the kind of error and the first line of its text."""
    lines = str(error).strip().splitlines() or [""]
    return f"error: {type(error).__name__}: {lines[0][:160]}"


class TableWriter:
    """A CSV file that holds every row at once: what was measured survives whatever comes next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = 0
        if not path.exists():
            self._append(COLUMNS)

    def _append(self, values: Any) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(values)

    def write(self, case: Case, *, mode: str, note: str, times: dict[str, float] | None = None) -> None:
        """Append one row; times is None for a failure or a check."""
        known = {"family": case.family, "name": case.name, "variant": case.variant, **case.sizes}
        known |= times or {}
        known |= {"mode": mode, "note": "; ".join(part for part in (case.note, note) if part)}
        self._append([known.get(column, "") for column in COLUMNS])
        self.rows += 1


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock [s]."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds until then; negative when it has passed."""
        return self.at_s - time.monotonic()

    def share(self, fraction: float) -> "Deadline":
        """The moment at which a fraction of what is left now is used up."""
        return Deadline.after(self.left_s * fraction)
