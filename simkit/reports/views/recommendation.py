"""The page of a recommendation: the answer and how sure it is, three figures, then details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.reports.alternatives import HINT as ALTERNATIVES_HINT
from simkit.reports.alternatives import alternative_heads, alternative_rows, asked_request
from simkit.reports.charts.model import Figure
from simkit.reports.labels import interval, number, percent
from simkit.reports.pages import Code, Page, Section
from simkit.reports.pareto_text import pareto_text
from simkit.reports.question import command_line, question
from simkit.reports.simulated import HEADS, HINT, simulated_rows
from simkit.reports.views.recommendation_answers import breaking_section, extrapolated_section, not_asked
from simkit.reports.views.recommendation_figures import load_charts, pareto_chart
from simkit.reports.views.recommendation_words import (
    CANDIDATE_HEADS,
    CANDIDATES_SHOWN,
    LIMITS,
    answer_of,
    candidate_row,
    settings_of,
    status_of,
    tiles_of,
    verdict_of,
)
from simkit.reports.views.step_figures import deployment_drawing, memory_chart, operator_chart

Doc = Mapping[str, Any]
_OPERATORS_SHOWN = 8  # of each phase


@dataclass(frozen=True, slots=True, kw_only=True)
class CloserLook:
    """What is known of a recommendation beyond its document.

    curves: the pick and runners-up under several loads; operators: of the pick's steps; files: its DGDs;
    notes: what limits these.
    """

    curves: tuple[Doc, ...] = ()
    operators: tuple[Doc, ...] = ()
    files: tuple[Code, ...] = ()
    notes: tuple[str, ...] = ()


def recommendation_page(doc: Doc, closer: CloserLook | None = None) -> Page:
    """The page of a recommendation's document, with what a closer look found."""
    seen = closer or CloserLook()
    best = doc["selected"]
    first: tuple[Figure, ...] = (pareto_chart(doc), *load_charts(doc, seen.curves)) if best else ()
    return Page(
        title=f"Deployment of {doc['request']['model']}",
        answer=answer_of(doc),
        verdict=verdict_of(doc),
        status=status_of(doc),
        tiles=tiles_of(best) if best else (),
        figures=first,
        sections=(*_upper(doc, seen), *_details(doc, seen)),
        command=command_line(asked_request(doc), doc.get("finalists")),
    )


def _upper(doc: Doc, seen: CloserLook) -> tuple[Section, ...]:
    """What everyone reads: the other GPUs, why, what load does, the candidates."""
    found = doc.get("alternatives", ())
    heads = tuple(head.replace("\n", " ") for head in alternative_heads(found))
    rows = tuple(tuple(row) for row in alternative_rows(found))
    best = doc["selected"] or {}
    notes = [f"Note: {note}" for note in best.get("notes", ())]
    return (
        Section(title="Side by side", hint=ALTERNATIVES_HINT, heads=heads, rows=rows, words=4),
        Section(title="Why this one", lines=(*doc["explanation"], *doc["remarks"], *notes)),
        Section(title="Before you deploy", lines=tuple(doc["request"]["warnings"])),
        _loads(seen.curves, seen.notes),
        breaking_section(doc, seen.curves),
        _candidates(doc),
        _rejected(doc),
        extrapolated_section(doc, seen.operators),
        Section(
            title="What a little more would buy", lines=tuple(item["text"] for item in doc["trade_offs"])
        ),
        Section(title="The question", heads=("", ""), rows=tuple(question(doc["request"])), words=2),
        Section(
            title="Speed for one user against output per GPU",
            drawn=pareto_text(doc) if doc["candidates"] else "",
        ),
    )


def _loads(curves: Sequence[Doc], notes: Sequence[str]) -> Section:
    """The pick at half to four times the load, in numbers."""
    rows = [
        (
            f"{point['factor']:g}",
            number(point["load"]),
            *(f"{number(point[k]['mean'])} {interval(point[k])}" if point[k]["mean"] is not None
              else "grows without end" for k in ("ttft_ms", "itl_ms")),
            number(point["output_tokens_per_s_per_gpu"]),
            percent(point["sla_probability"]),
        )
        for curve in curves[:1]
        for point in curve["points"]
    ]  # fmt: skip
    unit = curves[0]["unit"] if curves else ""
    heads = ("times the load", unit, "TTFT [ms]", "ITL [ms]", "tok/s/GPU", "P(SLA)")
    return Section(title="The pick under other loads", heads=heads, rows=tuple(rows), lines=tuple(notes))


def _candidates(doc: Doc) -> Section:
    listed = doc["candidates"][:CANDIDATES_SHOWN]
    hidden = max(0, len(doc["candidates"]) - CANDIDATES_SHOWN)
    more = f" {hidden} more in candidates.csv." if hidden else ""
    return Section(
        title="Candidates",
        hint="Best first: those at least 80 % as likely to hold the SLA as the likeliest, by what was asked "
        "for; then the others. Means, with 90 % intervals in brackets; ~ extrapolated, = cannot be told from "
        f"the first.{more}",
        heads=CANDIDATE_HEADS,
        rows=tuple(candidate_row(rank, item) for rank, item in enumerate(listed, start=1)),
        words=4,
    )


def _rejected(doc: Doc) -> Section:
    rows = [(number(item["count"]), item["reason"], item["nearest"]) for item in doc["rejected"]]
    return Section(
        title="Left out, and why not",
        heads=("Configurations", "Why", "Nearest miss"),
        rows=(*rows, *not_asked(doc)),
        words=3,
    )


def _details(doc: Doc, seen: CloserLook) -> tuple[Section, ...]:
    """What is there on demand."""
    simulated = tuple(simulated_rows(doc["candidates"]))
    return (
        Section(title="Simulated request by request", hint=HINT, heads=HEADS, rows=simulated, words=2),
        *(_chosen(doc, doc["selected"]) if doc["selected"] else ()),
        operator_section(seen.operators),
        Section(title="Deploy it", hint="kubectl apply -f dgd.yaml", files=seen.files, folded=True),
        Section(title="Assumptions and limits", lines=LIMITS, folded=True),
        Section(title="Versions", lines=tuple(f"{k}: {v}" for k, v in doc["versions"].items())),
    )


def _chosen(doc: Doc, best: Doc) -> tuple[Section, ...]:
    return (
        Section(
            title="What runs, and in what memory",
            heads=("", ""),
            rows=tuple(settings_of(best, doc["bottlenecks"])),
            words=2,
            figures=(deployment_drawing(best, doc["request"]), memory_chart(best["memory_gib"])),
        ),
        Section(
            title="Memory per GPU",
            hint="A GPU of the decode pool." if best["mode"] == "disagg" else "",
            heads=("Part", "GiB"),
            rows=tuple((part, number(size)) for part, size in best["memory_gib"].items()),
            folded=True,
        ),
    )


def operator_section(operators: Sequence[Doc]) -> Section:
    """Where a step's time goes: bars, and the dearest operators of each phase in numbers."""
    rows = []
    for phase in ("prefill", "decode"):
        ranked = sorted((o for o in operators if o["phase"] == phase), key=lambda o: -o["time_ms"])
        rows += [
            (phase, o["operator"], o["source"], number(o["time_ms"]), percent(o["share"]))
            for o in ranked[:_OPERATORS_SHOWN]
        ]
    return Section(
        title="Where the time goes",
        hint="One prefill step and one decode step of the selected configuration.",
        heads=("phase", "operator", "known from", "ms", "share"),
        rows=tuple(rows),
        words=3,
        figures=(operator_chart(operators),) if rows else (),
    )
