"""What the server said of itself while measured, as AIPerf scraped it (server_metrics_export.json).

Histograms of several engines are put together by their counts, peaks by the largest. The engines'
and Dynamo's frontend's names are known; a server with other names gives None.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from simkit.core.measured import ServerSide
from simkit.engines.registry import engine_specs
from simkit.engines.spec import ServerMetrics
from simkit.formats.benchmark_results.fields import at, load_json, number

# The engine's own numbers first; the frontend's include its network and tokenizer.
_FRONTEND = ServerMetrics(
    ttft=("dynamo_frontend_time_to_first_token_seconds",),
    itl=("dynamo_frontend_inter_token_latency_seconds",),
    e2e=("dynamo_frontend_request_duration_seconds",),
    waiting=("dynamo_frontend_queued_requests",),
)


def _known() -> ServerMetrics:
    """The names of all engines, then the frontend's."""
    sources = (*(spec.metrics for spec in engine_specs()), _FRONTEND)
    return ServerMetrics(
        **{
            item.name: sum((getattr(source, item.name) for source in sources), ())
            for item in fields(_FRONTEND)
        }
    )


def server_side(path: Path, benchmark_id: str | None = None) -> ServerSide | None:
    """The server's means in an AIPerf server-metrics export; None where it is another benchmark's."""
    document = load_json(path)
    metrics = at(document, "metrics")
    other = benchmark_id is not None and at(document, "benchmark_id") != benchmark_id
    return None if other or not isinstance(metrics, Mapping) else server_side_of(metrics)


def server_side_of(metrics: Mapping[str, Any]) -> ServerSide:
    """The same from the parsed block of metrics."""
    names = _known()
    return ServerSide(
        ttft_s=_mean(metrics, names.ttft),
        itl_s=_mean(metrics, names.itl),
        e2e_s=_mean(metrics, names.e2e),
        queue_s=_mean(metrics, names.queue),
        kv_usage_frac=_peak(metrics, names.usage),
        cached_prompt_frac=_share(metrics, names.cached),
        preemptions=_total(metrics, names.preemptions),
        waiting_peak=_peak(metrics, names.waiting),
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


def _share(metrics: Mapping[str, Any], pairs: Iterable[tuple[str, str]]) -> float | None:
    for hits, queries in pairs:
        found, asked = _total(metrics, (hits,)), _total(metrics, (queries,))
        if found is not None and asked:
            return found / asked
    return None
