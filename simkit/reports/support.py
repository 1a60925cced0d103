"""The support matrix on a terminal: one line per GPU, or one per cell when few are asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.labels import MISSING, count, engine_name
from simkit.reports.terminal import cells, grid, say, table

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]

_FEW = 12
_LETTERS = {"measured": "M", "tables": "T", "extrapolated": "e", "unsupported": "-"}
_FAMILIES = {"dense": "dense", "gqa_moe": "GQA MoE", "mla_moe": "MLA MoE"}
_WORDS = {
    "measured": "measured runs",
    "tables": "operator tables",
    "extrapolated": "extrapolated",
    "unsupported": "unsupported",
}
# What Dynamo's profiler sweeps per engine, prefill and decode alike.
_SPLITS = (
    ("dense", "TP"),
    ("GQA MoE", "TP, TEP, DEP"),
    ("MLA MoE", "TEP, DEP"),
)


def support_table(doc: Row, console: "Console") -> None:
    """The guide's matrix beside ours."""
    say(console, f"Support for {doc['model'] or 'all kinds of models'}", style="bold")
    if len(doc["cells"]) <= _FEW:
        _detailed(console, doc)
    else:
        _overview(console, doc)
    _guide(console, doc["guide"])


def _overview(console: "Console", doc: Row) -> None:
    by_gpu: dict[str, dict[str, list[str]]] = {}
    for cell in doc["cells"]:
        letters = by_gpu.setdefault(cell["gpu"], {}).setdefault(cell["backend"], [])
        letters.append(_LETTERS[cell["basis"]])
    engines = list(dict.fromkeys(cell["backend"] for cell in doc["cells"]))
    families = list(dict.fromkeys(cell["family"] for cell in doc["cells"]))
    rows = table(console, ["GPU"], ["guide", "in DGDR", *engines], left=("guide", "in DGDR", *engines))
    for gpu, found in by_gpu.items():
        named = "yes" if gpu in doc["dgdr_gpus"] else "no"
        shown = [" ".join(found[name]) for name in engines]
        rows.add_row(*cells(console, [gpu, doc["guide"]["gpus"][gpu] or MISSING, named, *shown]))
    console.print(rows)
    order = ", ".join(_FAMILIES[name] for name in families)
    legend = ", ".join(f"{letter} {_WORDS[basis]}" for basis, letter in _LETTERS.items())
    say(console, f"each engine: {order}; {legend}", style="dim")


def _detailed(console: "Console", doc: Row) -> None:
    grid(console, [_line(cell) for cell in doc["cells"]])


def _line(cell: Row) -> list[str]:
    parts = [_WORDS[cell["basis"]]]
    if cell["measured_runs"]:
        parts = [f"{count(cell['measured_runs'])} measured runs"]
        if not cell["operators_without_table"]:
            parts.append("operator tables")
    if cell["reason"]:
        parts.append(cell["reason"])
    return [f"{cell['gpu']} {engine_name(cell['backend'])} {_FAMILIES[cell['family']]}", ": ".join(parts)]


def _guide(console: "Console", guide: Row) -> None:
    console.print()
    say(console, "Dynamo's deployment guide", style="bold")
    by_search = {name: _named(guide["gpus"], name) for name in ("rapid", "thorough")}
    rows: list[Sequence[str]] = [
        ["rapid search", by_search["rapid"]],
        ["thorough only", by_search["thorough"]],
        ["dense models", ", ".join(f"{engine_name(name)} {how}" for name, how in guide["dense"].items())],
        ["MoE models", ", ".join(f"{engine_name(name)} {how}" for name, how in guide["moe"].items())],
        ["splits swept", "; ".join(f"{family}: {splits}" for family, splits in _SPLITS)],
    ]
    grid(console, rows)


def _named(gpus: Mapping[str, str], search: str) -> str:
    return ", ".join(name for name, how in gpus.items() if how == search) or MISSING
