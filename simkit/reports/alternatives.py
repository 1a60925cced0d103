"""Several GPUs or engines side by side: one row each, for terminal and reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.labels import MISSING, count, interval, layout_label, number, percent
from simkit.reports.terminal import cells, print_fitting, say, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, Any]

_LEFT = ("#", "GPU", "engine", "layout")
_HEADS = ("GPUs", "TTFT ms\n[90%]", "ITL ms\n[90%]", "tok/s\n/GPU", "P(SLA)")
_COST = "cost\n/Mtok"
HINT = (
    "The pick of each, as if asked alone. Means with 90 % intervals; ~ outside the range of the data, = "
    "within the noise of the first."
)


def alternative_heads(found: Sequence[Row]) -> list[str]:
    """Columns, on two lines where long; cost where tokens are priced."""
    priced = any(_cost(item) is not None for item in found)
    return [*_LEFT, *_HEADS, *([_COST] if priced else [])]


def alternative_rows(found: Sequence[Row], gap: str = " ") -> list[list[str]]:
    """Cells of each row; gap stands between a mean and its interval."""
    priced = _COST in alternative_heads(found)
    rows = []
    for rank, item in enumerate(found, start=1):
        best = item["candidate"]
        if best is None:
            rows.append([MISSING, item["gpu"], item["backend"], "cannot run"])
            rows[-1] += [MISSING] * (len(_HEADS) + priced)
            continue
        marks = ("" if best["in_domain"] else "~") + ("=" if best["tied"] else "")
        shown = [
            f"{rank}{marks}",
            item["gpu"],
            best["backend"],
            layout_label(best).replace(" + ", " + " if gap == " " else "\n+ "),
            count(best["num_gpus"]),
            f"{number(best['ttft_ms']['mean'])}{gap}{interval(best['ttft_ms'])}",
            f"{number(best['itl_ms']['mean'])}{gap}{interval(best['itl_ms'])}",
            number(best["output_tokens_per_s_per_gpu"]),
            percent(best["sla_probability"]) + ("" if best["meets_sla"] else f"{gap}missed"),
        ]
        rows.append([*shown, *([number(_cost(item))] if priced else [])])
    return rows


def asked_request(doc: Row) -> Row:
    """The request of a document with every GPU and engine asked about, and the row that was selected."""
    request, found = {**doc["request"], "select": doc.get("selected_row")}, doc.get("alternatives", ())
    if not found:
        return request
    names = {key: dict.fromkeys(item[key] for item in found) for key in ("gpu", "backend")}
    hardware = {**request["hardware"], "gpu": ",".join(names["gpu"])}
    if len(names["gpu"]) > 1:
        hardware["gpus_per_node"] = None  # each has its own
    asked = {**request, "hardware": hardware, "backend": ",".join(names["backend"])}
    prices = {item["gpu"]: item["gpu_hour_price"] for item in found if "gpu_hour_price" in item}
    if len(set(prices.values())) > 1:
        asked["gpu_hour_price"] = ",".join(f"{gpu}={price:g}" for gpu, price in prices.items())
    return asked


def alternatives_context(found: Sequence[Row]) -> dict[str, Any]:
    """What the reports' templates show; no rows where one alone was asked about."""
    return {
        "alternative_heads": [head.replace("\n", " ") for head in alternative_heads(found)],
        "alternative_rows": alternative_rows(found),
        "alternative_hint": HINT,
    }


def alternatives_table(console: "Console", found: Sequence[Row]) -> None:
    """Print them side by side; nothing where one alone was asked about."""
    if not found:
        return
    print_fitting(console, lambda gap: _table(console, found, gap))
    say(console, HINT, style="dim")
    for item in found:
        if item["candidate"] is None:
            say(console, f"{item['gpu']} {item['backend']}: {item['refusal']}", style="yellow")
    console.print()


def _table(console: "Console", found: Sequence[Row], gap: str) -> "Table":
    rows = table(console, [], alternative_heads(found), left=_LEFT)
    for rank, values in enumerate(alternative_rows(found, gap), start=1):
        rows.add_row(*cells(console, values), style="bold" if rank == 1 else None)
    return rows


def _cost(item: Row) -> float | None:
    cost: float | None = (item["candidate"] or {}).get("cost_per_million_output_tokens")
    return cost
