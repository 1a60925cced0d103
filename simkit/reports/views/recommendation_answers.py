"""What readers ask next: at which load it breaks, what is extrapolated, why not another engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.engines.registry import engine_names
from simkit.reports.labels import MODES, engine_name, number, percent
from simkit.reports.pages import Section
from simkit.reports.question import BOUNDS

Doc = Mapping[str, Any]
_TWICE = 2.0
_MEASURED = "measured"  # or "measured, held to siblings"
_NO_OPERATORS = ("host", "latency")


def breaking_section(doc: Doc, curves: Sequence[Doc]) -> Section:
    """What would break the SLA: how much more load, and how much slower than predicted."""
    judged = bool(doc["selected"]) and not doc["request"]["sla_assumed"]
    lines = (*_load_lines(curves[0]), *_slower_lines(doc)) if judged and curves else ()
    return Section(title="What would break the SLA", lines=lines)


def _load_lines(curve: Doc) -> list[str]:
    held = [point for point in curve["points"] if point["meets_sla"]]
    missed = [point for point in curve["points"] if not point["meets_sla"]]
    lines = []
    if held and missed and missed[0]["factor"] > held[-1]["factor"]:
        lines.append(
            f"More load: expected to hold at {held[-1]['factor']:g} times the load "
            f"({number(held[-1]['load'])} {curve['unit']}), missed at {missed[0]['factor']:g} times "
            f"({_state(missed[0])})."
        )
    elif held and not missed:
        lines.append(f"More load: still expected to hold at {held[-1]['factor']:g} times the load.")
    twice = next((point for point in curve["points"] if point["factor"] == _TWICE), None)
    return [*lines, f"Twice the load: {_state(twice)}."] if twice else lines


def _state(point: Doc) -> str:
    """What a load does: latencies and probability, or that requests queue without end."""
    chance = point["sla_probability"]
    certainty = "" if chance is None else f", P(SLA) {percent(chance)}"
    if point["ttft_ms"]["mean"] is None:
        return f"requests queue without end{certainty}"
    means = ", ".join(f"{BOUNDS[key]} {number(point[key]['mean'])} ms" for key in ("ttft_ms", "itl_ms"))
    return f"{means}{certainty}"


def _slower_lines(doc: Doc) -> list[str]:
    """How far each mean is from its bound, and whether its interval stays within it."""
    best, request = doc["selected"], doc["request"]
    lines = []
    for key, bound in request["sla"].items():
        mean, high = best[key]["mean"], best[key]["hi"]
        on_mean = request["sla_statistics"].get(key, "mean") == "mean"
        if bound is None or not mean or mean > bound or not on_mean:
            continue
        reaches = "reaches beyond it" if high is None or high > bound else "stays below it"
        lines.append(
            f"Slower than predicted: {BOUNDS[key]} is at its bound of {number(bound)} ms when it is "
            f"{percent(bound / mean - 1.0)} above the prediction of {number(mean)} ms; the 90 % interval "
            f"{reaches}."
        )
    return lines


def extrapolated_section(doc: Doc, operators: Sequence[Doc]) -> Section:
    """What rests on no measurement, from the pick to its operators."""
    best = doc["selected"]
    if not best:
        return Section(title="What is extrapolated")
    pick = (
        "The pick is not: measured runs have its GPU, engine and kind of model."
        if best["in_domain"]
        else "The pick is: nothing measured resembles it, and its interval may be too narrow."
    )
    ranks = [f"#{rank}" for rank, item in enumerate(doc["candidates"], start=1) if not item["in_domain"]]
    others = f"Candidates that are (~): {', '.join(ranks)}." if ranks else "No candidate is."
    other: dict[str, list[str]] = {}
    for line in operators:
        if not line["source"].startswith(_MEASURED) and line["family"] not in _NO_OPERATORS:
            other.setdefault(line["source"], []).append(line["operator"])
    known = [
        f"Operators of the pick without measured times ({source}): {', '.join(dict.fromkeys(names))}."
        for source, names in other.items()
    ]
    return Section(title="What is extrapolated", lines=(pick, others, *known))


def not_asked(doc: Doc) -> list[tuple[str, str, str]]:
    """Rows for engines and modes that the question leaves out, so that nobody looks for them in vain."""
    request = doc["request"]
    tried = {item["backend"] for item in doc.get("alternatives", ()) or doc["candidates"]}
    rows = []
    asked = request["backend"]
    missing = [engine_name(name) for name in engine_names() if name not in tried and asked != "auto"]
    if missing and asked in engine_names():
        rows.append(("-", f"{', '.join(missing)}: not asked for", "--backend auto compares all engines"))
    modes = [label for mode, label in MODES.items() if mode not in request["modes"]]
    if modes and request["modes"]:
        rows.append(("-", f"{', '.join(modes)}: not asked for, or ruled out by the planner", "--mode both"))
    return rows
