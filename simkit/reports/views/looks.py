"""What an engine and a mode look like in every figure, and what a point says of itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from simkit.engines.registry import engine_names, engine_spec
from simkit.reports.charts.model import BoundLine, Number
from simkit.reports.labels import MISSING, engine_name, interval, layout_label, number, percent
from simkit.reports.question import BOUNDS

Doc = Mapping[str, Any]

GOLD = "#f0c419"
# Okabe and Ito's hues, in tones that read on white and on near-black.
COLOURS = ("#2b84c2", "#d55e00", "#0a9a73", "#b5679c", "#c49000", "#56b4e9", "#7f7f7f", "#8c564b")
OTHER = "#b5679c"


def colour_of(backend: str) -> str:
    """An engine's colour in all figures."""
    return engine_spec(backend).colour if backend in engine_names() else OTHER


def marker_of(mode: str) -> Literal["o", "^"]:
    """Circles for aggregated, triangles for disaggregated: not by colour alone."""
    return "o" if mode == "agg" else "^"


def candidate_name(item: Doc, rank: int = 0) -> str:
    """What a point is and gives, on lines."""
    layout = item["layout"] if "layout" in item else layout_label(item)
    head = f"#{rank} " if rank else ""
    lines = [
        f"{head}{engine_name(item['backend'])} {item['mode']}, {layout}",
        f"{number(item['num_gpus'])} GPUs, {number(item['concurrency'])} in flight",
        f"TTFT {number(item['ttft_ms']['mean'])} ms {interval(item['ttft_ms'])}",
        f"ITL {number(item['itl_ms']['mean'])} ms {interval(item['itl_ms'])}",
        f"{number(item['output_tokens_per_s_per_gpu'])} tok/s/GPU, "
        f"{number(item['tokens_per_s_per_user'])} tok/s/user",
    ]
    if item.get("sla_probability") is not None:
        lines.append(f"P(SLA) {percent(item['sla_probability'])}")
    if not item["in_domain"]:
        lines.append("an extrapolation")
    return "\n".join(lines)


def sla_bounds(request: Doc, metric: str) -> tuple[BoundLine, ...]:
    """The line of a metric's bound; none where it has none. Dynamo's defaults are said to be no SLA."""
    bound = request["sla"].get(metric)
    if bound is None:
        return ()
    word = "Dynamo's default" if request["sla_assumed"] else "SLA"
    on = request["sla_statistics"].get(metric, "")
    shown = "" if on in ("", "mean") else f" {on}"
    return (BoundLine(label=f"{word}: {BOUNDS[metric]}{shown} \u2264 {number(bound)} ms", value=bound),)


def column(items: Sequence[Doc], *path: str) -> tuple[Number, ...]:
    """One figure of every item, by the names that lead to it."""
    found: list[Number] = []
    for item in items:
        value: Any = item
        for name in path:
            value = value[name]
        found.append(value)
    return tuple(found)


def inverse_ms(values: Sequence[Number]) -> tuple[Number, ...]:
    """Tokens per second of intervals in milliseconds."""
    return tuple(None if not value else 1e3 / value for value in values)


def words(value: Any) -> str:
    """A cell: numbers in three digits, lists joined, a dash for nothing."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return number(int(value))
    return number(value) if isinstance(value, int | float) else str(value)
