"""AIPerf's profile_export.jsonl: one line per request, warm-up requests among them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import RequestRecord, Run, Source, run_of_records
from simkit.formats.benchmark_results.fields import at, number, sha256_of
from simkit.io.reading import MOST_LINE, MOST_LINES, Bounds, decoded, parse_json, read_lines

_REMEDY = "drop that line or repeat the run"
_LINES = Bounds(most=MOST_LINES, remedy=_REMEDY, strict=False)
_MOST = 1e11  # seconds since 1970, or tokens: more is a mistake


def read_records(path: Path) -> list[RequestRecord]:
    """The requests of the measured phase, in the file's order; warm-up lines are left out.

    Raises InputError that names the line where the file is damaged.
    """
    found = ((where, _record(line)) for where, line in _lines(path))
    return [_checked(record, where) for where, record in found if record is not None]


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for count, line in enumerate(read_lines(path, _LINES), start=1):
        if line.strip():
            yield f"{path}:{count}", _parsed(line, f"{path}:{count}")


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    if len(line) >= MOST_LINE:
        raise InputError(f"{where}: longer than {MOST_LINE >> 20} MiB; {_REMEDY}")
    document = parse_json(decoded(line, where).strip(), where, _LINES)
    if not isinstance(document, Mapping) or not isinstance(document.get("metadata"), Mapping):
        raise InputError(f"{where}: no request record of AIPerf; give its profile_export.jsonl")
    return document


def _record(line: Mapping[str, Any]) -> RequestRecord | None:
    metadata, metrics = line["metadata"], line.get("metrics")
    if metadata.get("benchmark_phase") != "profiling":
        return None
    gaps = at(metrics, "inter_chunk_latency", "value")
    return RequestRecord(
        request_id=str(metadata.get("x_request_id")),
        start_s=(number(metadata.get("request_start_ns")) or 0.0) * 1e-9,
        end_s=(number(metadata.get("request_end_ns")) or 0.0) * 1e-9,
        ttft_s=_seconds(metrics, "time_to_first_token"),
        e2e_s=_seconds(metrics, "request_latency"),
        isl_tokens=number(at(metrics, "input_sequence_length", "value")),
        osl_tokens=number(at(metrics, "output_sequence_length", "value")),
        gaps_s=tuple(gap * 1e-3 for item in gaps if (gap := number(item)) is not None)
        if isinstance(gaps, list)
        else (),
        error=_error(line),
    )


def _checked(record: RequestRecord, where: str) -> RequestRecord:
    """The record. Raises InputError for a time or length that none has."""
    names = ("start_s", "end_s", "ttft_s", "e2e_s", "isl_tokens", "osl_tokens")
    values = [(name, getattr(record, name)) for name in names]
    values += [("a gap between chunks [s]", gap) for gap in record.gaps_s]
    for name, value in values:
        if value is not None and not 0.0 <= value < _MOST:
            raise InputError(f"{where}: {name} must be from 0 to {_MOST:g}, got {value:g}; {_REMEDY}")
    return record


def _error(line: Mapping[str, Any]) -> str | None:
    if line["metadata"].get("was_cancelled"):
        return "cancelled"
    error = line.get("error")
    return str(at(error, "message") or error) if error else None


def _seconds(metrics: Any, tag: str) -> float | None:
    value = number(at(metrics, tag, "value"))
    return None if value is None else value * 1e-3


def read_records_run(path: Path, **load: Any) -> Run:
    """The run in a profile_export.jsonl alone, where the summary is lost."""
    source = Source(tool="aiperf", path=str(path), sha256=sha256_of(path))
    notes = ("read from single requests: load and settings are not in that file",)
    return run_of_records(read_records(path), source, notes=notes, **load)
