"""Terminal output. Each function prints a document to the rich console it is given.

Numbers never wrap, names may.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from simkit.reports.alternatives import alternatives_table
from simkit.reports.candidate_rows import candidates_table
from simkit.reports.candidates_csv import input_costs
from simkit.reports.estimated import deployment_words
from simkit.reports.labels import (
    MISSING,
    count,
    is_unsure,
    number,
    partition_label,
    percent,
)
from simkit.reports.simulated import simulated_table
from simkit.reports.terminal import bullets, cells, grid, say, table

if TYPE_CHECKING:
    from rich.console import Console

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
    return f"{model}: {deployment_words(best)} on {best['num_gpus']} {gpu}: {verdict}"


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


def _rejection(item: Row) -> str:
    nearest = f" (nearest: {item['nearest']})" if item["nearest"] else ""
    return f"{count(item['count'])} \u00d7 {item['reason']}{nearest}"


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
