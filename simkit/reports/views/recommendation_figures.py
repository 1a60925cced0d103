"""Figures of a recommendation: fronts, latency against load, operators, memory, the deployment drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.charts.model import Axis, BoundLine, Chart, Series
from simkit.reports.labels import engine_name, layout_label, number, percent
from simkit.reports.question import BOUNDS
from simkit.reports.views.looks import (
    COLOURS,
    GOLD,
    candidate_name,
    colour_of,
    column,
    inverse_ms,
    marker_of,
    sla_bounds,
)

Doc = Mapping[str, Any]
_USER = ("tokens_per_s_per_user",)
_GPU = ("output_tokens_per_s_per_gpu",)
_INK = "#7a7f87"


def pareto_chart(doc: Doc) -> Chart:
    """Output tokens/s per GPU against tokens/s per user: the front of each engine and mode, and the pick."""
    best = doc["selected"] or {}
    picked = (best.get("backend"), best.get("mode"))
    series = [_front(front, picked) for front in doc["fronts"]]
    kinds = dict.fromkeys((item["backend"], item["mode"]) for item in doc["candidates"])
    series += [_candidates(doc, kind, named=not doc["fronts"]) for kind in kinds]
    if doc["knee"]:
        look: Any = {"colour": _INK, "marker": "D", "label": "knee"}
        series.append(_spot(doc["knee"], look))
    if best:
        look = {"colour": GOLD, "marker": "*", "label": "selected"}
        series.append(_spot(best, look, doc.get("selected_row") or 1))
    itl = doc["request"]["sla"]["itl_ms"]
    bounds = tuple(
        BoundLine(label=f"slower misses {bound.label.removeprefix('SLA: ')}", value=1e3 / itl, axis="x")
        for bound in sla_bounds(doc["request"], "itl_ms")
    )
    return Chart(
        name="pareto",
        title="Speed for one user against output per GPU",
        alt=_pareto_alt(doc),
        x=Axis(label="tokens/s per user (1/ITL)", from_zero=True, best="up"),
        y=Axis(label="output tokens/s per GPU", from_zero=True, best="up"),
        series=tuple(series),
        bounds=bounds,
        note="Lines are the best of each engine and mode at any load; the shaded band is a 90 % interval of "
        "tokens/s per user along the pick's line. Hollow points are extrapolated.",
    )  # fmt: skip


def _pareto_alt(doc: Doc) -> str:
    best = doc["selected"]
    if not best:
        return "No configuration was found."
    knee = doc["knee"]
    bend = f" The front bends at {number(knee[_USER[0]])} tokens/s per user." if knee else ""
    return (
        f"Pareto plot of {len(doc['candidates'])} candidates: the selected {engine_name(best['backend'])} "
        f"{layout_label(best)} gives {number(best[_USER[0]])} tokens/s per user and "
        f"{number(best[_GPU[0]])} output tokens/s per GPU.{bend}"
    )


def _front(front: Doc, picked: tuple[str | None, str | None]) -> Series:
    points = [{**front, **point} for point in front["points"]]
    own = (front["backend"], front["mode"]) == picked
    slow, fast = (inverse_ms(column(points, "itl_ms", end)) for end in ("hi", "lo"))
    return Series(
        label=f"{engine_name(front['backend'])} {front['mode']}",
        kind="line",
        x=column(points, *_USER),
        y=column(points, *_GPU),
        lo=column(points, *_GPU) if own else (),
        hi=column(points, *_GPU) if own else (),
        x_lo=slow if own else (),
        x_hi=fast if own else (),
        band=own,
        colour=colour_of(front["backend"]),
        marker=marker_of(front["mode"]),
        dashed=front["mode"] == "agg",
        names=tuple(candidate_name(point) for point in points),
        doubtful=tuple(not point["in_domain"] for point in points),
        group=front["backend"],
    )


def _candidates(doc: Doc, kind: tuple[str, str], *, named: bool) -> Series:
    """Candidates of the table; named in the legend where no front names them."""
    pairs = [
        (rank, item)
        for rank, item in enumerate(doc["candidates"], start=1)
        if (item["backend"], item["mode"]) == kind
    ]
    items = [item for _, item in pairs]
    name = f"{engine_name(kind[0])} {kind[1]}"
    return Series(
        label=name if named else "",
        x=column(items, *_USER),
        y=column(items, *_GPU),
        colour=colour_of(kind[0]),
        marker=marker_of(kind[1]),
        names=tuple(candidate_name(item, rank) for rank, item in pairs),
        doubtful=tuple(not item["in_domain"] for item in items),
        group=kind[0],
    )


def _spot(item: Doc, look: Any, rank: int = 0) -> Series:
    return Series(
        x=column([item], *_USER), y=column([item], *_GPU), names=(candidate_name(item, rank),), **look
    )


def load_charts(doc: Doc, curves: Sequence[Doc]) -> tuple[Chart, ...]:
    """TTFT and ITL of the pick and its runners-up from half to four times the load."""
    return tuple(
        _load_chart(doc, curves, metric, name)
        for metric, name in (("ttft_ms", "TTFT"), ("itl_ms", "ITL"))
        if curves
    )


def _load_chart(doc: Doc, curves: Sequence[Doc], metric: str, name: str) -> Chart:
    unit = curves[0]["unit"]
    series = []
    for place, curve in enumerate(curves):
        points = curve["points"]
        label = f"#{curve['rank']} {engine_name(curve['backend'])} {curve['mode']} {curve['layout']}"
        series.append(
            Series(
                label=label,
                kind="line",
                x=column(points, "load"),
                y=column(points, metric, "mean"),
                lo=column(points, metric, "lo") if place == 0 else (),
                hi=column(points, metric, "hi") if place == 0 else (),
                band=place == 0,
                colour=COLOURS[place],
                marker=("o", "s", "^", "D")[place % 4],
                dashed=place > 0,
                names=tuple(_load_name(label, point, unit) for point in points),
                doubtful=tuple(not point["in_domain"] for point in points),
            )
        )
    asked = BoundLine(label="the load asked for", value=curves[0]["asked"], axis="x")
    return Chart(
        name=f"load_{name.lower()}",
        title=f"Mean {name} against load",
        alt=_load_alt(curves[0], metric, name),
        x=Axis(label=f"{unit}, half to four times the load", log=True),
        y=Axis(label=f"mean {name} [ms]", log=True, best="down"),
        series=tuple(series),
        bounds=(asked, *sla_bounds(doc["request"], metric)),
        note="The shaded band is the pick's 90 % interval. A line ends where requests queue without end.",
    )


def _load_name(label: str, point: Doc, unit: str) -> str:
    chance = point["sla_probability"]
    return "\n".join([
        label, f"{number(point['factor'])} times the load: {number(point['load'])} {unit}",
        *(f"{BOUNDS[key]} {number(point[key]['mean'])} ms [{number(point[key]['lo'])}\u2013"
          f"{number(point[key]['hi'])}]" for key in ("ttft_ms", "itl_ms")),
        *([f"P(SLA) {percent(chance)}"] if chance is not None else []),
    ])  # fmt: skip


def _load_alt(curve: Doc, metric: str, name: str) -> str:
    said = {
        point["factor"]: number(point[metric]["mean"])
        for point in curve["points"]
        if point["factor"] in (0.5, 1.0, 2.0, 4.0)
    }
    parts = ", ".join(
        f"{'endless' if value == '-' else f'{value} ms'} at {factor:g} times"
        for factor, value in said.items()
    )
    return f"Mean {name} of the pick: {parts} the load."
