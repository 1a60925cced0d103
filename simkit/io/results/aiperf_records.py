"""AIPerf's profile_export.jsonl: one line per request, warm-up requests among them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run, Source, Spread
from simkit.io.results.fields import at, number, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One measured request: times in seconds, token counts; gaps_s between its chunks."""

    request_id: str
    start_s: float
    end_s: float
    ttft_s: float | None
    e2e_s: float | None
    isl_tokens: float | None
    osl_tokens: float | None
    gaps_s: tuple[float, ...] = ()
    failed: bool = False

    @property
    def itl_s(self) -> float | None:
        """The mean gap of this request; None for fewer than two tokens."""
        if self.ttft_s is None or self.e2e_s is None or not self.osl_tokens or self.osl_tokens < 2:
            return None
        return (self.e2e_s - self.ttft_s) / (self.osl_tokens - 1.0)


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
        failed=bool(line.get("error")) or bool(metadata.get("was_cancelled")),
    )


def _seconds(metrics: Any, tag: str) -> float | None:
    value = number(at(metrics, tag, "value"))
    return None if value is None else value * 1e-3


def run_of_records(records: list[RequestRecord], source: Source, **load: Any) -> Run:
    """A run put together from its requests; `load` gives concurrency or rate, model and the like.

    Raises InputError when no request succeeded.
    """
    import numpy as np

    good = [item for item in records if not item.failed and None not in (item.ttft_s, item.e2e_s)]
    if not good:
        raise InputError(f"{source.path}: no request succeeded; look at the server's log and repeat the run")
    duration = max(item.end_s for item in good) - min(item.start_s for item in good)
    tokens = sum(item.osl_tokens or 0.0 for item in good)
    return Run(
        source=source,
        isl_tokens=float(np.mean([item.isl_tokens or np.nan for item in good])),
        osl_tokens=tokens / len(good),
        num_requests=len(good),
        num_errors=len(records) - len(good),
        duration_s=duration,
        ttft=spread_of([item.ttft_s for item in good]),
        itl=spread_of([item.itl_s for item in good]),
        icl=spread_of([gap for item in good for gap in item.gaps_s]),
        e2e=spread_of([item.e2e_s for item in good]),
        output_tokens_per_s=tokens / duration if duration > 0 else None,
        requests_per_s=len(good) / duration if duration > 0 else None,
        **load,
    )


def spread_of(values: "list[float | None] | list[float]") -> Spread:
    """Mean, percentiles and standard deviation of seconds; those that are None do not count."""
    import numpy as np

    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return Spread()
    p50, p90, p99 = (float(q) for q in np.percentile(known, (50, 90, 99)))
    return Spread(mean_s=float(known.mean()), p50_s=p50, p90_s=p90, p99_s=p99, std_s=float(known.std()))


def read_records_run(path: Path, **load: Any) -> Run:
    """The run in a profile_export.jsonl alone, where the summary is lost."""
    source = Source(tool="aiperf", path=str(path), sha256=sha256_of(path))
    notes = ("read from single requests: load and settings are not in that file",)
    return run_of_records(read_records(path), source, notes=notes, **load)
