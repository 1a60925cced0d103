"""Models and GPUs of the catalogue on a terminal, one a line."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.labels import MISSING, count, number, si
from simkit.reports.terminal import broken, cells, print_within, say, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, Any]

_KINDS = {"dense": "dense", "gqa_moe": "MoE", "mla_moe": "MoE, MLA"}
_RATES = ("bf16", "fp8", "fp4")


def models_table(rows: Sequence[Row], console: "Console") -> None:
    """Parameters, kind, cache and formats of each model."""
    longest = max((len(row["name"]) for row in rows), default=1)
    print_within(console, longest, lambda most: _models(rows, console, most))
    say(console, f"{len(rows)} listed; --model takes the path of any other config.json", "dim")


def _models(rows: Sequence[Row], console: "Console", most: int) -> "Table":
    shown = table(
        console,
        ["model"],
        ["params", "active", "kind", "KV B\n/token", "context", "weights", "KV"],
        left=("kind", "weights", "KV"),
    )
    for row in rows:
        sizes = [si(row[name]).replace("G", "B") for name in ("total_params", "active_params")]
        cache = [si(row["kv_bytes_per_token"]), count(row["max_context_tokens"])]
        formats = dict.fromkeys(filter(None, (row["gemm_dtype"], row["moe_dtype"])))
        values = [
            broken(row["name"], most),
            *sizes,
            _KINDS[row["kind"]],
            *cache,
            "\n".join(formats),
            row["kv_dtype"],
        ]
        shown.add_row(*cells(console, values))
    return shown


def gpus_table(rows: Sequence[Row], console: "Console") -> None:
    """Memory, bandwidth and rates of each GPU, and the data at hand."""
    heads = ["GiB", "TB/s", *(f"TFLOP/s\n{name}" for name in _RATES), "/node", "tables", "runs"]
    shown = table(console, ["GPU"], heads, left=("tables",))
    for row in rows:
        rates = [number(row["dense_tflops"].get(name)) for name in _RATES]
        speed = [number(row["memory_gib"]), number(row["memory_gb_per_s"] / 1e3)]
        data = [
            ", ".join(row["operator_tables"]) or MISSING,
            count(sum(row["measured_runs"].values())) if row["measured_runs"] else MISSING,
        ]
        shown.add_row(*cells(console, [row["name"], *speed, *rates, count(row["gpus_per_node"]), *data]))
    console.print(shown)
    say(
        console,
        "dense rates; tables: engines with operator tables; runs: public serving runs measured on it",
        style="dim",
    )
