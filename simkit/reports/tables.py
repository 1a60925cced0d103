"""Terminal output. Each function prints a document to the rich console it is given.

Numbers never wrap, names may.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from simkit.core.words import gpus
from simkit.reports.alternatives import alternatives_table
from simkit.reports.candidate_rows import candidates_table
from simkit.reports.candidates_csv import input_costs
from simkit.reports.labels import (
    MISSING,
    MODES,
    count,
    engine_name,
    interval,
    is_unsure,
    layout_label,
    number,
    partition_label,
    percent,
    si,
)
from simkit.reports.question import BOUNDS
from simkit.reports.reading import reading_table
from simkit.reports.simulated import simulated_table
from simkit.reports.terminal import bullets, cells, grid, say, table

if TYPE_CHECKING:
    from rich.console import Console

_OPERATORS_SHOWN = 10  # per phase

Row = Mapping[str, Any]


class ShownFault(Protocol):
    """What validation says about one place in a document."""

    @property
    def path(self) -> str:
        """Where."""

    @property
    def problem(self) -> str:
        """What is wrong."""

    @property
    def remedy(self) -> str:
        """What to do."""


def recommendation_table(doc: Row, console: "Console", limit: int = 10, *, details: bool = True) -> None:
    """The pick and how sure it is, the candidates side by side, why, and warnings.

    details: near-equal rows one by one, what a little more would buy, and what was left out.
    """
    alternatives_table(console, doc.get("alternatives", ()))
    say(console, _headline(doc), style="bold yellow" if is_unsure(doc) else "bold")
    shown = doc["candidates"][:limit]
    if shown:
        candidates_table(console, shown, doc["request"], details=details)
        simulated_table(console, shown)
    hidden = len(doc["candidates"]) - len(shown)
    if hidden > 0:
        say(console, f"{hidden} more in recommendation.json and candidates.csv", style="dim")
    bullets(
        console,
        "Why",
        [*doc["explanation"], *doc["remarks"], *_cost(doc)],
    )
    if details:
        bullets(console, "What a little more would buy", [item["text"] for item in doc["trade_offs"]])
    bullets(console, "Notes", shown[0]["notes"] if shown else ())
    warned = [text for text in doc["request"]["warnings"] if not _said_already(text, doc)]
    bullets(console, "Warnings", warned, style="yellow")
    if details:
        bullets(console, "Left out", [_rejection(item) for item in doc["rejected"]])


def estimate_table(doc: Row, console: "Console") -> None:
    """One deployment under one load: latencies, throughput, memory, and time by operator."""
    model = doc["model"]
    say(console, f"{model['name']}: {_deployment(doc)} on {gpus(doc['num_gpus'])}", style="bold")
    say(console, _model_line(model), style="dim")
    reading_table(doc, console)
    _latencies(console, doc)
    grid(console, _estimate_facts(doc))
    for phase in dict.fromkeys(item["phase"] for item in doc.get("by_operator", ())):
        _operators(console, phase, [item for item in doc["by_operator"] if item["phase"] == phase])
    bullets(console, "Notes", doc.get("notes", ()))


def evaluation_table(doc: Row, console: "Console") -> None:
    """Errors of predictions against measurements, one row per partition."""
    say(console, f"{count(doc['covered'])} of {count(doc['rows'])} rows predicted", style="bold")
    keys = ", ".join(doc["by"][0]["partition"]) if doc["by"] else ""
    rows = table(console, [keys], _EVALUATION_HEADS)
    for item in doc["by"]:
        rows.add_row(*cells(console, [partition_label(item["partition"]), *_evaluation_cells(item)]))
    console.print(rows)
    say(
        console,
        "med, p90: |predicted/measured - 1|; bias: the same with its sign; rank: Spearman; "
        "in 90%: measurements inside the interval, TTFT/ITL in percent",
        style="dim",
    )


def faults_table(faults: Sequence[ShownFault], console: "Console") -> None:
    """Every fault with its place and remedy, one below the other; nothing is cut off."""
    if not faults:
        say(console, "no faults found", style="green")
        return
    for fault in faults:
        say(console, fault.path or "(document)", style="bold")
        grid(console, [["  problem", fault.problem], ["  remedy", fault.remedy]])
    say(console, f"{len(faults)} fault{'s' if len(faults) > 1 else ''} found", style="red")


def _said_already(warning: str, doc: Row) -> bool:
    """Whether it is that no SLA was given, which the headline and the reasons say."""
    return bool(doc["request"]["sla_assumed"]) and warning.startswith("no SLA given")


# --- recommendation -------------------------------------------------------------------------------


def _headline(doc: Row) -> str:
    model, best = doc["request"]["model"], doc["selected"]
    if best is None:
        return f"{model}: no configuration found"
    gpu = doc["request"]["hardware"]["gpu"] or "GPUs"
    verdict = "MISSES the SLA" if doc.get("selected_row") else "MISSES the SLA; nearest configuration shown"
    if doc["meets_sla"]:  # of means expected; how sure that is belongs in the same breath
        verdict = f"expected to meet the SLA, probability {percent(best['sla_probability'])}"
        if best.get("simulated"):
            verdict = (
                f"meets the SLA as simulated, probability {percent(best['simulated']['sla_probability'])}"
            )
    if doc["request"]["sla_assumed"] or not any(doc["request"]["sla"].values()):
        verdict = "no SLA given"
    return f"{model}: {_deployment(best)} on {best['num_gpus']} {gpu}: {verdict}"


def _cost(doc: Row) -> list[str]:
    """What a token costs; nothing without a price."""
    best = doc["selected"]
    cost = (best or {}).get("cost_per_million_output_tokens")
    if best is None or cost is None:
        return []
    energy = best["max_energy_j_per_output_token"]
    bound = "" if energy is None else f", and at most {number(energy)} J of GPU energy each"
    more = input_costs(best, doc["request"]["workload"])
    return [
        f"A million output tokens cost {number(cost)}, in the unit of the price given{bound}; that is "
        f"{number(more['cost_per_million_input_tokens'])} for a million input tokens, or "
        f"{number(more['cost_per_million_tokens'])} for a million of both."
    ]


def _deployment(doc: Row) -> str:
    return f"{engine_name(doc['backend'])} {MODES[doc['mode']]}, {layout_label(doc)}"


def _rejection(item: Row) -> str:
    nearest = f" (nearest: {item['nearest']})" if item["nearest"] else ""
    return f"{count(item['count'])} \u00d7 {item['reason']}{nearest}"


# --- estimate -------------------------------------------------------------------------------------


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


# --- evaluation -----------------------------------------------------------------------------------

_EVALUATION_HEADS = (
    "rows", "TTFT\nmed", "\np90", "\nbias", "\nrank", "ITL\nmed", "\np90", "\nbias", "\nrank",
    "tok/s\n/GPU", "in\n90%",
)  # fmt: skip


def _evaluation_cells(item: Row) -> list[str]:
    shown = [count(item["rows"])]
    for metric in ("ttft", "itl"):
        found = item.get(metric) or {}
        shown += [percent(found.get("mdape")), percent(found.get("p90"))]
        shown += [percent(found.get("bias"), signed=True), _rank(found.get("rank"))]
    cover = item.get("coverage90") or {}
    inside = "/".join(percent(cover.get(metric)).rstrip("%") for metric in ("ttft", "itl"))
    throughput = item.get("output_tokens_per_s_per_gpu") or {}
    return [*shown, percent(throughput.get("mdape")), inside]


def _rank(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
