"""What the server said of itself while measured, as AIPerf scraped it (server_metrics_export.json).

Histograms of several engines are put together by their counts, peaks by the largest. vLLM's and Dynamo's
frontend's names are known; a server with other names gives None.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simkit.core.measured import ServerSide
from simkit.formats.benchmark_results.fields import at, load_json, number

# The engine's own numbers first; the frontend's include its network and tokenizer.
_TTFT = (
    "vllm:time_to_first_token_seconds",
    "sglang:time_to_first_token_seconds",
    "dynamo_frontend_time_to_first_token_seconds",
)
_ITL = (
    "vllm:request_time_per_output_token_seconds",  # the per-request mean, as ours
    "vllm:inter_token_latency_seconds",
    "sglang:inter_token_latency_seconds",
    "dynamo_frontend_inter_token_latency_seconds",
)
_E2E = (
    "vllm:e2e_request_latency_seconds",
    "sglang:e2e_request_latency_seconds",
    "dynamo_frontend_request_duration_seconds",
)
_QUEUE = ("vllm:request_queue_time_seconds", "sglang:queue_time_seconds")
_USAGE = ("vllm:kv_cache_usage_perc", "sglang:token_usage")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "dynamo_frontend_queued_requests")
_PREEMPTIONS = ("vllm:num_preemptions",)
_CACHED = (("vllm:prefix_cache_hits", "vllm:prefix_cache_queries"),)


def server_side(path: Path, benchmark_id: str | None = None) -> ServerSide | None:
    """The server's means in an AIPerf server-metrics export; None where it is another benchmark's."""
    document = load_json(path)
    metrics = at(document, "metrics")
    other = benchmark_id is not None and at(document, "benchmark_id") != benchmark_id
    return None if other or not isinstance(metrics, Mapping) else server_side_of(metrics)


def server_side_of(metrics: Mapping[str, Any]) -> ServerSide:
    """The same from the parsed block of metrics."""
    return ServerSide(
        ttft_s=_mean(metrics, _TTFT),
        itl_s=_mean(metrics, _ITL),
        e2e_s=_mean(metrics, _E2E),
        queue_s=_mean(metrics, _QUEUE),
        kv_usage_frac=_peak(metrics, _USAGE),
        cached_prompt_frac=_share(metrics),
        preemptions=_total(metrics, _PREEMPTIONS),
        waiting_peak=_peak(metrics, _WAITING),
    )


def _stats(metrics: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    """The statistics of every series of the first name that is there."""
    for name in names:
        series = at(metrics, name, "series")
        if isinstance(series, list) and series:
            return [stats for item in series if isinstance(stats := at(item, "stats"), Mapping)]
    return []


def _mean(metrics: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """A histogram's mean over all engines; None where nothing was observed."""
    for name in names:
        stats = _stats(metrics, (name,))
        count = sum(number(item.get("count")) or 0.0 for item in stats)
        if count > 0:
            return sum(number(item.get("sum")) or 0.0 for item in stats) / count
    return None


def _peak(metrics: Mapping[str, Any], names: Iterable[str]) -> float | None:
    values = [number(item.get("max")) for item in _stats(metrics, names)]
    return max((value for value in values if value is not None), default=None)


def _total(metrics: Mapping[str, Any], names: Iterable[str]) -> float | None:
    values = [number(item.get("total")) for item in _stats(metrics, names)]
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _share(metrics: Mapping[str, Any]) -> float | None:
    for hits, queries in _CACHED:
        found, asked = _total(metrics, (hits,)), _total(metrics, (queries,))
        if found is not None and asked:
            return found / asked
    return None
