"""Recorded traffic: when requests came, how long they were and what their prompts shared.

A line that is no request is left out, counted, and named by its number.
"""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.errors import InputError, unknown_name
from simkit.formats.traces.entries import Columns, LineCount, LineFault, trace_lines
from simkit.formats.traces.kinds import AZURE, BURSTGPT, CsvReader, MooncakeReader
from simkit.formats.traces.kinds import matches as is_mooncake
from simkit.sim.requests import IntArray, Requests, selected

FORMATS = ("auto", "mooncake", "azure", "burstgpt")
_CSV = {"azure": AZURE, "burstgpt": BURSTGPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """Which part of a trace is replayed, and how fast.

    start_s and end_s count from its first request, in its own time; limit takes the first requests of
    that window. speedup 2 sends them in half the time. block_tokens is what a Mooncake hash id stands for.
    """

    form: str = "auto"
    start_s: float = 0.0
    end_s: float | None = None
    limit: int | None = None
    speedup: float = 1.0
    block_tokens: int = 512

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise unknown_name("trace format", self.form, FORMATS, f"expected one of {', '.join(FORMATS)}")
        if not 1e-6 <= self.speedup <= 1e6:
            raise InputError(f"trace speed-up must be from 1e-6 to 1e6, got {self.speedup:g}")
        end_s = np.inf if self.end_s is None else self.end_s
        if not 0 <= self.start_s < end_s:
            raise InputError(f"trace window from {self.start_s:g} s to {end_s:g} s holds no time")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit of trace requests must be at least 1, got {self.limit}")
        if not 1 <= self.block_tokens <= 10**6:
            raise InputError(f"tokens of a trace block must be from 1 to 1e6, got {self.block_tokens}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was read. failed requests are those that the trace itself marks so; reordered: it was not in
    order of time.
    """

    requests: Requests
    form: str
    lines: int
    malformed: int
    faults: tuple[LineFault, ...]  # the first few
    failed: int
    reordered: bool
    after: IntArray | None = None  # the turn before each request, -1: none; None: no conversations
    delay_s: FloatArray | None = None

    @property
    def fault_lines(self) -> list[str]:
        """What to tell about malformed lines, a line each."""
        told = [f"line {fault.line} left out: {fault.problem}" for fault in self.faults]
        hidden = self.malformed - len(told)
        return [*told, f"and {hidden:,} more malformed lines"] if hidden > 0 else told


def read_trace(path: Path, options: TraceOptions | None = None) -> Trace:
    """The requests of a trace in the order of their times, the first window's begin being time 0.

    Raises InputError for a file that cannot be read, is empty, of no known format, or holds no request.
    """
    options = options or TraceOptions()
    lines = ((number, line) for number, line in enumerate(trace_lines(path), start=1) if line)
    first = next(lines, (0, b""))
    form = _format(path, first, options.form)
    columns, faults = Columns(), LineCount()
    if form == "mooncake":
        faults.read(chain([first], lines), MooncakeReader(options.block_tokens), columns)
    else:
        faults.read(lines, CsvReader(_CSV[form], first[1]), columns)
    if not columns.time_s:
        raise InputError(f"{path}: {faults.lines} lines of a {form} trace, none a request{faults.example}")
    requests = columns.requests(options.block_tokens)
    reordered = bool(np.any(np.diff(requests.arrival_s) < 0))
    order = np.argsort(requests.arrival_s, kind="stable") if reordered else np.arange(len(requests))
    requests = selected(requests, order) if reordered else requests
    index, requests = _window(path, requests, options)
    after, delay_s = _turns(columns, order[index], options.speedup)
    return Trace(
        requests=requests,
        after=after,
        delay_s=delay_s,
        form=form,
        lines=faults.lines,
        malformed=faults.malformed,
        faults=tuple(faults.first),
        failed=faults.failed,
        reordered=reordered,
    )


def _format(path: Path, first: tuple[int, bytes], asked: str) -> str:
    number, line = first
    if not line:
        raise InputError(f"{path}: is empty; expected a trace, a request on each line")
    found = "mooncake" if is_mooncake(line) else ""
    found = found or next((name for name, form in _CSV.items() if form.matches(line)), "")
    if asked == "mooncake" or (not found and asked == "auto" and ".json" in path.name):
        return "mooncake"
    if not found or asked not in ("auto", found):
        headers = "; ".join(f"{name}: {', '.join(form.columns)}" for name, form in _CSV.items())
        raise InputError(
            f"{path}: line {number} begins no {'known' if asked == 'auto' else asked} trace; expected "
            f"Mooncake JSON objects or CSV columns ({headers})"
        )
    return found


def _turns(columns: Columns, places: IntArray, speedup: float) -> tuple[IntArray | None, FloatArray | None]:
    """The turn before each request, by the requests' own places; a turn whose like is left out has none."""
    before = np.array(columns.after, dtype=np.int64)[places]
    if np.all(before < 0):
        return None, None
    own = np.full(len(columns.after), -1, dtype=np.int64)
    own[places] = np.arange(len(places))
    after = np.where(before >= 0, own[before], -1)
    return after, np.array(columns.delay_s, dtype=np.float64)[places] / speedup


def _window(path: Path, requests: Requests, options: TraceOptions) -> tuple[IntArray, Requests]:
    """The part of the trace that is replayed, times from its begin and divided by the speed-up."""
    since_s = requests.arrival_s - requests.arrival_s[0]
    inside = since_s >= options.start_s
    if options.end_s is not None:
        inside &= since_s < options.end_s
    index = np.flatnonzero(inside)[: options.limit]
    if not len(index):
        raise InputError(
            f"{path}: no request between {options.start_s:g} s and {options.end_s or since_s[-1]:g} s; "
            f"the trace lasts {since_s[-1]:g} s"
        )
    cut = selected(requests, index)
    return index, replace(cut, arrival_s=(since_s[index] - options.start_s) / options.speedup)
