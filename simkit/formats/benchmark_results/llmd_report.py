"""llm-d's Benchmark Report v0.2 (YAML or JSON): aggregate request performance with its units, and the stack.

Its time_per_output_token is our ITL; its inter_token_latency is of single gaps: our ICL.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.measured import MeasuredSpread, Run, Source
from simkit.formats.benchmark_results.fields import Load, at, number, positive, scaled, sha256_of, spread_ms

_VERSIONS = ("0.2", "0.2.1")
_STATS = {"mean": "mean", "std": "stddev"} | {name: name for name in ("p50", "p75", "p90", "p95", "p99")}
_TO_MS = {"ms": 1.0, "ms/token": 1.0, "s": 1e3, "s/token": 1e3}
_ROLES = {"prefill": "prefill_", "decode": "decode_"}


def is_llmd_report(document: Any) -> bool:
    """Whether a parsed document is a benchmark report of llm-d, whatever its version."""
    return isinstance(document, Mapping) and "version" in document and {"run", "results"} <= set(document)


def read_llmd_report(document: Mapping[str, Any], path: Path) -> Run:
    """The run that a report describes. Raises InputError for another version, or without its figures."""
    if str(document["version"]) not in _VERSIONS:
        told = f"a benchmark report of version {document['version']}"
        raise InputError(f"{path}: {told}; version 0.2 is read, convert it with llm-d's benchmark-report")
    found = at(document, "results", "request_performance", "aggregate")
    latency, sent = at(found, "latency"), at(found, "requests")
    load = at(document, "scenario", "load", "standardized")
    total = int(number(at(sent, "total")) or 0)
    failed = int(number(at(sent, "failures")) or 0)
    return Run(
        source=_source(document, path),
        model=_engine_of(document, "model", "name"),
        isl_tokens=_length(sent, load, "input", path),
        osl_tokens=_length(sent, load, "output", path),
        **_load(load, total - failed),
        num_requests=total - failed,
        num_errors=failed,
        ttft=_spread(latency, "time_to_first_token", path),
        itl=_spread(latency, "time_per_output_token", path),
        icl=_spread(latency, "inter_token_latency", path),
        e2e=_spread(latency, "request_latency", path),
        output_tokens_per_s=positive(at(found, "throughput", "output_token_rate", "mean")),
        requests_per_s=_requests_per_s(found),
    )


def deployed_by_llmd(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the stack says of the engines; of disaggregated ones one entry a pool."""
    engines = _engines(document)
    facts: dict[str, Any] = {}
    for item in engines:
        stated = at(item, "standardized")
        prefix = _ROLES.get(str(at(stated, "role")), "")
        facts |= {"gpu": at(stated, "accelerator", "model"), "backend": at(stated, "tool")}
        facts |= {"model": at(stated, "model", "name"), "backend_version": at(stated, "tool_version")}
        count = f"{prefix}workers"
        facts[count] = facts.get(count, 0) + 1
        facts |= _sizes(at(stated, "accelerator", "parallelism"), prefix)
    return {name: value for name, value in facts.items() if value is not None}


def _engines(document: Mapping[str, Any]) -> list[Any]:
    stack = at(document, "scenario", "stack")
    stack = stack if isinstance(stack, list) else []
    return [item for item in stack if at(item, "metadata", "kind") == "inference_engine"]


def _engine_of(document: Mapping[str, Any], *keys: str) -> str | None:
    found = [at(item, "standardized", *keys) for item in _engines(document)]
    return str(found[0]) if found and found[0] else None


def _sizes(parallel: Any, prefix: str) -> dict[str, int]:
    """Sizes of one engine; with data-parallel attention the experts span all its GPUs."""
    tp, dp, pp, ep = (int(number(at(parallel, name)) or 1) for name in ("tp", "dp", "pp", "ep"))
    sizes = {f"{prefix}tp": tp, f"{prefix}pp": pp, f"{prefix}attn_dp": dp}
    return sizes | ({f"{prefix}ep": ep, f"{prefix}moe_tp": max(tp * dp // ep, 1)} if ep > 1 else {})


def _spread(latency: Any, name: str, path: Path) -> MeasuredSpread:
    entry = at(latency, name)
    if entry is None:
        return MeasuredSpread()
    units = str(at(entry, "units"))
    if units not in _TO_MS:
        raise InputError(f"{path}: {name} in units {units!r}; expected {', '.join(_TO_MS)}")
    return scaled(spread_ms(entry, _STATS), _TO_MS[units])


def _length(sent: Any, load: Any, side: str, path: Path) -> float:
    """The mean that was sent or received, else the one that was asked for."""
    measured = positive(at(sent, f"{side}_length", "mean"))
    found = measured or positive(at(load, f"{side}_seq_len", "value"))
    if found is None:
        raise InputError(f"{path}: no {side} length; expected results.…aggregate.requests.{side}_length")
    return found


def _load(load: Any, requests: int) -> Load:
    rate = positive(at(load, "rate_qps"))
    slots = None if rate else positive(at(load, "concurrency"))
    waves = requests / slots if requests and slots else None
    return {"concurrency": slots, "request_rate_per_s": rate, "requests_per_slot": waves}


def _requests_per_s(found: Any) -> float | None:
    for name in ("requests_rate", "request_rate"):
        value = positive(at(found, "throughput", name, "mean"))
        if value:
            return value
    return None


def _source(document: Mapping[str, Any], path: Path) -> Source:
    started = at(document, "run", "time", "start")
    return Source(
        tool="llm-d",
        path=str(path),
        started=None if started is None else str(started),
        sha256=sha256_of(path),
    )
