"""What the Markdown and HTML reports say, as strings ready for their templates."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.alternatives import alternatives_context, asked_request
from simkit.reports.labels import (
    MISSING,
    MODES,
    count,
    draft_label,
    engine_name,
    interval,
    is_unsure,
    layout_label,
    number,
    one_line,
    percent,
    statistics_label,
)
from simkit.reports.question import BOUNDS, command_line, question
from simkit.reports.simulated import HEADS, HINT, simulated_rows

if TYPE_CHECKING:
    from jinja2 import Environment


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
    "Brackets hold a 90 % interval of the mean. P(SLA) is the probability, with the same spread, that every "
    "mean keeps its bound.",
    "The model is a coarse one and not calibrated on this cluster: it knows public operator timings and "
    "serving runs, not your network, drivers or neighbours. Run benchmark.sh before you rely on the numbers.",
    "~ beside a rank, or In domain: no, marks an extrapolation: nothing measured has its GPU, engine and "
    "kind of model, its family, engines of more than eight GPUs, prefix hits or drafts. Its interval is wider "
    "and may still be too narrow.",
    "= beside a rank: predictions cannot tell this candidate from the first. The first is chosen to hold the "
    "SLA with room for errors, not to be the best on expectation.",
    "Prompts share no prefix unless the question says so (--prefix-hit). Speculative decoding is off where a "
    "candidate's settings do not name it.",
)


def environment() -> "Environment":
    """Jinja with this package's templates; HTML is escaped, Markdown escapes what it prints by `md`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    found = Environment(
        loader=PackageLoader("simkit.reports"),
        autoescape=select_autoescape(enabled_extensions=("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["md"] = markdown_text
    return found


def markdown_text(text: str) -> str:
    """The text on one line with Markdown's and HTML's own characters made harmless."""
    harmless = one_line(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for letter in ("\\", "|", "`", "*", "[", "]"):
        harmless = harmless.replace(letter, f"\\{letter}")
    return harmless


def recommendation_context(doc: Doc) -> dict[str, Any]:
    """The strings of a report from a recommendation's document."""
    best = doc["selected"]
    return {
        "model": doc["request"]["model"],
        "command": command_line(asked_request(doc), doc.get("finalists")),
        "status": _status(doc),
        "answer": _answer(doc),
        "verdict": _verdict(doc),
        "question": question(doc["request"]),
        "numbers": _numbers(best) if best else [],
        "settings": _settings(best, doc["bottlenecks"]) if best else [],
        "memory": _memory(best["memory_gib"]) if best else [],
        "notes": best["notes"] if best else [],
        "explanation": [*doc["explanation"], *doc["remarks"]],
        "trade_offs": [item["text"] for item in doc["trade_offs"]],
        "warnings": doc["request"]["warnings"],
        **alternatives_context(doc.get("alternatives", ())),
        "heads": CANDIDATE_HEADS,
        "rows": [_row(rank, item) for rank, item in enumerate(doc["candidates"][:CANDIDATES_SHOWN], start=1)],
        "simulated_heads": HEADS,
        "simulated_hint": HINT,
        "simulated_rows": simulated_rows(doc["candidates"]),
        "hidden": max(0, len(doc["candidates"]) - CANDIDATES_SHOWN),
        "rejected": doc["rejected"],
        "limits": LIMITS,
        "versions": list(doc["versions"].items()),
    }


def _status(doc: Doc) -> str:
    if doc["request"]["sla_assumed"] or not any(doc["request"]["sla"].values()):
        return "none"
    if not doc["meets_sla"] or not doc["selected"]:
        return "missed"
    return "unsure" if is_unsure(doc) else "met"


def _answer(doc: Doc) -> str:
    best = doc["selected"]
    if best is None:
        return "No configuration found"
    engine = engine_name(best["backend"])
    gpu = doc["request"]["hardware"]["gpu"] or ""
    return f"{engine} {MODES[best['mode']]}, {layout_label(best)} on {best['num_gpus']} {gpu} GPUs"


def _verdict(doc: Doc) -> str:
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
    }[_status(doc)]


def _numbers(best: Doc) -> list[tuple[str, str, str]]:
    """Label, value and detail of each headline number."""
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
            f"{number(best['concurrency'])} requests in flight",
        ),
    ]
    cost, energy = best["cost_per_million_output_tokens"], best["max_energy_j_per_output_token"]
    if cost is not None:
        found.append(("Cost", number(cost), "per million output tokens, in the unit of the GPU price"))
    if energy is not None:
        found.append(("Energy", f"\u2264 {number(energy)} J", "per output token, GPUs at rated power"))
    return found


def _settings(best: Doc, phases: Doc) -> Pairs:
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
    drafted = f"; speculative decoding {draft}" if draft else ""
    return (
        f"{engine_name(backend)} {engine['version'] or ''}: at most {count(engine['max_num_seqs'])} "
        f"sequences and {count(engine['max_num_batched_tokens'])} tokens a step; "
        f"weights {engine['gemm_dtype']}, experts {engine['moe_dtype']}, "
        f"KV cache {engine['kv_dtype']}{drafted}"
    )


def _memory(parts: Doc) -> list[tuple[str, str, int]]:
    """Part, GiB, and the length of its bar in percent of the longest."""
    largest = max(parts.values(), default=0) or 1
    return [(part, number(size), round(100 * size / largest)) for part, size in parts.items()]


def _row(rank: int, item: Doc) -> Sequence[str]:
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
