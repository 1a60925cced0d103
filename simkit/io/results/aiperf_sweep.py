"""AIPerf's sweeps: profile_export_aiperf_sweep.json, one run per combination of the swept parameters."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import Run, Source
from simkit.io.results.aiperf import EXPORT, read_aiperf
from simkit.io.results.fields import at, load_json, needed, number, positive, sha256_of, spread_ms

SWEEP = "profile_export_aiperf_sweep.json"
_STATS = {"mean": "avg", "p50": "p50", "p90": "p90", "p99": "p99", "std": "std"}


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
        for file in folder.rglob(EXPORT)
        if "aggregate" not in file.relative_to(folder).parts
        and "phases" not in file.relative_to(folder).parts
        and len(file.relative_to(folder).parts) <= 4
    ]
    return sorted(found, key=lambda file: [_natural(part) for part in file.relative_to(folder).parts])


def _natural(text: str) -> tuple[str, int]:
    name, _, tail = text.rpartition("_")
    return (name, int(tail)) if tail.isdigit() else (text, 0)


def _combination(item: Any, path: Path, source: Source) -> Run:
    metrics, parameters = at(item, "metrics"), at(item, "parameters") or {}
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
