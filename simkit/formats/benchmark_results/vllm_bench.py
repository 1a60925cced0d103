"""`vllm bench serve` and SGLang's `bench_serving`: their TPOT is our ITL, their ITL (single gaps) our ICL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.measured import Run, Source
from simkit.formats.benchmark_results.fields import (
    needed,
    number,
    positive,
    sha256_of,
    spread_ms,
    without_means,
)


def is_vllm_bench(document: Any) -> bool:
    """Whether a parsed JSON file is a result of vLLM's (or SGLang's, which copied it) benchmark."""
    named = isinstance(document, Mapping) and ("mean_ttft_ms" in document or "median_ttft_ms" in document)
    return named and "completed" in document


def read_vllm_bench(document: Mapping[str, Any], path: Path) -> Run:
    """The run in a parsed result file."""
    completed = int(needed(document, path, "completed"))
    requests = max(completed, 1)
    slots = positive(document.get("max_concurrency"))
    rate = positive(document.get("request_rate"))  # "inf": everything at once
    latencies = {
        "ttft": _spread(document, "ttft"),
        "itl": _spread(document, "tpot"),
        "e2e": _spread(document, "e2e_latency" if _is_sglang(document) else "e2el"),
    }
    return Run(
        source=Source(
            tool="sglang-bench" if _is_sglang(document) else "vllm-bench",
            path=str(path),
            started=_text(document.get("date")),
            sha256=sha256_of(path),
        ),
        model=_text(document.get("model_id")),
        isl_tokens=needed(document, path, "total_input_tokens") / requests,
        osl_tokens=needed(document, path, "total_output_tokens") / requests,
        concurrency=None if rate else slots,
        request_rate_per_s=rate,
        requests_per_slot=completed / slots if slots and not rate else None,
        num_requests=completed,
        num_errors=_failed(document, completed),
        duration_s=positive(document.get("duration")),
        ttft=latencies["ttft"],
        itl=latencies["itl"],
        e2e=latencies["e2e"],
        icl=_spread(document, "itl"),
        output_tokens_per_s=positive(document.get("output_throughput")),
        requests_per_s=positive(document.get("request_throughput")),
        goodput_per_s=number(document.get("request_goodput:", document.get("request_goodput"))),
        notes=(*_notes(slots, rate), *without_means(latencies)),
    )


def _is_sglang(document: Mapping[str, Any]) -> bool:
    """Fields that only SGLang's benchmark writes."""
    return "total_output_tokens_retokenized" in document or "mean_e2e_latency_ms" in document


def _spread(document: Mapping[str, Any], metric: str) -> Any:
    names = {"mean": "mean", "p50": "median", "std": "std"} | {q: q for q in ("p75", "p90", "p95", "p99")}
    return spread_ms(document, {stat: f"{key}_{metric}_ms" for stat, key in names.items()})


def _failed(document: Mapping[str, Any], completed: int) -> int:
    failed = number(document.get("failed"))
    if failed is None:
        failed = (number(document.get("num_prompts")) or completed) - completed
    return max(int(failed), 0)


def _notes(slots: float | None, rate: float | None) -> tuple[str, ...]:
    """What the benchmark's load leaves open."""
    if slots and rate:
        return (f"arrivals held back at {slots:g} in flight: neither an open nor a closed loop",)
    if not slots and not rate:
        return ("all requests sent at once: a burst, no steady load",)
    return ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


# --- what a sweep set -----------------------------------------------------------------------------

_SERVE = {
    "tensor_parallel_size": "tp", "pipeline_parallel_size": "pp", "data_parallel_size": "attn_dp",
    "max_num_seqs": "max_num_seqs", "max_num_batched_tokens": "max_num_batched_tokens",
}  # fmt: skip


def deployed_by_vllm(document: Mapping[str, Any]) -> dict[str, Any]:
    """The server's settings that `vllm bench sweep` writes into its results, under either spelling."""
    client = str(document.get("backend") or "")  # what the benchmark spoke to, if an engine's own
    served = next((engine for engine in ("sglang", "vllm") if client.startswith(engine)), None)
    facts: dict[str, Any] = {"backend": "vllm" if "run_number" in document else served}
    for name, value in document.items():
        ours = _SERVE.get(str(name).replace("-", "_"))
        if ours is not None and positive(value):
            facts[ours] = int(value)
    return {name: value for name, value in facts.items() if value is not None}
