"""The candidates of a recommendation as rows of a terminal table."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.labels import count, interval, layout_label, number, percent, plan_label
from simkit.reports.terminal import cells, fits, print_fitting, say, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, Any]
Ranked = tuple[int, Row]


def candidates_table(
    console: "Console", candidates: Sequence[Row], request: Row, *, details: bool = True
) -> None:
    """The candidates of a recommendation, one below the other, in columns that tell them apart.

    Those that cannot be told from the first are named in one line, but for details.
    """
    ranked = list(enumerate(candidates, start=1))
    alike = [] if details else [(rank, item) for rank, item in ranked[1:] if item["tied"]]
    _print_rows(console, [pair for pair in ranked if pair not in alike], request)
    if not all(item["in_domain"] for item in candidates):
        say(console, "~ outside the range of the data behind the prediction", style="dim")
    if alike:
        named = ", ".join(
            f"{rank}{'' if item['in_domain'] else '~'} {item['backend']} {layout_label(item)}"
            for rank, item in alike
        )
        say(console, f"as good as the first within the noise of predictions: {named}", style="dim")
    elif any(item["tied"] for item in candidates):
        say(console, "= within the noise of the first: predictions cannot tell which is better", style="dim")
    for line in _legend(candidates):
        say(console, line, style="dim")


_POOLS = "2P tp1 + 1D tp4: two prefill engines on one GPU each, a decode engine on four"
_SPLITS = (
    (r"\bdep\d", "dep4: each of 4 GPUs attends to requests of its own, the experts are spread over them"),
    (r"\btep\d", "tep4: attention is split over 4 GPUs, the experts are spread over them"),
    (r"\ddp\d", "dp2: two groups of GPUs attend to requests of their own"),
    (r"mtp\d", "mtp2: every expert is split over 2 GPUs"),
    (r"\dep\d", "ep8: the experts are spread over 8 GPUs"),
    (r"pp\d", "pp2: the layers are split into 2 stages"),
)


def _legend(candidates: Sequence[Row]) -> list[str]:
    """What the layouts' names mean, as far as these occur."""
    names = " ".join(_plans(item) for item in candidates)
    splits = [words for pattern, words in _SPLITS if re.search(pattern, names)]
    pools = [_POOLS] if any(item["mode"] == "disagg" for item in candidates) else []
    return [*pools, *(["; ".join(splits)] if splits else [])]


def _plans(item: Row) -> str:
    pools = [item] if item["mode"] == "agg" else [item["prefill"], item["decode"]]
    return " ".join(plan_label(pool["plan"]) for pool in pools)


def _print_rows(console: "Console", candidates: Sequence[Ranked], request: Row) -> None:
    heads = _heads([item for _, item in candidates], request["workload"])
    for spare in _SPARE:
        if fits(console, _candidate_rows(console, candidates, (heads, "\n"))):
            break
        heads = [head for head in heads if head != spare]
    print_fitting(console, lambda gap: _candidate_rows(console, candidates, (heads, gap)))


def _candidate_rows(
    console: "Console", candidates: Sequence[Ranked], how: tuple[Sequence[str], str]
) -> "Table":
    """One candidate a line; how is (columns, what stands between a mean and its interval)."""
    heads, gap = how
    rows = table(console, [], heads, left=("#", "engine", "layout"))
    for rank, item in candidates:
        style = "bold" if rank == 1 else None
        shown = _candidate_cells(rank, item, gap)
        rows.add_row(*cells(console, [shown[head] for head in heads]), style=style)
    return rows


_COST_HEAD, _PER_USER, _IN_FLIGHT, _RATE = "cost\n/Mtok", "tok/s\n/user", "in\nflight", "req/s"
_CANDIDATE_HEADS = (
    "#", "engine", "layout", "GPUs", "TTFT ms\n[90%]", "ITL ms\n[90%]",
    "tok/s\n/GPU", _PER_USER, _IN_FLIGHT, _RATE, _COST_HEAD, "P(SLA)",
)  # fmt: skip
_SPARE = (_PER_USER, _RATE, _IN_FLIGHT)  # what other columns imply makes room first


def _heads(candidates: Sequence[Row], workload: Row) -> list[str]:
    """Columns that tell rows apart: not the load that was asked for, nor what was not asked."""
    priced = any(item["cost_per_million_output_tokens"] is not None for item in candidates)
    left_out = {
        _COST_HEAD: not priced,
        _IN_FLIGHT: workload["concurrency"] is not None,
        _RATE: workload["request_rate_per_s"] is not None,
        "P(SLA)": all(item["sla_probability"] is None and item["meets_sla"] for item in candidates),
    }
    return [head for head in _CANDIDATE_HEADS if not left_out.get(head)]


def _candidate_cells(rank: int, item: Row, gap: str) -> dict[str, str]:
    """What stands under each head."""
    layout = layout_label(item)
    shown = [
        f"{rank}" + ("" if item["in_domain"] else "~") + ("=" if item["tied"] else ""),
        f"{item['backend']}{gap}{item['mode']}",
        layout if gap == " " else layout.replace(" + ", "\n+ "),
        count(item["num_gpus"]),
        f"{number(item['ttft_ms']['mean'])}{gap}{interval(item['ttft_ms'])}",
        f"{number(item['itl_ms']['mean'])}{gap}{interval(item['itl_ms'])}",
        number(item["output_tokens_per_s_per_gpu"]),
        number(item["tokens_per_s_per_user"]),
        number(item["concurrency"]),
        number(item["request_rate_per_s"]),
        number(item["cost_per_million_output_tokens"]),
        percent(item["sla_probability"]) + ("" if item["meets_sla"] else f"{gap}miss"),
    ]
    return dict(zip(_CANDIDATE_HEADS, shown, strict=True))
