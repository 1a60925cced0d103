"""One deployment under several loads on a terminal, one load a line."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.core.words import gpus
from simkit.reports.labels import MODES, engine_name, interval, layout_label, number, percent
from simkit.reports.terminal import bullets, cells, print_fitting, say, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_HEADS = (
    "in\nflight", "TTFT ms\n[90%]", "ITL ms\n[90%]", "E2E ms", "tok/s\n/GPU", "tok/s\n/user", "req/s",
    "P(SLA)",
)  # fmt: skip


def curve_table(doc: Mapping[str, Any], console: "Console") -> None:
    """Latencies and throughput by requests in flight."""
    first = doc["curve"][0]
    name = f"{engine_name(first['backend'])} {MODES[first['mode']]}, {layout_label(first)}"
    say(console, f"{doc['model']['name']}: {name} on {gpus(first['num_gpus'])}", style="bold")
    print_fitting(console, lambda gap: _rows(console, doc["curve"], gap))
    if not all(item["in_domain"] for item in doc["curve"]):
        say(console, "outside the range of the data behind the prediction: an extrapolation", style="dim")
    notes = dict.fromkeys(
        f"at {number(item['concurrency'])}: {note}" for item in doc["curve"] for note in item["notes"]
    )
    bullets(console, "Notes", [*doc["notes"], *notes])


def _rows(console: "Console", curve: Sequence[Mapping[str, Any]], gap: str) -> "Table":
    judged = any(item["sla_probability"] is not None or not item["meets_sla"] for item in curve)
    shown = len(_HEADS) if judged else len(_HEADS) - 1
    rows = table(console, [], _HEADS[:shown])
    for item in curve:
        rows.add_row(*cells(console, _row(item, gap)[:shown]))
    return rows


def _row(item: Mapping[str, Any], gap: str) -> list[str]:
    return [
        number(item["concurrency"]),
        f"{number(item['ttft_ms']['mean'])}{gap}{interval(item['ttft_ms'])}",
        f"{number(item['itl_ms']['mean'])}{gap}{interval(item['itl_ms'])}",
        number(item["e2e_ms"]["mean"]),
        number(item["output_tokens_per_s_per_gpu"]),
        number(item["tokens_per_s_per_user"]),
        number(item["request_rate_per_s"]),
        percent(item["sla_probability"]) + ("" if item["meets_sla"] else f"{gap}miss"),
    ]
