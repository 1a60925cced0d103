"""Candidates as a flat table. Column names are those of the serving_runs schema where both have them."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from simkit.core.harmless import cell
from simkit.reports.labels import draft_label, layout_label
from simkit.reports.simulated import simulated_columns

Doc = Mapping[str, Any]

_PLAN = ("tp", "pp", "attn_dp", "moe_tp", "ep")
_STATISTICS = ("mean", "p50", "p75", "p90", "p95", "p99", "lo", "hi")


def candidates_csv(doc: Doc) -> str:
    """One row per candidate of a recommendation's document, best first; a missing number is an empty cell."""
    rows = candidate_rows(doc)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(item) if isinstance(item, str) else item for name, item in row.items()})
    return stream.getvalue()


def candidate_rows(doc: Doc) -> list[dict[str, Any]]:
    """The same as records."""
    return [_row(rank, item, doc["request"]) for rank, item in enumerate(doc["candidates"], start=1)]


def _row(rank: int, item: Doc, request: Doc) -> dict[str, Any]:
    engine = item.get("engine") or item["decode"]["engine"]
    return {
        "rank": rank,
        "model": request["model"],
        "gpu": request["hardware"]["gpu"],
        "backend": item["backend"],
        "backend_version": engine["version"],
        "gemm_dtype": engine["gemm_dtype"],
        "moe_dtype": engine["moe_dtype"],
        "kv_dtype": engine["kv_dtype"],
        "speculative": draft_label(engine["speculative"]),
        "mode": item["mode"],
        "layout": layout_label(item).replace("\u00d7", "x"),
        "num_gpus": item["num_gpus"],
        "replicas": item["replicas"],
        **_plans(item),
        "isl_tokens": request["workload"]["isl_tokens"],
        "osl_tokens": request["workload"]["osl_tokens"],
        "concurrency": item["concurrency"],
        **_performance(item),
        **input_costs(item, request["workload"]),
        "kv_capacity_tokens": item["kv_capacity_tokens"],
        **{f"memory_{part}_gib": size for part, size in item["memory_gib"].items()},
        **_engine_limits(item),
        "notes": "; ".join(item["notes"]),
        **simulated_columns(item),
    }


def input_costs(item: Doc, workload: Doc) -> dict[str, float | None]:
    """The same money over input tokens, and over those of input and output together."""
    cost, isl, osl = item["cost_per_million_output_tokens"], workload["isl_tokens"], workload["osl_tokens"]
    return {
        "cost_per_million_input_tokens": None if cost is None else cost * osl / isl,
        "cost_per_million_tokens": None if cost is None else cost * osl / (isl + osl),
    }


def _performance(item: Doc) -> dict[str, Any]:
    latencies = {
        f"{metric}_{statistic}": item[metric][statistic]
        for metric in ("ttft_ms", "itl_ms", "e2e_ms")
        for statistic in _STATISTICS
    }
    names = (
        "output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user", "request_rate_per_s",
        "goodput_per_s",
        "sla_probability", "meets_sla", "in_domain", "bottleneck",
        "cost_per_million_output_tokens", "max_energy_j_per_output_token", "tied",
    )  # fmt: skip
    return latencies | {name: item[name] for name in names}


def _plans(item: Doc) -> dict[str, Any]:
    """tp, pp, ... of an aggregated candidate; prefill_tp, ... and decode_tp, ... of a disaggregated one."""
    plan = item.get("plan", {})
    found = {name: plan.get(name) for name in _PLAN}
    for role in ("prefill", "decode"):
        pool = item.get(role, {"plan": {}})
        found |= {f"{role}_workers": pool.get("workers")}
        found |= {f"{role}_{name}": pool["plan"].get(name) for name in _PLAN}
    return found


def _engine_limits(item: Doc) -> dict[str, Any]:
    pools = {role: item[role]["engine"] for role in ("prefill", "decode") if role in item}
    pools = {f"{role}_": engine for role, engine in pools.items()} or {"": item["engine"]}
    return {
        f"{prefix}{name}": engine[name]
        for prefix, engine in pools.items()
        for name in ("max_num_seqs", "max_num_batched_tokens")
    }
