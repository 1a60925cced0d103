"""genai-perf's profile_export_genai_perf.json: the same metrics as its successor AIPerf's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.measured import Run, Source
from simkit.formats.benchmark_results.fields import at, needed, positive, sha256_of, spread_ms, without_means

_STATS = {"mean": "avg", "std": "std"} | {name: name for name in ("p50", "p75", "p90", "p95", "p99")}


def is_genai_perf(document: Any) -> bool:
    """Whether a parsed JSON file is genai-perf's export."""
    return (
        isinstance(document, Mapping)
        and "aiperf_version" not in document
        and isinstance(at(document, "request_latency"), Mapping)
        and isinstance(at(document, "input_config"), Mapping)
    )


def read_genai_perf(document: Mapping[str, Any], path: Path) -> Run:
    """The run in a parsed export."""
    stimulus = at(document, "input_config", "perf_analyzer", "stimulus")
    rate = positive(at(stimulus, "request_rate"))
    slots = None if rate else positive(at(stimulus, "concurrency"))
    requests = int(needed(document, path, "request_count", "avg"))
    names = at(document, "input_config", "model_names")
    latencies = {
        "ttft": spread_ms(document.get("time_to_first_token"), _STATS),
        "itl": spread_ms(document.get("inter_token_latency"), _STATS),
        "e2e": spread_ms(document.get("request_latency"), _STATS),
    }
    return Run(
        source=Source(tool="genai-perf", path=str(path), sha256=sha256_of(path)),
        model=str(names[0]) if isinstance(names, list) and names else None,
        isl_tokens=needed(document, path, "input_sequence_length", "avg"),
        osl_tokens=needed(document, path, "output_sequence_length", "avg"),
        concurrency=slots,
        request_rate_per_s=rate,
        requests_per_slot=requests / slots if slots else None,
        num_requests=requests,
        num_errors=0,
        ttft=latencies["ttft"],
        itl=latencies["itl"],
        e2e=latencies["e2e"],
        output_tokens_per_s=positive(at(document, "output_token_throughput", "avg")),
        requests_per_s=positive(at(document, "request_throughput", "avg")),
        notes=without_means(latencies),
    )
