"""AIPerf's profile_export.jsonl: one line per request, warm-up requests among them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import RequestRecord, Run, Source, run_of_records
from simkit.formats.benchmark_results.fields import at, number, sha256_of


def read_records(path: Path) -> list[RequestRecord]:
    """The requests of the measured phase, in the file's order; warm-up lines are left out.

    Raises InputError that names the line where the file is damaged.
    """
    return [record for line in _lines(path) if (record := _record(line)) is not None]


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8") as handle:
            for count, text in enumerate(handle, start=1):
                if text.strip():
                    yield _parsed(text, path, count)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give AIPerf's profile_export.jsonl") from error


def _parsed(text: str, path: Path, count: int) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{path}:{count}: not valid JSON; the run was cut off, drop that line or repeat the run"
        ) from error
    if not isinstance(document, Mapping) or not isinstance(document.get("metadata"), Mapping):
        raise InputError(f"{path}:{count}: no request record of AIPerf; give its profile_export.jsonl")
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
        gaps_s=tuple(gap * 1e-3 for gap in gaps if number(gap) is not None) if isinstance(gaps, list) else (),
        error=_error(line),
    )


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
