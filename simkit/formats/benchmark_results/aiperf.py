"""AIPerf's profile_export_aiperf.json (schema 1.x) and its sweeps: one run each with its settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run, ServerSide, Source
from simkit.formats.benchmark_results.fields import (
    Load,
    at,
    load_json,
    needed,
    number,
    positive,
    sha256_of,
    spread_ms,
)
from simkit.formats.benchmark_results.server_metrics import server_side

# --- AIPerf's profile_export_aiperf.json (schema 1.x): one run with its settings.
# Its inter_token_latency is (request_latency - TTFT)/(OSL - 1) per request: our ITL. inter_chunk_latency is
# the list of single gaps: our ICL. Warm-up requests are in a block of their own and stay out.


EXPORT = "profile_export_aiperf.json"
RECORDS = "profile_export.jsonl"
SERVER = "server_metrics_export.json"

_STATS = {"mean": "avg", "std": "std"} | {name: name for name in ("p50", "p75", "p90", "p95", "p99")}


def is_aiperf(document: Any) -> bool:
    """Whether a parsed JSON file is an AIPerf run export."""
    return isinstance(document, Mapping) and "aiperf_version" in document and "request_latency" in document


def read_aiperf(path: Path) -> Run:
    """The run in an AIPerf export, with the server's metrics where their file lies beside it."""
    document = load_json(path)
    if not is_aiperf(document):
        raise InputError(
            f"{path}: not an AIPerf run export (aiperf_version and request_latency expected); "
            f"give the folder or the {EXPORT} of a finished run"
        )
    beside = path.with_name(SERVER)
    mine = _text(document.get("benchmark_id"))
    return run_of_export(document, path, server_side(beside, mine) if beside.is_file() else None)


def run_of_export(document: Mapping[str, Any], path: Path, server: ServerSide | None = None) -> Run:
    """The run that a parsed export describes."""
    load = _load(document)
    osl = needed(document, path, "output_sequence_length", "avg")
    requests = int(needed(document, path, "request_count", "avg"))
    return Run(
        source=_source(document, path),
        model=_first(at(document, "input_config", "models", "items"), "name"),
        isl_tokens=needed(document, path, "input_sequence_length", "avg"),
        osl_tokens=osl,
        **load,
        num_requests=requests,
        num_errors=_errors(document, requests),
        duration_s=positive(at(document, "benchmark_duration", "avg")),
        ttft=spread_ms(document.get("time_to_first_token"), _STATS),
        itl=spread_ms(document.get("inter_token_latency"), _STATS),
        icl=spread_ms(document.get("inter_chunk_latency"), _STATS),
        e2e=spread_ms(document.get("request_latency"), _STATS),
        output_tokens_per_s=positive(at(document, "output_token_throughput", "avg")),
        requests_per_s=positive(at(document, "request_throughput", "avg")),
        goodput_per_s=number(at(document, "goodput", "avg")),
        client_delay_s=_delay_s(document),
        osl_off_frac=_osl_off(document, osl),
        server=server,
        complete=document.get("is_complete") is not False and not document.get("was_cancelled"),
        notes=_notes(document),
    )


def _source(document: Mapping[str, Any], path: Path) -> Source:
    return Source(
        tool="aiperf",
        version=_text(document.get("aiperf_version")),
        path=str(path),
        started=_text(document.get("start_time")),
        command=_text(at(document, "run_info", "cli_command")),
        sha256=sha256_of(path),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _first(items: Any, key: str) -> Any:
    return at(items[0], key) if isinstance(items, list) and items else None


def phase_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The measured phase of the settings; empty where the export does not say."""
    phases = at(document, "input_config", "phases")
    measured = [p for p in phases if at(p, "name") == "profiling"] if isinstance(phases, list) else []
    return measured[0] if measured and isinstance(measured[0], Mapping) else {}


def _load(document: Mapping[str, Any]) -> Load:
    """Closed or open loop as it was asked for; requests per slot follow from the count."""
    phase = phase_of(document)
    rate = positive(phase.get("rate"))
    slots = None if rate else positive(phase.get("concurrency"))
    count = positive(at(document, "request_count", "avg"))
    waves = count / slots if count and slots else None
    return {"concurrency": slots, "request_rate_per_s": rate, "requests_per_slot": waves}


def _errors(document: Mapping[str, Any], requests: int) -> int:
    """Failed requests: from their rate, or the summary of errors."""
    rate = number(at(document, "request_error_rate", "avg"))
    if rate and rate < 100:
        return round(requests * rate / (100 - rate))
    summary = document.get("error_summary")
    if not isinstance(summary, list):
        return 0
    return sum(int(number(at(entry, "count")) or 0) for entry in summary)


def _delay_s(document: Mapping[str, Any]) -> float | None:
    value = number(at(document, "credit_to_start_latency", "avg"))
    return None if value is None else value * 1e-3


def _osl_off(document: Mapping[str, Any], osl: float) -> float | None:
    dataset = _first(at(document, "input_config", "datasets"), "prompts") or {}
    asked = positive(at(dataset, "osl", "mean"))
    asked = asked or positive(at(document, "input_config", "endpoint", "extra", "min_tokens"))
    return osl / asked - 1.0 if asked else None


def _notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = {
        "cancelled before its end": bool(document.get("was_cancelled")),
        "tokens counted by the client's tokenizer, not by the server": not at(
            document, "input_config", "endpoint", "use_server_token_count"
        ),
        "no streaming: TTFT and ITL are not measured": "time_to_first_token" not in document,
    }
    failed = failures_of(document)
    notes = tuple(note for note, applies in found.items() if applies)
    return (*notes, f"failures: {failed}") if failed else notes


def failures_of(document: Any) -> str:
    """Why requests failed, most common first: `9 x ClientConnectorError, 4 x HTTP 500`; empty if none."""
    summary = at(document, "error_summary")
    counts: dict[str, int] = {}
    for entry in summary if isinstance(summary, list) else []:
        code, kind = at(entry, "error_details", "code"), at(entry, "error_details", "type")
        reason = f"HTTP {code}" if code else str(kind or "unknown")[:60]
        counts[reason] = counts.get(reason, 0) + int(number(at(entry, "count")) or 0)
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{count} x {reason}" for reason, count in ordered)


# --- AIPerf's sweeps: profile_export_aiperf_sweep.json, one run per combination of the swept parameters.


SWEEP = "profile_export_aiperf_sweep.json"


def is_sweep(document: Any) -> bool:
    """Whether a parsed JSON file is an AIPerf sweep summary."""
    return isinstance(document, Mapping) and isinstance(document.get("per_combination_metrics"), list)


def read_sweep(path: Path) -> list[Run]:
    """The runs of a sweep: in full from the folders beside it where they are there, else its summary."""
    folder = path.parent.parent
    exports = [file for file in _exports(folder) if file.parent != path.parent]
    if exports:
        return [read_aiperf(file) for file in exports]
    document = load_json(path)
    combinations = document["per_combination_metrics"]
    if not combinations:
        raise InputError(f"{path}: the sweep holds no finished combination; repeat it")
    source = Source(tool="aiperf", path=str(path), sha256=sha256_of(path))
    return [_combination(item, path, source) for item in combinations]


def read_sweep_folder(folder: Path) -> list[Run]:
    """The runs in the folders of a sweep, aggregates left out."""
    return [read_aiperf(file) for file in _exports(folder)]


def _exports(folder: Path) -> list[Path]:
    """Run exports below a folder: concurrency_4/..., or concurrency_4/run_1/..., numbers in order."""
    found = [
        file
        for name in (EXPORT, f"{EXPORT}.zst")  # AIPerf's operator keeps NAMESPACE/JOB/TIME/ and may compress
        for file in folder.rglob(name)
        if "aggregate" not in file.relative_to(folder).parts
        and "phases" not in file.relative_to(folder).parts
        and len(file.relative_to(folder).parts) <= 4
    ]
    return sorted(found, key=lambda file: [_natural(part) for part in file.relative_to(folder).parts])


def _natural(text: str) -> tuple[str, int]:
    name, _, tail = text.rpartition("_")
    return (name, int(tail)) if tail.isdecimal() else (text, 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _combination(item: Any, path: Path, source: Source) -> Run:
    metrics, parameters = at(item, "metrics"), _mapping(at(item, "parameters"))
    errors = number(at(metrics, "request_error_rate", "avg")) or 0.0
    count = int(needed(metrics, path, "request_count", "avg"))
    rate = positive(parameters.get("request_rate"))
    slots = None if rate else positive(parameters.get("concurrency"))
    return Run(
        source=replace(source, path=f"{source.path}#{','.join(f'{k}={v}' for k, v in parameters.items())}"),
        isl_tokens=needed(metrics, path, "input_sequence_length", "avg"),
        osl_tokens=needed(metrics, path, "output_sequence_length", "avg"),
        concurrency=slots,
        request_rate_per_s=rate,
        requests_per_slot=count / slots if slots else None,
        num_requests=count,
        num_errors=round(count * errors / (100 - errors)) if errors < 100 else 0,
        duration_s=positive(at(metrics, "benchmark_duration", "avg")),
        ttft=spread_ms(at(metrics, "time_to_first_token"), _STATS),
        itl=spread_ms(at(metrics, "inter_token_latency"), _STATS),
        icl=spread_ms(at(metrics, "inter_chunk_latency"), _STATS),
        e2e=spread_ms(at(metrics, "request_latency"), _STATS),
        output_tokens_per_s=positive(at(metrics, "output_token_throughput", "avg")),
        requests_per_s=positive(at(metrics, "request_throughput", "avg")),
    )
