"""report.md of a simulated run."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.labels import MODES, count, engine_name, layout_label, one_line
from simkit.reports.simulation import (
    LATENCIES,
    STATISTICS,
    closed_form_heads,
    facts,
    latency_cells,
    verdict_line,
)


def simulation_markdown(doc: Mapping[str, Any]) -> str:
    """What the terminal shows, with the timeline's figure."""
    own = doc["simkit"]
    place = own["deployment"]
    what = f"{engine_name(place['backend'])} {MODES[place['mode']]}, {layout_label(place)}"
    heads = ["simulated", *(f"{label} ms" for label, _ in STATISTICS), *closed_form_heads(own)]
    rows = [[label, *latency_cells(doc, name, key)] for label, name, key in LATENCIES if name in doc]
    verdict = verdict_line(own)
    lines = [
        f"# {_text(own['model'])}, simulated",
        "",
        f"{what} on {count(place['num_gpus'])} GPUs; {_text(own['load']['words'])}; router "
        f"{own['router']}, seed {own['seed']}.",
        "",
        *([f"**{verdict}**", ""] if verdict else []),
        *_table([" ".join(head.split("\n")) for head in heads], rows),
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
