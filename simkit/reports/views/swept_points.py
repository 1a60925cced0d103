"""The points of a sweep, and how their axes, values and places are named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simkit.reports.labels import engine_name, number, percent
from simkit.reports.question import BOUNDS
from simkit.reports.views.looks import COLOURS, colour_of, words

Columns = Mapping[str, Sequence[Any]]
NUMERIC = (
    "concurrency", "request_rate_per_s", "isl_tokens", "osl_tokens", "num_gpus", "tp", "repeat", "burstiness",
    "shared_prefix_tokens", "sla_itl_ms", "sla_ttft_ms", "prefix_hit",
)  # fmt: skip
_NAMED_FIRST = ("backend", "gpu", "model", "mode", "precision", "plan", "prefill", "protocol")
_MOST_LINES = len(COLOURS)
_PERCENTILE = re.compile(r"((?:ttft|itl|e2e)_ms)_(p\d\d)")
_WORDS = {
    "concurrency": "requests in flight", "request_rate_per_s": "requests/s", "isl_tokens": "prompt tokens",
    "osl_tokens": "output tokens", "num_gpus": "GPUs", "plan": "plan", "tp": "tensor parallel",
    "ttft_ms_mean": "mean TTFT [ms]", "itl_ms_mean": "mean ITL [ms]", "e2e_ms_mean": "mean end to end [ms]",
    "output_tokens_per_s_per_gpu": "output tokens/s per GPU", "tokens_per_s_per_user": "tokens/s per user",
    "sla_probability": "P(SLA)", "meets_sla": "keeps the SLA", "in_domain": "in domain",
    "cost_per_million_output_tokens": "cost per million output tokens", "gpu": "GPU", "backend": "engine",
    "sla_itl_ms": "ITL bound [ms]", "sla_ttft_ms": "TTFT bound [ms]", "rdma": "RDMA", "protocol": "procedure",
    "shared_prefix_tokens": "shared prefix tokens", "points": "points",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptPoints:
    """The points of a sweep that have a result, by column; prefix is of what was found (`predicted_`).

    varied: axes with several values. best: the column to be highest, or with least lowest. bounds: the SLA
    by metric, in milliseconds. failed: reasons and how many points have no result for each.
    """

    question: str
    said: str
    columns: Columns
    prefix: str
    varied: tuple[str, ...]
    best: str
    least: bool
    command: str
    bounds: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    provenance: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self.columns[self.best])


def best_point(swept: SweptPoints) -> int | None:
    """The best point that meets the SLA, of all where none does."""
    values = swept.columns[swept.best]
    meets = swept.columns.get("meets_sla", ())
    known = [i for i, value in enumerate(values) if value is not None]
    held = [i for i in known if meets and meets[i]] or known
    choose = min if swept.least else max
    return choose(held, key=lambda i: values[i]) if held else None


def label_of(swept: SweptPoints, name: str) -> str:
    """What a column is called."""
    return axis_label(name.removeprefix(swept.prefix))


def axis_label(name: str) -> str:
    """What a column without a prefix is called."""
    percentile = _PERCENTILE.fullmatch(name)
    if percentile:
        return f"{percentile[2]} {BOUNDS[percentile[1]]} [ms]"
    return _WORDS.get(name, name.replace("_", " "))


def whole_label(label: str) -> str:
    """A label at the beginning of a sentence."""
    return label[:1].upper() + label[1:]


def point_name(swept: SweptPoints, i: int, *, whole: bool = True) -> str:
    """What a point is, and where they are few what it gives."""
    first = ", ".join(
        f"{label_of(swept, n)} {words(swept.columns[n][i])}"
        for n in swept.varied
        if swept.columns[n][i] is not None
    )
    if not whole:
        return first
    lines = [first, f"{label_of(swept, swept.best)} {words(swept.columns[swept.best][i])}"]
    for metric in ("ttft_ms", "itl_ms"):
        mean = swept.columns.get(f"{swept.prefix}{metric}_mean")
        if mean is None or mean[i] is None:
            continue
        ends = [swept.columns.get(f"{swept.prefix}{metric}_{end}", ()) for end in ("lo", "hi")]
        held = (
            f" [{number(ends[0][i])}\u2013{number(ends[1][i])}]"
            if all(ends) and ends[0][i] is not None
            else ""
        )
        lines.append(f"{BOUNDS[metric]} {number(mean[i])} ms{held}")
    chance = swept.columns.get("sla_probability", ())
    if chance and chance[i] is not None:
        lines.append(f"P(SLA) {percent(chance[i])}")
    return "\n".join(lines)


def values_of(swept: SweptPoints, name: str) -> list[Any]:
    """Values of a column in the order in which they come, numbers by size."""
    found = list(dict.fromkeys(value for value in swept.columns[name] if value is not None))
    return sorted(found) if name in NUMERIC else found


def groups_of(swept: SweptPoints, without: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """The named axis that tells most apart, and its values; empty where there is none."""
    named = [n for n in _NAMED_FIRST if n in swept.varied and n not in without]
    named += [n for n in swept.varied if n not in named and n not in without and len(values_of(swept, n)) > 1]
    for name in named:
        values = values_of(swept, name)
        if 1 < len(values) <= _MOST_LINES:
            return name, values
    return "", [""]


def look_of(name: str, value: Any, place: int) -> tuple[str, str]:
    """Label and colour."""
    if name == "backend":
        return engine_name(value), colour_of(value)
    if isinstance(value, int | float) and name:
        return f"{_WORDS.get(name, name.replace('_', ' '))} {words(value)}", COLOURS[place % len(COLOURS)]
    return words(value) if name else "", COLOURS[place % len(COLOURS)]
