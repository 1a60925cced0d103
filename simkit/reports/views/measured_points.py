"""Figures of what was measured beside what was predicted: of a profile's points, and of one benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from simkit.reports.charts.model import Axis, BoundLine, Chart, Series
from simkit.reports.labels import MISSING, number, percent
from simkit.reports.pages import Page, Section
from simkit.reports.profile import profile_page
from simkit.reports.views.looks import COLOURS

Doc = Mapping[str, Any]
_NAMES = {
    "ttft": "TTFT [ms]",
    "itl": "ITL [ms]",
    "e2e": "end to end [ms]",
    "output_tokens_per_s": "output tokens/s",
}


def profiled_page(doc: Doc, command: str) -> Page:
    """The profile's own page with its points drawn."""
    trials = [(item, point) for item in (*doc["candidates"], *doc["engines"]) for point in item["points"]]
    figures = tuple(chart for metric in ("ttft", "itl") if (chart := _points(trials, metric)).series)
    return replace(profile_page(doc, command), figures=figures)


def _points(trials: Sequence[tuple[Doc, Doc]], metric: str) -> Chart:
    name = metric.upper()
    series = []
    for place, kind in enumerate(dict.fromkeys(item["kind"] for item, _ in trials)):
        known = [
            (item, point)
            for item, point in trials
            if item["kind"] == kind and point[f"{metric}_ms"] and point["predicted_ms"].get(metric)
        ]
        if known:
            series.append(
                Series(
                    label=kind,
                    x=tuple(point[f"{metric}_ms"] for _, point in known),
                    y=tuple(point["predicted_ms"][metric] for _, point in known),
                    colour=COLOURS[place],
                    marker=("o", "^", "s", "D")[place % 4],
                    names=tuple(
                        f"{item['name']}, {point['name']}\n{name} predicted "
                        f"{number(point['predicted_ms'][metric])}, "
                        f"measured {number(point[f'{metric}_ms'])} ms"
                        for item, point in known
                    ),
                )
            )
    return Chart(
        name=f"profile_{metric}",
        title=f"{name} of every point, predicted against measured",
        alt=f"Predicted {name} over measured for the points of the profile.",
        x=Axis(label=f"measured {name} [ms]", log=True),
        y=Axis(label=f"predicted {name} [ms]", log=True),
        series=tuple(series),
        bounds=(BoundLine(label="predicted = measured", axis="diagonal"),),
    )


def benchmark_page(doc: Doc, title: str, command: str) -> Page:
    """One deployment's comparison.json: each metric's interval and what was measured."""
    metrics = {name: item for name, item in doc["metrics"].items() if item["measured"]}
    missed = [
        _NAMES.get(name, name).partition(" [")[0] for name, item in metrics.items() if not item["within"]
    ]
    rows = tuple(
        (
            _NAMES.get(name, name), number(item["predicted"]),
            f"{number(item['lo'])}\u2013{number(item['hi'])}",
            number(item["measured"]), percent(item["error"], signed=True), _verdict(item),
        )
        for name, item in sorted(metrics.items(), key=lambda pair: -abs(pair[1]["error"]))
    )  # fmt: skip
    return Page(
        title=title,
        answer=f"{len(metrics) - len(missed)} of {len(metrics)} means lie where they were predicted",
        verdict=f"beyond bounds: {', '.join(missed)}" if missed else "measured within the bounds predicted",
        status="missed" if missed else "met",
        figures=(_relative(metrics),) if metrics else (),
        sections=(
            Section(
                title="Predicted against measured",
                hint="The largest error first.",
                heads=("mean", "predicted", "90 % interval", "measured", "error", "verdict"),
                rows=rows,
            ),
            Section(
                title="Measurement", lines=tuple(f"{k}: {v}" for k, v in doc["measured_by"].items() if v)
            ),
            Section(title="Remarks", lines=tuple(doc["remarks"])),
        ),
        command=command,
    )


def _verdict(item: Doc) -> str:
    if item["limit"] is not None:
        return f"{'within' if item['within'] else 'beyond'} {percent(item['limit'])}"
    return MISSING if item["inside"] is None else "inside" if item["inside"] else "OUTSIDE"


def _relative(metrics: Mapping[str, Doc]) -> Chart:
    """Every metric over what was measured: 1 is exact."""
    names = tuple(_NAMES.get(name, name) for name in metrics)
    items = list(metrics.values())
    places = tuple(float(i) for i in range(len(items)))
    return Chart(
        name="benchmark",
        title="Predicted over measured",
        alt="; ".join(f"{n}: predicted {number(i['predicted'])}, measured {number(i['measured'])}"
                      for n, i in zip(names, items, strict=True)),
        x=Axis(label="predicted / measured, 90 % interval", log=True),
        y=Axis(label="", categories=names),
        series=(
            Series(
                label="",
                x=tuple(item["predicted"] / item["measured"] for item in items),
                y=places,
                lo=tuple(None for _ in items),
                hi=tuple(None for _ in items),
                x_lo=tuple(None if item["lo"] is None else item["lo"] / item["measured"] for item in items),
                x_hi=tuple(None if item["hi"] is None else item["hi"] / item["measured"] for item in items),
                colour=COLOURS[0],
                names=tuple(f"{n}: predicted {number(i['predicted'])}, measured {number(i['measured'])}"
                            for n, i in zip(names, items, strict=True)),
            ),
        ),
        bounds=(BoundLine(label="exact", value=1.0, axis="x"),),
    )  # fmt: skip
