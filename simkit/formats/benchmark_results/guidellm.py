"""GuideLLM's benchmarks.json: one run per benchmark of the report.

Its inter_token_latency is (last - first token)/(tokens - 1), our ITL; the mean counts requests by their
tokens, which is the same for equal lengths. Its time_per_output_token divides the whole request's time by its
tokens and is no ITL.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.formats.benchmark_results.fields import (
    Load,
    at,
    needed,
    number,
    positive,
    scaled,
    sha256_of,
    spread_ms,
)

_STATS = {
    "mean": "mean",
    "p50": "median",
    "p75": "percentiles.p75",
    "p90": "percentiles.p90",
    "p95": "percentiles.p95",
    "p99": "percentiles.p99",
    "std": "std_dev",
}
_OPEN = ("constant", "poisson")


def is_guidellm(document: Any) -> bool:
    """Whether a parsed JSON file is a GuideLLM report."""
    benchmarks = at(document, "benchmarks")
    return isinstance(benchmarks, list) and any(at(item, "metrics") is not None for item in benchmarks)


def read_guidellm(document: Mapping[str, Any], path: Path) -> list[Run]:
    """The runs of a report, in its order."""
    found = [_run(item, path, index) for index, item in enumerate(document["benchmarks"])]
    if not found:
        raise InputError(f"{path}: the report holds no benchmark; repeat the run")
    return found


def _run(item: Mapping[str, Any], path: Path, index: int) -> Run:
    metrics = at(item, "metrics")
    totals = at(metrics, "request_totals")
    requests = int(needed(totals, path, "successful"))
    load = _load(item, metrics, requests)
    return Run(
        source=Source(tool="guidellm", path=f"{path}#{index}", sha256=sha256_of(path)),
        isl_tokens=needed(metrics, path, "prompt_token_count", "successful", "mean"),
        osl_tokens=needed(metrics, path, "output_token_count", "successful", "mean"),
        **load,
        num_requests=requests,
        num_errors=int(number(at(totals, "errored")) or 0),
        duration_s=positive(at(item, "duration")),
        ttft=_spread(metrics, "time_to_first_token_ms"),
        itl=_spread(metrics, "inter_token_latency_ms"),
        e2e=scaled(_spread(metrics, "request_latency"), 1e3),  # this one is in seconds
        output_tokens_per_s=positive(at(metrics, "output_tokens_per_second", "successful", "mean")),
        requests_per_s=positive(at(metrics, "requests_per_second", "successful", "mean")),
        notes=("ITL mean weighted by output tokens",),
    )


def _spread(metrics: Any, name: str) -> MeasuredSpread:
    return spread_ms(at(metrics, name, "successful"), _STATS)


def _load(item: Mapping[str, Any], metrics: Any, requests: int) -> Load:
    """The strategy: streams held, or arrivals at a rate; a sweep's own words where they differ."""
    strategy = at(item, "config", "strategy") or at(item, "args", "strategy") or {}
    kind = str(at(strategy, "type_") or "")
    if kind in _OPEN:
        rate = positive(at(strategy, "rate"))
        return {"concurrency": None, "request_rate_per_s": rate, "requests_per_slot": None}
    streams = positive(at(strategy, "streams")) or (1.0 if kind == "synchronous" else None)
    measured = positive(at(metrics, "request_concurrency", "successful", "mean"))
    slots = streams or measured
    waves = requests / slots if slots else None
    return {"concurrency": slots, "request_rate_per_s": None, "requests_per_slot": waves}
