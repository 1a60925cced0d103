"""The page of a sweep: its answer by group, every point, what the best metric does along its axes."""

from simkit.reports.labels import count, number, percent
from simkit.reports.pages import Page, Section, Tile
from simkit.reports.question import BOUNDS
from simkit.reports.views.looks import words
from simkit.reports.views.sweep_figures import heat_maps, line_charts, plane_chart
from simkit.reports.views.swept_answer import SweptAnswer, answer_figures, answer_words
from simkit.reports.views.swept_points import SweptPoints, best_point, label_of, point_name, values_of


def experiment_page(swept: SweptPoints, summary: Section | None, answer: SweptAnswer | None = None) -> Page:
    """The page of a sweep; summary and answer: the best of each group, where the sweep asks for them."""
    place = best_point(swept)
    first = answer_figures(answer) if answer else []
    figures = [*first, plane_chart(swept, place), *line_charts(swept), *heat_maps(swept)]
    lines = [f"{count(number_)} \u00d7 {reason}" for reason, number_ in swept.failed.items()]
    return Page(
        title=swept.question,
        answer=answer_words(answer) if answer else _answer(swept, place),
        verdict=_certainty(swept, place, whole=answer is not None),
        status="none",
        tiles=_tiles(swept),
        figures=tuple(figures[:3]),
        sections=(
            *([summary] if summary else []),
            Section(title="More views", figures=tuple(figures[3:])),
            _top(swept),
            Section(title="Points without a result", lines=tuple(lines)),
            Section(title="Provenance", lines=(swept.said, *swept.provenance), folded=True),
        ),
        command=swept.command,
    )


def _answer(swept: SweptPoints, place: int | None) -> str:
    if place is None:
        return "No point has a result"
    most = "lowest" if swept.least else "highest"
    where = point_name(swept, place, whole=False) or "the only point"
    return f"The {most} {label_of(swept, swept.best)}, {words(swept.columns[swept.best][place])}: {where}"


def _certainty(swept: SweptPoints, place: int | None, *, whole: bool) -> str:
    """How sure it is; whole: the answer is about all groups, so that the best point stands apart."""
    if place is None:
        return "Nothing can be said."
    found = whole and swept.best not in swept.varied  # the lowest value of an axis is no finding
    parts = [f"{_answer(swept, place)}."] if found else []
    chance = swept.columns.get("sla_probability", ())
    if swept.bounds and chance and chance[place] is not None and (found or not whole):
        subject = "It" if found else "The best point"
        parts.append(f"{subject} keeps the SLA with a probability of {percent(chance[place])}.")
    inside = swept.columns.get("in_domain", ())
    if inside:
        outside = sum(not item for item in inside)
        parts.append(f"{count(outside)} of {count(swept.size)} points lie outside what was measured.")
    return " ".join(parts) or swept.said


def _tiles(swept: SweptPoints) -> tuple[Tile, ...]:
    meets = swept.columns.get("meets_sla", ())
    found = [
        Tile(
            label="Points",
            value=count(swept.size),
            detail=f"{count(sum(swept.failed.values()))} without a result",
        )
    ]
    if swept.bounds and meets:
        bounds = ", ".join(f"{BOUNDS.get(k, k)} \u2264 {number(v)} ms" for k, v in swept.bounds.items())
        found.append(Tile(label="Meet the SLA", value=count(sum(map(bool, meets))), detail=bounds))
    varied = ", ".join(f"{label_of(swept, n)} ({len(values_of(swept, n))})" for n in swept.varied)
    found.append(Tile(label="Axes", value=str(len(swept.varied)), detail=varied))
    return tuple(found)


def _top(swept: SweptPoints) -> Section:
    """The best points in numbers."""
    known = [i for i in range(swept.size) if swept.columns[swept.best][i] is not None]
    sign, meets = 1.0 if swept.least else -1.0, swept.columns.get("meets_sla", ())
    ranked = sorted(known, key=lambda i: (bool(meets) and not meets[i], sign * swept.columns[swept.best][i]))[
        :20
    ]
    shown = [
        swept.best, *(f"{swept.prefix}{name}" for name in ("ttft_ms_mean", "itl_ms_mean")),
        "sla_probability", "meets_sla", "in_domain",
    ]  # fmt: skip
    kept = [name for name in dict.fromkeys(shown) if name in swept.columns and name not in swept.varied]
    rows = tuple(tuple(words(swept.columns[name][i]) for name in (*swept.varied, *kept)) for i in ranked)
    heads = tuple(label_of(swept, name) for name in (*swept.varied, *kept))
    return Section(
        title="The best points",
        hint="Those that keep the SLA first.",
        heads=heads,
        rows=rows,
        words=len(swept.varied),
    )
