"""Up to eight deployments, requests or recommendations side by side; the first is the baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.charts.model import Axis, BoundLine, Chart, Figure, Series
from simkit.reports.labels import MISSING, interval, number, percent
from simkit.reports.pages import Page, Section
from simkit.reports.views.looks import COLOURS, candidate_name, sla_bounds, words
from simkit.reports.views.step_figures import stacked_operators

Doc = Mapping[str, Any]
MOST_SIDES = 8
_MANY_TIMES = 9.0
_CERTAIN: Mapping[bool | None, str] = {True: ", certain", False: ", within intervals"}
_LATENCIES = (("ttft_ms", "TTFT"), ("itl_ms", "ITL"))
_RATE = "output_tokens_per_s_per_gpu"


def sides_page(sides: Sequence[Doc], pairs: Sequence[Doc], command: str) -> Page:
    """The page of sides; pairs: what `compare` says of the first with each of the others."""
    names = side_names(sides)
    figures: tuple[Figure, ...] = tuple(
        _latencies(sides, names, metric, label) for metric, label in _LATENCIES
    )
    return Page(
        title=f"{len(sides)} sides compared",
        answer=_answer(pairs, names),
        verdict=_verdict(pairs),
        status="none",
        figures=(*figures, _rates(sides, names)),
        sections=(
            _figures(sides, pairs, names),
            _differences("What was asked", "question", pairs, names, [not s["question"] for s in sides[1:]]),
            _differences("What runs", "settings", pairs, names, [False for _ in pairs]),
            _operators(sides, names),
            Section(title="Why", lines=tuple(_why(pairs, names))),
            Section(title="Notes", lines=tuple(dict.fromkeys(n for pair in pairs for n in pair["notes"]))),
        ),
        command=command,
    )


def side_names(sides: Sequence[Doc]) -> list[str]:
    """A letter, what it is, and the end of its path."""
    return [
        f"{'ABCDEFGH'[i]} {'/'.join(str(side['name']).split('/')[-2:])}: {side['layout']}"
        for i, side in enumerate(sides)
    ]


def _answer(pairs: Sequence[Doc], names: Sequence[str]) -> str:
    """Which gives most output per GPU."""
    rates = [_row(pairs[0], _RATE)["a"], *(_row(pair, _RATE)["b"] for pair in pairs)]
    best = max(range(len(rates)), key=lambda i: rates[i] or 0.0)
    ratio = f", {_change(rates[best] / rates[0] - 1.0)} against A" if best and rates[0] else ""
    return f"{names[best]} gives the most output per GPU: {number(rates[best])} tokens/s{ratio}"


def _verdict(pairs: Sequence[Doc]) -> str:
    """Which differences of latency are beyond what predictions can tell."""
    sure = [
        f"{label} of {'BCDEFGH'[i]}"
        for i, pair in enumerate(pairs)
        for metric, label in _LATENCIES
        if _row(pair, metric).get("sure")
    ]
    if sure:
        return f"Certain, as 90 % intervals do not overlap: {', '.join(sure)}. The rest is within intervals."
    return "No difference of latency is certain: all 90 % intervals overlap with those of A."


def _row(pair: Doc, metric: str) -> Doc:
    found: Doc = next((row for row in pair["figures"] if row["metric"] == metric), {"a": None, "b": None})
    return found


def _change(frac: float | None) -> str:
    if frac is None:
        return MISSING
    return percent(frac, signed=True) if frac < _MANY_TIMES else f"\u00d7 {number(frac + 1.0)}"


def _short(sides: Sequence[Doc], names: Sequence[str]) -> tuple[str, ...]:
    """For an axis: the letter and what runs."""
    return tuple(f"{name[0]} {side['layout']}" for name, side in zip(names, sides, strict=True))


def _latencies(sides: Sequence[Doc], names: Sequence[str], metric: str, label: str) -> Chart:
    bounds: tuple[BoundLine, ...] = ()
    if sides[0].get("question"):
        bounds = tuple(
            BoundLine(label=b.label, value=b.value, axis="x")
            for b in sla_bounds(sides[0]["question"], metric)
        )
    series = []
    for i, side in enumerate(sides):
        found = side["candidate"][metric]
        series.append(
            Series(
                label="",
                x=(found["mean"],),
                y=(float(i),),
                x_lo=(found["lo"],),
                x_hi=(found["hi"],),
                lo=(None,),
                hi=(None,),
                colour=COLOURS[i],
                names=(f"{names[i]}\n{candidate_name(side['candidate'])}",),
                doubtful=(not side["candidate"]["in_domain"],),
            )
        )
    said = ", ".join(
        f"{name[0]} {number(s['candidate'][metric]['mean'])}" for name, s in zip(names, sides, strict=True)
    )
    return Chart(
        name=f"sides_{metric[:-3]}",
        title=f"Mean {label}",
        alt=f"Mean {label} in ms: {said}.",
        x=Axis(label=f"mean {label} [ms], 90 % interval", log=True, best="down"),
        y=Axis(label="", categories=_short(sides, names)),
        series=tuple(series),
        bounds=bounds,
        note="Where intervals overlap, predictions cannot tell the sides apart.",
    )


def _rates(sides: Sequence[Doc], names: Sequence[str]) -> Chart:
    series = tuple(
        Series(
            label="",
            kind="bars",
            x=(side["candidate"][_RATE],),
            y=(float(i),),
            colour=COLOURS[i],
            names=(f"{names[i]}\n{number(side['candidate'][_RATE])} tok/s/GPU",),
        )
        for i, side in enumerate(sides)
    )
    said = ", ".join(
        f"{name[0]} {number(s['candidate'][_RATE])}" for name, s in zip(names, sides, strict=True)
    )
    return Chart(
        name="sides_rate",
        title="Output tokens/s per GPU",
        alt=f"Output tokens per second per GPU: {said}.",
        x=Axis(label="output tokens/s per GPU", from_zero=True, best="up"),
        y=Axis(label="", categories=_short(sides, names)),
        series=series,
    )


def _figures(sides: Sequence[Doc], pairs: Sequence[Doc], names: Sequence[str]) -> Section:
    """A row for each figure, a column for each side; changes against the first."""
    rows = []
    for metric in dict.fromkeys(row["metric"] for pair in pairs for row in pair["figures"]):
        cells = [words(_row(pairs[0], metric)["a"])]
        for pair in pairs:
            row = _row(pair, metric)
            mark = _CERTAIN.get(row.get("sure"), "")
            change = row.get("change")
            cells.append(words(row["b"]) + (f" ({_change(change)}{mark})" if change is not None else ""))
        rows.append((metric, *cells))
    for metric, label in _LATENCIES:
        rows.append((f"{label} 90 %", *(interval(side["candidate"][metric]) for side in sides)))
    return Section(title="Figures", hint="Changes are against A.", heads=("", *names), rows=tuple(rows))


def _differences(
    title: str, key: str, pairs: Sequence[Doc], names: Sequence[str], silent: Sequence[bool]
) -> Section:
    """A row for each setting that differs somewhere; silent: which sides say nothing of such settings."""
    paths = dict.fromkeys(row["path"] for pair in pairs for row in pair[key])
    rows = []
    for path in paths:
        found = [next((row for row in pair[key] if row["path"] == path), None) for pair in pairs]
        base = next(row["a"] for row in found if row)
        others = (
            MISSING if mute else words(row["b"] if row else base)
            for row, mute in zip(found, silent, strict=True)
        )
        rows.append((path, words(base), *others))
    return Section(title=title, heads=("", *names), rows=tuple(rows), words=1 + len(names))


def _operators(sides: Sequence[Doc], names: Sequence[str]) -> Section:
    """Steps of all sides, operator by operator."""
    charts = []
    for phase in ("prefill", "decode"):
        rows = {
            name[0]: [o for o in side["operators"] if o["phase"] == phase]
            for name, side in zip(names, sides, strict=True)
        }
        known = {name: items for name, items in rows.items() if items}
        if known:
            charts.append(stacked_operators(known, f"operators_{phase}", f"A {phase} step by operator"))
    return Section(title="Where the time goes", figures=tuple(charts))


def _why(pairs: Sequence[Doc], names: Sequence[str]) -> list[str]:
    return [
        f"A against {name[0]}: {line}"
        for name, pair in zip(names[1:], pairs, strict=True)
        for line in pair["why"]
    ]
