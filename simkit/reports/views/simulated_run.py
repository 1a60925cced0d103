"""A simulated run: percentiles beside the closed form, what happened over time, how requests spread."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.core.words import gpus
from simkit.reports.charts.model import Axis, BoundLine, Chart, Number, Series
from simkit.reports.labels import MODES, engine_name, layout_label, number
from simkit.reports.pages import Page, Section, Tile
from simkit.reports.simulation import (
    LATENCIES,
    STATISTICS,
    closed_form_heads,
    facts,
    latency_cells,
    verdict_line,
)
from simkit.reports.views.looks import COLOURS

Doc = Mapping[str, Any]
Columns = Mapping[str, Sequence[Number]]
_MOST_POINTS = 400
_STACK = ("decoding", "prefilling", "queued")


def simulation_page(doc: Doc, timeline: Columns, spread: Mapping[str, Sequence[float]], command: str) -> Page:
    """The page of a summary; timeline by column; spread: latencies of requests in milliseconds, by metric."""
    own = doc["simkit"]
    place = own["deployment"]
    heads = ["simulated, ms", *(label for label, _ in STATISTICS), *closed_form_heads(own)]
    rows = [(label, *latency_cells(doc, name, key)) for label, name, key in LATENCIES if doc.get(name)]
    sla = own["sla"]
    return Page(
        title=f"{own['model']}, simulated: {own['load']['words']}",
        answer=f"{engine_name(place['backend'])} {MODES[place['mode']]}, {layout_label(place)} on "
        f"{gpus(place['num_gpus'])}: {_says(doc)}",
        verdict=verdict_line(own) or own["believe"],
        status=("met" if sla["met"] else "missed") if sla["bounds"] else "none",
        tiles=_tiles(doc),
        figures=(_flight(timeline), _rate(timeline), _spread(spread, own)),
        sections=(
            Section(title="Latencies", hint=own["believe"], heads=tuple(h.replace("\n", " ") for h in heads),
                    rows=tuple(rows)),
            Section(title="Over time", figures=tuple(_further(timeline))),
            Section(title="What the engines did", heads=("", ""), words=2,
                    rows=tuple((a, b) for a, b in facts(doc))),
            Section(title="Notes", lines=tuple(own["notes"])),
            Section(title="Versions", lines=tuple(f"{k}: {v}" for k, v in own["versions"].items())),
        ),
        command=command,
    )  # fmt: skip


def _says(doc: Doc) -> str:
    ttft, itl = (doc.get(name) for name in ("time_to_first_token", "inter_token_latency"))
    parts = [
        f"{label} {number(item['avg'])} ms, p99 {number(item['p99'])}"
        for label, item in (("TTFT", ttft), ("ITL", itl))
        if item
    ]
    return "; ".join(parts)


def _tiles(doc: Doc) -> tuple[Tile, ...]:
    own = doc["simkit"]
    found = [
        Tile(label=label, value=f"{number(doc[name]['avg'])} ms", detail=f"p99 {number(doc[name]['p99'])} ms")
        for label, name, _ in LATENCIES
        if doc.get(name)
    ]
    found.append(
        Tile(label="Output per GPU", value=f"{number(own['output_tokens_per_s_per_gpu'])} tok/s",
             detail=f"{number(doc['output_token_throughput']['avg'])} tok/s in all")
    )  # fmt: skip
    if own["kv_used_frac_max"] is not None:
        found.append(Tile(label="KV cache, fullest", value=f"{100 * own['kv_used_frac_max']:.0f}%"))
    return tuple(found)


def _thinned(values: Sequence[Number]) -> tuple[Number, ...]:
    every = max(1, -(-len(values) // _MOST_POINTS))
    return tuple(values[::every])


def _over_time(timeline: Columns, names: Sequence[str], name: str, title: str, label: str) -> Chart:
    series = tuple(
        Series(
            label=column.replace("_", " "),
            kind="line",
            x=_thinned(timeline["time_s"]),
            y=_thinned(timeline[column]),
            colour=COLOURS[place],
            marker="o",
        )
        for place, column in enumerate(names)
        if column in timeline
    )
    return Chart(
        name=name, title=title, alt=f"{title} over time.",
        x=Axis(label="time [s]"), y=Axis(label=label, from_zero=True), series=series,
    )  # fmt: skip


def _flight(timeline: Columns) -> Chart:
    return _over_time(timeline, _STACK, "flight", "What requests do", "requests")


def _rate(timeline: Columns) -> Chart:
    return _over_time(timeline, ("output_tokens_per_s",), "rate", "Output", "output tokens/s")


def _further(timeline: Columns) -> list[Chart]:
    found = []
    if "ttft_s" in timeline:
        found.append(
            _over_time(timeline, ("ttft_s",), "ttft_time", "Mean TTFT by time of sending", "TTFT [s]")
        )
    if "kv_used_frac" in timeline:
        shares = ("kv_used_frac", "kv_idle_prefix_frac")
        found.append(_over_time(timeline, shares, "kv", "KV cache", "share of the cache"))
    return found


def _spread(spread: Mapping[str, Sequence[float]], own: Doc) -> Chart:
    """Share of requests that are at most so slow."""
    series = []
    for place, (metric, values) in enumerate(spread.items()):
        ordered = sorted(values)
        every = max(1, -(-len(ordered) // _MOST_POINTS))
        ends = [i for i in range(len(ordered)) if i % every == 0 or i == len(ordered) - 1]
        series.append(
            Series(
                label=metric,
                kind="line",
                x=tuple(ordered[i] for i in ends),
                y=tuple(100.0 * (i + 1) / len(ordered) for i in ends),
                colour=COLOURS[place],
                dashed=place > 0,
                names=tuple(
                    f"{100 * (i + 1) / len(ordered):.1f}% have {metric} \u2264 {number(ordered[i])} ms"
                    for i in ends
                ),
            )
        )
    bounds = tuple(
        BoundLine(
            label=f"SLA: {key.removesuffix('_ms').upper()} \u2264 {number(value)} ms", value=value, axis="x"
        )
        for key, value in own["sla"]["bounds"].items()
        if key in ("ttft_ms", "itl_ms")
    )
    return Chart(
        name="spread",
        title="How latencies spread over requests",
        alt="Cumulative share of requests by TTFT and ITL.",
        x=Axis(label="milliseconds", log=True, best="down"),
        y=Axis(label="share of requests [%]", from_zero=True),
        series=tuple(series),
        bounds=bounds,
    )
