"""Simulated figures of finalists, as part of JSON documents and as rows of tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.core.estimate import Simulated, Spread
from simkit.core.slo import STATISTICS
from simkit.reports.labels import count, layout_label, number, percent
from simkit.reports.terminal import cells, say, table

if TYPE_CHECKING:
    from rich.console import Console

Doc = Mapping[str, Any]

_MS_PER_S = 1e3
HEADS = (
    "#", "Layout", "TTFT [ms]", "p90", "p99", "ITL [ms]", "p99", "tok/s/GPU", "req/s in SLA", "P(SLA)",
)  # fmt: skip
HINT = "Means, with the closed form's in brackets, and percentiles over the requests that count."


def simulated_document(found: Simulated) -> dict[str, Any]:
    """The `simulated` block of a candidate."""
    return {
        "requests": found.requests,
        "concurrency": found.concurrency,
        "ttft_ms": _spread_ms(found.ttft),
        "itl_ms": _spread_ms(found.itl),
        "e2e_ms": _spread_ms(found.e2e),
        "request_rate_per_s": found.request_rate_per_s,
        "output_tokens_per_s": found.output_tokens_per_s,
        "output_tokens_per_s_per_gpu": found.output_tokens_per_s_per_gpu,
        "goodput_per_s": found.goodput_per_s,
        "good_fraction": found.good_frac,
        "sla_probability": found.sla_probability,
        "meets_sla": found.meets_sla,
        "preemptions": found.preemptions,
        "closed_form_doubtful": found.doubtful,
        "cost_per_million_output_tokens": found.cost_per_million_output_tokens,
        "max_energy_j_per_output_token": found.max_energy_j_per_output_token,
    }


def _spread_ms(spread: Spread) -> dict[str, float]:
    return {name: getattr(spread, f"{name}_s") * _MS_PER_S for name in STATISTICS}


def simulated_rows(candidates: Sequence[Doc]) -> list[tuple[str, ...]]:
    """One row for each candidate that was simulated, under HEADS."""
    pairs = [(rank, item) for rank, item in enumerate(candidates, start=1) if item.get("simulated")]
    return [_row(rank, item, item["simulated"]) for rank, item in pairs]


def _row(rank: int, item: Doc, found: Doc) -> tuple[str, ...]:
    ttft, itl = found["ttft_ms"], found["itl_ms"]
    per_gpu = "output_tokens_per_s_per_gpu"
    return (
        count(rank),
        f"{item['backend']} {layout_label(item)}",
        f"{number(ttft['mean'])} ({number(item['ttft_ms']['mean'])})",
        number(ttft["p90"]),
        number(ttft["p99"]),
        f"{number(itl['mean'])} ({number(item['itl_ms']['mean'])})",
        number(itl["p99"]),
        f"{number(found[per_gpu])} ({number(item[per_gpu])})",
        number(found["goodput_per_s"]),
        percent(found["sla_probability"]) + ("" if found["meets_sla"] else " missed"),
    )


def simulated_table(console: "Console", candidates: Sequence[Doc]) -> None:
    """Finalists on a terminal; nothing where none was simulated."""
    rows = simulated_rows(candidates)
    if not rows:
        return
    console.print()
    say(console, "Simulated request by request (in brackets the closed form)", style="bold")
    heads = [_NARROW.get(head, head) for head in HEADS]
    shown = table(console, [], heads, left=heads[:2])
    for row in rows:
        narrow = (_two_lines(text) for text in row)
        shown.add_row(*cells(console, narrow))
    console.print(shown)


def _two_lines(text: str) -> str:
    """Narrow enough for eighty columns."""
    for before, after in ((" + ", "\n+ "), (" (", "\n("), (" missed", "\nmiss")):
        text = text.replace(before, after)
    return text


_NARROW = {
    "TTFT [ms]": "TTFT\nms",
    "ITL [ms]": "ITL\nms",
    "tok/s/GPU": "tok/s\n/GPU",
    "req/s in SLA": "req/s\nin SLA",
}


def simulated_columns(item: Doc) -> dict[str, Any]:
    """Columns of a table of candidates: empty where one was not simulated."""
    found = item.get("simulated")
    if not found:
        return {}
    latencies = {
        f"simulated_{metric}_{statistic}": found[metric][statistic]
        for metric in ("ttft_ms", "itl_ms", "e2e_ms")
        for statistic in STATISTICS
    }
    names = (
        "output_tokens_per_s_per_gpu",
        "request_rate_per_s",
        "goodput_per_s",
        "sla_probability",
        "requests",
    )
    return latencies | {f"simulated_{name}": found[name] for name in names}
