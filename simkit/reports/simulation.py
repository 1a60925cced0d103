"""A simulated run for people: percentiles beside the closed form, on a terminal and as report.md."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.core.words import gpus
from simkit.reports.labels import (
    MISSING,
    MODES,
    count,
    engine_name,
    layout_label,
    number,
    one_line,
    percent,
    statistics_label,
)
from simkit.reports.terminal import bullets, cells, grid, say, table

if TYPE_CHECKING:
    from rich.console import Console


# --- The terminal view of a simulated run: percentiles beside what the closed form says.


Document = Mapping[str, Any]

# Label, AIPerf's name, key of an estimate, decimals follow the number.
LATENCIES = (
    ("TTFT", "time_to_first_token", "ttft_ms"),
    ("ITL", "inter_token_latency", "itl_ms"),
    ("end to end", "request_latency", "e2e_ms"),
)
STATISTICS = (("mean", "avg"), ("p50", "p50"), ("p90", "p90"), ("p99", "p99"))
BOUNDS = {"ttft_ms": "TTFT", "itl_ms": "ITL", "e2e_ms": "end to end"}


def simulation_table(doc: Document, console: "Console") -> None:
    """Latencies simulated and in closed form, then rates, verdict and notes."""
    own = doc["simkit"]
    place = own["deployment"]
    what = f"{engine_name(place['backend'])} {MODES[place['mode']]}, {layout_label(place)}"
    say(console, f"{own['model']}: {what} on {gpus(place['num_gpus'])}", style="bold")
    say(console, own["load"]["words"], style="dim")
    heads = [*(f"{label}\nms" for label, _ in STATISTICS), *closed_form_heads(own)]
    rows = table(console, ["simulated"], heads)
    for label, name, key in LATENCIES:
        if doc.get(name):
            rows.add_row(*cells(console, [label, *latency_cells(doc, name, key)]))
    console.print(rows)
    say(console, own["believe"], style="dim")
    grid(console, facts(doc))
    verdict = verdict_line(own)
    if verdict:
        say(console, verdict, style="green" if own["sla"]["met"] else "red")
    bullets(console, "Notes", own["notes"])


def closed_form_heads(own: Document) -> list[str]:
    """Names of the columns that stand beside the simulated ones."""
    heads = ["settled\nmean"] if own["settled"] else []
    names = {"benchmark": "closed form\nbenchmark", "steady": "closed form\nsteady"}
    return [*heads, *(names[name] for name in own["closed_form"])]


def latency_cells(doc: Document, name: str, key: str) -> list[str]:
    """One latency: simulated statistics, mean after the opening burst, closed forms' means [ms]."""
    own = doc["simkit"]
    shown = [number(doc[name][statistic]) for _, statistic in STATISTICS]
    if own["settled"]:
        shown.append(number(own["settled"][key]) if key in own["settled"] else MISSING)
    return [*shown, *(number(form[key]) for form in own["closed_form"].values())]


def facts(doc: Document) -> list[list[str]]:
    """Rates, totals and what the engines did, as label and text."""
    own = doc["simkit"]
    forms = own["closed_form"]
    per_gpu = number(own["output_tokens_per_s_per_gpu"])
    output = f"{number(doc['output_token_throughput']['avg'])} tok/s; {per_gpu} per GPU"
    said = ", ".join(f"{name} {number(form['output_tokens_per_s_per_gpu'])}" for name, form in forms.items())
    found = [
        ["output", f"{output} (closed form: {said})"],
        ["requests", f"{number(doc['request_throughput']['avg'])} per second over "
                     f"{number(doc['benchmark_duration']['avg'])} s"],
        ["in flight", f"{number(own['in_flight_mean'])} on average"],
        ["queueing", f"mean {number(own['queue_ms']['mean'])} ms, p99 {number(own['queue_ms']['p99'])} ms"],
    ]  # fmt: skip
    if own["prefix_cache_hit_frac"]:
        found.append(["prefix cache", f"{percent(own['prefix_cache_hit_frac'])} of prompt tokens"])
    if own["preemptions"]:
        found.append(["preemptions", count(own["preemptions"])])
    if doc.get("goodput"):
        share = percent(doc["good_request_fraction"]["avg"])
        found.append(["goodput", f"{number(doc['goodput']['avg'])} requests/s keep every bound ({share})"])
    return found


def verdict_line(own: Document) -> str:
    """Whether the SLA holds, and which bounds do not; empty without one."""
    sla = own["sla"]
    if not sla["bounds"]:
        return ""
    on = statistics_label(sla["statistics"], BOUNDS)
    if sla["met"]:
        longer = ", in this run: the offered rate cannot be sustained, and a longer one would miss it"
        return f"the SLA holds ({on}){longer if own.get('overloaded') else ''}"
    missed = ", ".join(
        f"{BOUNDS[key]} {number(value)} ms against {number(sla['bounds'][key])}"
        for key, value in sla["missed"].items()
    )
    return f"MISSES the SLA ({on}): {missed}"


def simulation_markdown(doc: Mapping[str, Any]) -> str:
    """What the terminal shows, with the timeline's figure."""
    own = doc["simkit"]
    place = own["deployment"]
    what = f"{engine_name(place['backend'])} {MODES[place['mode']]}, {layout_label(place)}"
    heads = ["simulated", *(f"{label} ms" for label, _ in STATISTICS), *closed_form_heads(own)]
    rows = [[label, *latency_cells(doc, name, key)] for label, name, key in LATENCIES if doc.get(name)]
    verdict = verdict_line(own)
    lines = [
        f"# {_text(own['model'])}, simulated",
        "",
        f"{what} on {gpus(place['num_gpus'])}; {_text(own['load']['words'])}; router "
        f"{own['router']}, seed {own['seed']}.",
        "",
        *([f"**{verdict}**", ""] if verdict else []),
        *_table([" ".join(head.split("\n")) for head in heads], rows),
        "",
        _text(own["believe"]),
        "",
        *(f"- {label}: {text}" for label, text in facts(doc)),
        "",
        "![Requests in flight, output tokens per second and TTFT over time](timeline.png)",
        "",
        *(f"- Note: {_text(note)}" for note in own["notes"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (heads, rule, *rows)]


def _text(text: str) -> str:
    """Free text on one line that Markdown leaves alone."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|" else char for char in one_line(text))
