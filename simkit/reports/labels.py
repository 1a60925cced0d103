"""Short names and number formats that all views share. Inputs are parts of a candidate document."""

import math
from collections.abc import Mapping
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.engines.registry import engine_names, engine_spec

MISSING = "-"
UNSURE_BELOW = 0.7  # probability of the SLA under which a pick is little better than a coin toss

MODES = {"agg": "aggregated", "disagg": "disaggregated"}

_ASCII = str.maketrans({
    "\u00d7": "x", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2026": "...", "\u00b1": "+-",
    "\u2264": "<=", "\u2265": ">=", "\u2192": "->", "\u00b7": "*", "\u2248": "~", "\u202f": " ",
    "\u00a0": " ", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00b5": "u",
})  # fmt: skip


def engine_name(backend: str) -> str:
    """vLLM for vllm, and so on."""
    return engine_spec(backend).label if backend in engine_names() else backend


def is_unsure(doc: Mapping[str, Any]) -> bool:
    """Whether the pick is expected to hold the SLA, by little more than a coin's chance."""
    best = doc["selected"] or {}
    chance = (best.get("simulated") or best).get("sla_probability")
    return bool(doc["meets_sla"]) and chance is not None and chance < UNSURE_BELOW


def draft_label(draft: Mapping[str, Any] | None) -> str:
    """An engine's draft as the flag spells it, `mtp:3:0.8`; empty without one."""
    if draft is None:
        return ""
    parts = (draft["method"], str(draft["tokens"]), f"{draft['acceptance']:g}", draft["model"])
    return ":".join(part for part in parts if part)


def number(value: float | int | None) -> str:
    """Three significant digits, thousands grouped: 1,234 56.7 0.123. Whole numbers stay whole."""
    if value is None or not math.isfinite(value):
        return MISSING
    if isinstance(value, int):
        return f"{value:,d}"
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.9995 else f"{value:.3g}"


def count(value: float | None) -> str:
    """A whole number, thousands grouped."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:,.0f}"


def percent(frac: float | None, *, signed: bool = False) -> str:
    """A fraction in percent without decimals: 23%, or +23% when signed."""
    if frac is None or not math.isfinite(frac):
        return MISSING
    return f"{100 * frac:+.0f}%" if signed else f"{100 * frac:.0f}%"


def si(value: float | None) -> str:
    """Three digits with an SI prefix: 1.23T, 45.6G, 789k."""
    if value is None or not math.isfinite(value):
        return MISSING
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.9995 * scale:
            return number(value / scale) + prefix
    return number(value)


def interval(latency: Mapping[str, Any]) -> str:
    """The 90 % interval of a mean: [120-180]; [grows] where requests queue without end."""
    if latency.get("mean") is None:
        return "[grows]"
    return f"[{number(latency.get('lo'))}\u2013{number(latency.get('hi'))}]"


def plan_label(plan: Mapping[str, int]) -> str:
    """tp4, tp8pp2, dep16."""
    return ParallelPlan(**plan).label


def layout_label(candidate: Mapping[str, Any]) -> str:
    """4 x tp4 for replicas of one plan, 3P tp2 + 1D tp4 for prefill and decode workers; mtp3 if drafting."""
    if "plan" in candidate:
        return f"{candidate['replicas']} \u00d7 {plan_label(candidate['plan'])}{_draft_label(candidate)}"
    prefill, decode = candidate["prefill"], candidate["decode"]
    return (
        f"{prefill['workers']}P {plan_label(prefill['plan'])} + "
        f"{decode['workers']}D {plan_label(decode['plan'])}{_draft_label(decode)}"
    )


def pick_label(candidate: Mapping[str, Any], gpu: str | None) -> str:
    """Engine, mode, layout and GPUs: vLLM aggregated, 4 x tp2 on 8 h200_sxm GPUs."""
    engine, several = engine_name(candidate["backend"]), "" if candidate["num_gpus"] == 1 else "s"
    placed = " ".join(filter(None, (f"{candidate['num_gpus']}", gpu, f"GPU{several}")))
    return f"{engine} {MODES[candidate['mode']]}, {layout_label(candidate)} on {placed}"


def _draft_label(pool: Mapping[str, Any]) -> str:
    draft = pool.get("engine", {}).get("speculative")
    return f" {draft['method']}{draft['tokens']}" if draft else ""


def partition_label(partition: Mapping[str, Any]) -> str:
    """The values that pick a partition out: h100_sxm, vllm."""
    return ", ".join(str(value) for value in partition.values()) or "all"


def statistics_label(statistics: Mapping[str, str], bounds: Mapping[str, str]) -> str:
    """What bounds are on: `p99`, or `TTFT p95, ITL mean` where they differ; bounds are names by key."""
    if len(set(statistics.values())) <= 1:
        return next(iter(statistics.values()), "")
    return ", ".join(f"{bounds[key]} {statistic}" for key, statistic in statistics.items())


def ascii_text(text: str) -> str:
    """The text in ASCII, for terminals that cannot show more."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def one_line(text: str) -> str:
    """The text with control characters and line breaks as blanks, so that it stays on its line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
