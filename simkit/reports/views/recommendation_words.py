"""What the report of a recommendation says, as strings."""

from collections.abc import Mapping
from typing import Any

from simkit.core.words import counted
from simkit.reports.labels import (
    MISSING,
    count,
    draft_label,
    engine_name,
    interval,
    is_unsure,
    layout_label,
    number,
    percent,
    pick_label,
    statistics_label,
)
from simkit.reports.pages import Tile
from simkit.reports.question import BOUNDS

Doc = Mapping[str, Any]


CANDIDATES_SHOWN = 20


Pairs = list[tuple[str, str]]

CANDIDATE_HEADS = (
    "#", "Engine", "Mode", "Layout", "GPUs", "TTFT [ms]", "ITL [ms]", "tok/s/GPU", "tok/s/user", "req/s",
    "P(SLA)",
)  # fmt: skip

LIMITS = (
    "SLA bounds are on means over all requests unless the question says otherwise. Single requests are "
    "slower; the p90 and p99 columns of candidates.csv say by how much, from a model of waiting times.",
    "ITL is (end to end - TTFT)/(output tokens - 1) of each request, as AIPerf reports it. TTFT includes the "
    "time a request waits for its turn.",
    "Brackets hold a 90 % interval of the mean. P(SLA) is the probability that every mean keeps its bound, "
    "by the same errors. They are those of measured runs: most are small and a few large, so that a bracket "
    "is wider than that of a bell curve with the same P(SLA).",
    "The model is a coarse one and not calibrated on this cluster: it knows public operator timings and "
    "serving runs, not your network, drivers or neighbours. Run benchmark.sh before you rely on the numbers.",
    "~ beside a rank, or In domain: no, marks an extrapolation: nothing measured has its GPU, engine and "
    "kind of model, its family, engines of more than eight GPUs, prefix hits or drafts. Its interval is "
    "wider and may still be too narrow.",
    "= beside a rank: predictions cannot tell this candidate from the first. The first is chosen to hold the "
    "SLA with room for errors, not to be the best on expectation.",
    "Prompts share no prefix unless the question says so (--prefix-hit). Speculative decoding is off where a "
    "candidate's settings do not name it.",
)


def status_of(doc: Doc) -> str:
    """met, unsure, missed, or none where nothing was asked for."""
    if doc["request"]["sla_assumed"] or not any(doc["request"]["sla"].values()):
        return "none"
    if not doc["meets_sla"] or not doc["selected"]:
        return "missed"
    return "unsure" if is_unsure(doc) else "met"


def answer_of(doc: Doc) -> str:
    """What to serve with, in a sentence."""
    best = doc["selected"]
    if best is None:
        return "No configuration found"
    return pick_label(best, doc["request"]["hardware"]["gpu"])


def verdict_of(doc: Doc) -> str:
    """How sure it is that this holds what was asked."""
    best = doc["selected"] or {}
    found = best.get("simulated")
    chance = percent((found or best).get("sla_probability"))
    how = "simulated" if found else "predicted"
    figure = statistics_label(doc["request"]["sla_statistics"], BOUNDS)
    nearest = "" if doc.get("selected_row") else "; this is the nearest configuration"
    return {
        "none": "No SLA was asked for, so nothing is judged.",
        "met": f"Expected to meet the SLA: every {how} {figure} is within its bound. Probability: {chance}.",
        "unsure": f"Every {how} {figure} is within its bound, but not surely. Probability: {chance}.",
        "missed": f"The SLA is missed{nearest}. Chance that it holds: {chance}.",
    }[status_of(doc)]


def tiles_of(best: Doc) -> tuple[Tile, ...]:
    """The headline numbers."""
    found = [
        ("TTFT", f"{number(best['ttft_ms']['mean'])} ms", f"90%: {interval(best['ttft_ms'])}"),
        ("ITL", f"{number(best['itl_ms']['mean'])} ms", f"90%: {interval(best['itl_ms'])}"),
        ("End to end", f"{number(best['e2e_ms']['mean'])} ms", f"90%: {interval(best['e2e_ms'])}"),
        (
            "Output per GPU",
            f"{number(best['output_tokens_per_s_per_gpu'])} tok/s",
            f"{number(best['output_tokens_per_s'])} tok/s in all",
        ),
        ("Per user", f"{number(best['tokens_per_s_per_user'])} tok/s", "1 / ITL"),
        (
            "Load",
            f"{number(best['request_rate_per_s'])} req/s",
            counted(best["concurrency"], "request in flight"),
        ),
    ]
    cost, energy = best["cost_per_million_output_tokens"], best["max_energy_j_per_output_token"]
    if cost is not None:
        found.append(("Cost", number(cost), "per million output tokens, in the unit of the GPU price"))
    elif best["output_tokens_per_s_per_gpu"]:
        hours = 1e6 / best["output_tokens_per_s_per_gpu"] / 3600.0
        said = "cost of a million output tokens; --gpu-hour-price prices them"
        found.append(("GPU hours", number(hours), said))
    if energy is not None:
        found.append(("Energy", f"\u2264 {number(energy)} J", "per output token, GPUs at rated power"))
    return tuple(Tile(label=label, value=value, detail=detail) for label, value, detail in found)


def settings_of(best: Doc, phases: Doc) -> Pairs:
    """Engine settings, one line per pool."""
    pools = {"Engine": best} if "engine" in best else {"Prefill": best["prefill"], "Decode": best["decode"]}
    rows = [(label, _engine(best["backend"], pool["engine"])) for label, pool in pools.items()]
    rows.append(("KV cache", f"{count(best['kv_capacity_tokens'])} tokens"))
    rows.append(("Bottleneck", best["bottleneck"] or MISSING))
    rows += [(f"Costliest in {phase}", text) for phase, text in phases.items()]
    rows.append(("In domain", "yes" if best["in_domain"] else "no: an extrapolation"))
    return rows


def _engine(backend: str, engine: Doc) -> str:
    draft = draft_label(engine["speculative"])
    apart = engine["moe_dtype"] != engine["gemm_dtype"]
    experts = f"experts {engine['moe_dtype']}, " if apart else ""
    drafted = f"; speculative decoding {draft}" if draft else ""
    return (
        f"{engine_name(backend)} {engine['version'] or ''}: at most {count(engine['max_num_seqs'])} "
        f"sequences and {count(engine['max_num_batched_tokens'])} tokens a step; "
        f"weights {engine['gemm_dtype']}, {experts}"
        f"KV cache {engine['kv_dtype']}{drafted}"
    )


def candidate_row(rank: int, item: Doc) -> tuple[str, ...]:
    """Cells under CANDIDATE_HEADS."""
    return (
        f"{rank}" + ("" if item["in_domain"] else "~") + ("=" if item["tied"] else ""),
        engine_name(item["backend"]),
        item["mode"],
        layout_label(item),
        count(item["num_gpus"]),
        f"{number(item['ttft_ms']['mean'])} {interval(item['ttft_ms'])}",
        f"{number(item['itl_ms']['mean'])} {interval(item['itl_ms'])}",
        number(item["output_tokens_per_s_per_gpu"]),
        number(item["tokens_per_s_per_user"]),
        number(item["request_rate_per_s"]),
        percent(item["sla_probability"]) + ("" if item["meets_sla"] else " missed"),
    )
