"""One deployment under one load on a terminal: latencies, throughput, memory, and time by operator."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.core.words import at_most, gpus
from simkit.reports.labels import (
    MODES,
    count,
    engine_name,
    interval,
    layout_label,
    number,
    percent,
    si,
)
from simkit.reports.question import BOUNDS
from simkit.reports.reading import reading_table
from simkit.reports.terminal import bullets, cells, grid, say, table

if TYPE_CHECKING:
    from rich.console import Console

_OPERATORS_SHOWN = 10  # per phase

Row = Mapping[str, Any]


def estimate_table(doc: Row, console: "Console") -> None:
    """One deployment under one load: latencies, throughput, memory, and time by operator."""
    model = doc["model"]
    say(console, f"{model['name']}: {deployment_words(doc)} on {gpus(doc['num_gpus'])}", style="bold")
    say(console, _model_line(model), style="dim")
    reading_table(doc, console)
    _latencies(console, doc)
    grid(console, _estimate_facts(doc))
    for phase in dict.fromkeys(item["phase"] for item in doc.get("by_operator", ())):
        _operators(console, phase, [item for item in doc["by_operator"] if item["phase"] == phase])
    bullets(console, "Notes", doc.get("notes", ()))


def deployment_words(doc: Row) -> str:
    """Engine, mode and layout: `vLLM aggregated, 1 x tp2`."""
    return f"{engine_name(doc['backend'])} {MODES[doc['mode']]}, {layout_label(doc)}"


def _model_line(model: Row) -> str:
    total, active = (si(model.get(key)).replace("G", "B") for key in ("total_params", "active_params"))
    kv_bytes = si(model.get("kv_bytes_per_token"))
    return f"{total} parameters, {active} active per token, {kv_bytes}B of KV cache per token"


def _latencies(console: "Console", doc: Row) -> None:
    rows = table(console, [""], ["mean ms", "90% interval", "p50 ms", "p90 ms", "p99 ms"])
    for label, key in (("TTFT", "ttft_ms"), ("ITL", "itl_ms"), ("end to end", "e2e_ms")):
        found = doc[key]
        spread = [number(found[quantile]) for quantile in ("p50", "p90", "p99")]
        rows.add_row(*cells(console, [label, number(found["mean"]), interval(found), *spread]))
    console.print(rows)


def _bounds(doc: Row) -> str:
    """`TTFT p95 560 ms (at most 500: missed), ITL mean 22 ms (at most 30)`."""
    bounds, missed = doc["sla"]["bounds"], doc["sla"]["missed"]
    return ", ".join(
        f"{BOUNDS[key]} {on} {_reached(doc[key][on])} (at most {number(bounds[key])}"
        f"{': missed' if key in missed else ''})"
        for key, on in doc["sla"]["statistics"].items()
    )


def _reached(value: float | None) -> str:
    return "grows without end" if value is None else f"{number(value)} ms"


def _estimate_facts(doc: Row) -> list[list[str]]:
    rate = f"{number(doc['request_rate_per_s'])} requests/s at concurrency {number(doc['concurrency'])}"
    tokens = (
        f"{number(doc['output_tokens_per_s'])} tok/s; {number(doc['output_tokens_per_s_per_gpu'])} per GPU; "
        f"{number(doc['tokens_per_s_per_user'])} per user"
    )
    facts = [["procedure", doc["procedure"]]] if doc.get("procedure") else []
    facts += [["load", rate], ["output", tokens], *_memory(doc)]
    facts.append(["KV capacity", f"{count(doc['kv_capacity_tokens'])} tokens"])
    facts.append(["bottleneck", _bottlenecks(doc)])
    if doc.get("sla"):
        facts.append(["SLA", _bounds(doc)])
    if doc.get("most_request_rate_per_s"):
        facts.append(
            ["SLA holds", f"up to {at_most(doc['most_request_rate_per_s'])} requests/s, as expected"]
        )
    if doc.get("cost_per_million_output_tokens") is not None:
        facts.append(["cost", f"{number(doc['cost_per_million_output_tokens'])} per million output tokens"])
    if doc["sla_probability"] is not None:
        facts.append(["P(SLA)", percent(doc["sla_probability"])])
    if doc.get("nearest_run"):
        facts.append(["nearest measured", _nearest_words(doc["nearest_run"])])
    if not doc["in_domain"]:
        facts.append(["domain", "outside the range of the data behind the prediction: an extrapolation"])
    return facts


def _memory(doc: Row) -> list[list[str]]:
    """What a GPU holds, in each pool where there are two."""
    pools = doc.get("memory_gib_by_pool") or {"": doc["memory_gib"]}
    return [
        [f"memory per {pool} GPU".replace("  ", " "), f"{_parts(parts)} GiB"] for pool, parts in pools.items()
    ]


def _parts(parts: Row) -> str:
    return ", ".join(f"{part} {number(size)}" for part, size in parts.items())


def _bottlenecks(doc: Row) -> str:
    """The costliest operator of the phase that takes most of the time, then that of the other phase."""
    found = [doc["bottleneck"]]
    for phase in ("prefill", "decode"):
        lines = [item for item in doc.get("by_operator", ()) if item["phase"] == phase]
        if lines and not doc["bottleneck"].startswith(phase):
            top = max(lines, key=lambda item: item["time_ms"])
            found.append(f"{phase}: {top['operator']} ({percent(top['share'])} of a step)")
    return "; ".join(found)


def _nearest_words(near: Row) -> str:
    """The run as it was served and driven, and in parentheses what we predict for that very run."""
    ours = near.get("predicted") or {}
    times = [
        f"{name} {number(near[key])} ms" + (f" ({number(ours[key])} predicted for it)" if key in ours else "")
        for name, key in (("TTFT", "ttft_ms"), ("ITL", "itl_ms"))
    ]
    version = f"version {near.get('version') or 'not recorded'}"
    served = f", {near['format']}, {version}" if near.get("format") else ""
    driven = f"; {near['procedure']}" if near.get("procedure") else ""
    driven += "; the fit has seen this run" if ours else ""
    return f"{near['run']}{served}: {', '.join(times)}{driven}; {percent(near['resemblance'])} alike"


def _operators(console: "Console", phase: str, items: Sequence[Row]) -> None:
    rows = table(console, [phase], ["time ms", "share", "FLOP", "HBM B", "wire B", "from"])
    ranked = sorted(items, key=lambda item: -item["time_ms"])
    for item in ranked[:_OPERATORS_SHOWN]:
        costs = [si(item[key]) for key in ("flop", "hbm_bytes", "wire_bytes")]
        name = f"{item['operator']} ({item['family']})"
        shown = [name, number(item["time_ms"]), percent(item["share"]), *costs, item.get("source", "")]
        rows.add_row(*cells(console, shown))
    console.print(rows)
    if len(ranked) > _OPERATORS_SHOWN:
        say(console, f"  and {len(ranked) - _OPERATORS_SHOWN} smaller operators", style="dim")
