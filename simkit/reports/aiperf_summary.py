"""The summary of a simulated run in the shape of AIPerf's profile_export_aiperf.json (0.13, schema 1.4).

Metrics have AIPerf's names and units, so that what reads its export reads this one. Metrics of the
client and of HTTP have no counterpart here and are left out.
"""

from typing import Any

from simkit.sim.results.statistics import PERCENTILES, Distribution
from simkit.sim.results.summary import RunSummary

SCHEMA_VERSION = "1.4"
_MS = 1e3
_PER_USER = "tokens/sec/user"

# AIPerf's name, ours (simkit.sim.results.summary.request_metrics), unit, factor from SI.
_RECORD_METRICS = (
    ("request_latency", "e2e_s", "ms", _MS),
    ("time_to_first_token", "ttft_s", "ms", _MS),
    ("time_to_first_output_token", "ttft_s", "ms", _MS),
    ("inter_token_latency", "itl_s", "ms", _MS),
    ("decode_duration", "decode_s", "ms", _MS),
    ("output_token_throughput_per_user", "tps_per_user", _PER_USER, 1.0),
    ("e2e_output_token_throughput", "e2e_tps_per_user", _PER_USER, 1.0),
    ("prefill_throughput_per_user", "prefill_tps_per_user", _PER_USER, 1.0),
    ("output_sequence_length", "osl_tokens", "tokens", 1.0),
    ("input_sequence_length", "isl_tokens", "tokens", 1.0),
    ("output_token_count", "osl_tokens", "tokens", 1.0),
    ("usage_prompt_tokens", "isl_tokens", "tokens", 1.0),
    ("usage_completion_tokens", "osl_tokens", "tokens", 1.0),
    ("usage_prompt_cache_read_tokens", "cached_tokens", "tokens", 1.0),
)
_IN_FLIGHT = (
    ("effective_concurrency", "all"),
    ("effective_prefill_concurrency", "prefill"),
    ("effective_decode_concurrency", "decode"),
)
_IN_FLIGHT_PERCENTILES = (50, 90, 95, 99)


def aiperf_metrics(summary: RunSummary) -> dict[str, Any]:
    """Every metric by AIPerf's name, milliseconds where AIPerf has them."""
    found = {
        name: _record(summary.distributions[own], unit, factor)
        for name, own, unit, factor in _RECORD_METRICS
        if own in summary.distributions
    }
    found |= {name: {"unit": unit, "avg": value} for name, (unit, value) in _totals(summary).items()}
    for name, phase in _IN_FLIGHT:
        if phase in summary.in_flight:
            found[name] = _over_time(summary.in_flight[phase])
    return found


def aiperf_document(summary: RunSummary, warmup: RunSummary | None = None) -> dict[str, Any]:
    """The whole export but for what a caller adds. No request fails in a simulation."""
    document = {"schema_version": SCHEMA_VERSION, **aiperf_metrics(summary)}
    if warmup is not None:
        document["warmup_metrics"] = aiperf_metrics(warmup)
    return document | {"was_cancelled": False, "is_complete": True, "error_summary": []}


def _record(values: Distribution, unit: str, factor: float) -> dict[str, Any]:
    """A metric of single requests: AIPerf's statistics in AIPerf's order."""
    return {
        "unit": unit,
        "avg": values.mean * factor,
        **{f"p{q}": values.percentiles[q] * factor for q in PERCENTILES},
        "min": values.low * factor,
        "max": values.high * factor,
        "std": values.std * factor,
        "count": values.count,
        "sum": values.total * factor,
    }


def _over_time(values: Distribution) -> dict[str, Any]:
    """A metric of the whole deployment, weighted by time."""
    return {
        "unit": "requests",
        "avg": values.mean,
        **{f"p{q}": values.percentiles[q] for q in _IN_FLIGHT_PERCENTILES},
        "min": values.low,
        "max": values.high,
        "std": values.std,
    }


def _totals(summary: RunSummary) -> dict[str, tuple[str, float]]:
    per_s = 1.0 / summary.duration_s
    found = {
        "request_throughput": ("requests/sec", summary.request_rate_per_s),
        "request_count": ("requests", summary.requests),
        "completed_request_count": ("requests", summary.requests),
        "request_error_rate": ("%", 0.0),
        "output_token_throughput": ("tokens/sec", summary.output_tokens_per_s),
        "input_token_throughput": ("tokens/sec", summary.isl_tokens * per_s),
        "total_token_throughput": ("tokens/sec", (summary.isl_tokens + summary.osl_tokens) * per_s),
        "benchmark_duration": ("sec", summary.duration_s),
        "total_isl": ("tokens", summary.isl_tokens),
        "total_osl": ("tokens", summary.osl_tokens),
        "total_output_tokens": ("tokens", summary.osl_tokens),
    }
    if summary.good_requests is not None:
        found["goodput"] = ("requests/sec", summary.good_requests * per_s)
        found["good_request_count"] = ("requests", summary.good_requests)
        found["good_request_fraction"] = ("ratio", summary.good_requests / summary.requests)
    return found
