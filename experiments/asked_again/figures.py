"""Figures of a candidate beside those of another answer about it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
LATENCIES = ("ttft_ms", "itl_ms", "e2e_ms")
PARTS = ("mean", "p50", "p75", "p90", "p95", "p99", "lo", "hi")
AMOUNTS = (
    "num_gpus", "concurrency", "output_tokens_per_s", "output_tokens_per_s_per_gpu", "tokens_per_s_per_user",
    "request_rate_per_s", "goodput_per_s", "kv_capacity_tokens", "sla_probability", "bottleneck",
    "in_domain", "max_energy_j_per_output_token", "meets_sla", "cost_per_million_output_tokens",
)  # fmt: skip
DIGITS = 2e-5  # figures are written with six digits


def figures(candidate: Document) -> dict[str, Any]:
    """Every figure of a candidate by its path."""
    found = {name: candidate.get(name) for name in AMOUNTS}
    for latency in LATENCIES:
        found |= {f"{latency}.{part}": (candidate.get(latency) or {}).get(part) for part in PARTS}
    return found | {f"memory_gib.{name}": value for name, value in candidate["memory_gib"].items()}


def same(one: Any, other: Any, tolerance: float = DIGITS) -> bool:
    """Whether two figures are the same number, or the same word."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-9)
    return one == other


def differing(
    said: Document, again: Document, tolerance: float = DIGITS, but: tuple[str, ...] = ()
) -> Iterator[str]:
    """`ttft_ms.mean 398 against 405` for each figure that differs; `but`: figures left out."""
    ours, theirs = figures(said), figures(again)
    for name in ours:
        if name not in but and not same(ours[name], theirs.get(name), tolerance):
            yield f"{name} {ours[name]} against {theirs.get(name)}"


def name_of(candidate: Document) -> str:
    """Engine and layout of a candidate, as `--worker` or `--prefill` and `--decode` take it."""
    return " ".join([candidate["backend"], *layout_words(candidate)])


def layout_words(candidate: Document) -> list[str]:
    """The flags that name a candidate's layout."""
    if candidate["mode"] == "agg":
        return ["--worker", f"{candidate['replicas']}x{label(candidate['plan'])}"]
    sides = candidate["prefill"], candidate["decode"]
    texts = [f"{side['workers']}x{label(side['plan'])}" for side in sides]
    return ["--prefill", texts[0], "--decode", texts[1]]


def label(plan: Document) -> str:
    """A plan by the catalogue's short name."""
    from perfmodels.parallel import ParallelPlan

    return ParallelPlan(**plan).label
