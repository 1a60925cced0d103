"""Predicted against measured: scatter with intervals, errors by partition, the worst rows first."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.charts.model import Axis, BoundLine, Chart, Number, Series
from simkit.reports.labels import MISSING, count, engine_name, number, partition_label, percent
from simkit.reports.pages import Page, Section, Tile
from simkit.reports.views.looks import COLOURS, colour_of

Doc = Mapping[str, Any]
Row = Mapping[str, Any]
_WORST = 20
_NAMES = {"ttft": "TTFT", "itl": "ITL"}
_HEADS = (
    "rows", "TTFT median", "p90", "bias", "in 90 %", "ITL median", "p90", "bias", "in 90 %",
    "tok/s/GPU median",
)  # fmt: skip


def accuracy_page(
    name: str, rows: Sequence[Row], evaluations: Mapping[str, Doc], command: str, notes: Sequence[str] = ()
) -> Page:
    """The page of measured rows with predictions; evaluations: `evaluate` documents by what partitions them.

    A row has model, gpu, backend, num_gpus, isl_tokens, osl_tokens, concurrency, and for ttft and itl the
    measured mean and the predicted mean, lo and hi, in milliseconds; repeat_lo and repeat_hi where repeated.
    """
    whole = evaluations["all"]
    errors = whole["by"][0] if whole["by"] else {}
    return Page(
        title=f"Predicted against measured: {name}",
        answer=_answer(whole, errors),
        verdict=_coverage(errors),
        status="none",
        tiles=_tiles(errors),
        figures=(*(scatter(rows, metric) for metric in _NAMES), ratio_chart(rows)),
        sections=(
            *(_partition(title, doc) for title, doc in evaluations.items() if title != "all"),
            _worst(rows),
            Section(title="How to read this", lines=_READING),
            Section(title="Notes", lines=tuple(notes)),
        ),
        command=command,
    )


_READING = (
    "An error is predicted/measured - 1 of a run's mean; median and p90 are of its size, bias is the median "
    "with its sign (negative: predicted too fast).",
    "In 90 %: the share of measurements inside the predicted 90 % interval, 90 % where intervals are honest.",
    "Hollow points lie outside the range of the data behind the prediction.",
)


def _answer(whole: Doc, errors: Doc) -> str:
    if not errors or not whole["covered"]:
        return f"None of {count(whole['rows'])} rows could be predicted"
    ttft, itl = (_fine(errors[metric]["mdape"]) for metric in _NAMES)
    runs = count(whole["covered"])
    return f"Half of the predictions are within {ttft} of TTFT and {itl} of ITL, of {runs} runs"


def _coverage(errors: Doc) -> str:
    cover = errors.get("coverage90") or {}
    parts = [f"{percent(cover.get(metric))} of {name}" for metric, name in _NAMES.items()]
    return f"The 90 % intervals hold {' and '.join(parts)}."


def _tiles(errors: Doc) -> tuple[Tile, ...]:
    found = []
    for metric, name in _NAMES.items():
        item = errors.get(metric) or {}
        found += [
            Tile(label=f"{name}: median error", value=_fine(item.get("mdape")),
                 detail=f"one in ten is off by more than {_fine(item.get('p90'))}"),
            Tile(label=f"{name}: bias", value=_fine(item.get("bias"), "+"),
                 detail="negative: predicted too fast"),
        ]  # fmt: skip
    return tuple(found)


def _fine(frac: float | None, sign: str = "") -> str:
    """A share in percent, to a tenth."""
    return MISSING if frac is None else f"{100 * frac:{sign}.1f}%"


def row_name(row: Row) -> str:
    """What a run is, on lines."""
    lines = [
        f"{row['model']}",
        f"{engine_name(row['backend'])} on {number(row.get('num_gpus'))} \u00d7 {row['gpu']}",
        f"{count(row['isl_tokens'])} + {count(row['osl_tokens'])} tokens, "
        f"{count(row['concurrency'])} in flight",
    ]
    for metric, name in _NAMES.items():
        lines.append(
            f"{name} predicted {number(row[f'predicted_{metric}'])} "
            f"[{number(row[f'{metric}_lo'])}\u2013{number(row[f'{metric}_hi'])}], "
            f"measured {number(row[metric])} ms"
        )
    return "\n".join(lines)


def scatter(rows: Sequence[Row], metric: str) -> Chart:
    """Predicted over measured on logarithmic axes, one series for each engine."""
    name = _NAMES[metric]
    series = []
    for backend in dict.fromkeys(row["backend"] for row in rows):
        chosen = [row for row in rows if row["backend"] == backend]
        series.append(
            Series(
                label=engine_name(backend),
                x=_column(chosen, metric),
                y=_column(chosen, f"predicted_{metric}"),
                lo=_column(chosen, f"{metric}_lo"),
                hi=_column(chosen, f"{metric}_hi"),
                x_lo=_column(chosen, f"{metric}_repeat_lo"),
                x_hi=_column(chosen, f"{metric}_repeat_hi"),
                colour=colour_of(backend),
                names=tuple(row_name(row) for row in chosen),
                doubtful=tuple(not row.get("in_domain", True) for row in chosen),
                group=backend,
            )
        )
    return Chart(
        name=f"measured_{metric}",
        title=f"Mean {name}, predicted against measured",
        alt=f"{len(rows)} runs: predicted mean {name} over measured; on the diagonal both agree.",
        x=Axis(label=f"measured {name} [ms]", log=True),
        y=Axis(label=f"predicted {name} [ms]", log=True),
        series=tuple(series),
        bounds=(BoundLine(label="predicted = measured", axis="diagonal"),),
        note="Whiskers are 90 % intervals and the noise of repeats, where there are few enough to see them.",
    )


def _column(rows: Sequence[Row], name: str) -> tuple[Number, ...]:
    return tuple(row.get(name) for row in rows)


def ratio_chart(rows: Sequence[Row]) -> Chart:
    """Predicted/measured against the load: where errors are."""
    series = []
    for place, (metric, name) in enumerate(_NAMES.items()):
        known = [row for row in rows if row[metric] and row[f"predicted_{metric}"]]
        series.append(
            Series(
                label=name,
                x=_column(known, "concurrency"),
                y=tuple(row[f"predicted_{metric}"] / row[metric] for row in known),
                colour=COLOURS[place],
                marker=("o", "^")[place],
                names=tuple(row_name(row) for row in known),
            )
        )
    return Chart(
        name="ratio",
        title="Where predictions are off: by load",
        alt="Predicted over measured against requests in flight; 1 is exact.",
        x=Axis(label="requests in flight", log=True),
        y=Axis(label="predicted / measured", log=True),
        series=tuple(series),
        bounds=(BoundLine(label="exact", value=1.0),),
    )


def _partition(title: str, doc: Doc) -> Section:
    rows = []
    for item in sorted(doc["by"], key=lambda part: -part["rows"]):
        cells = [count(item["rows"])]
        for metric in _NAMES:
            found = item.get(metric) or {}
            cells += [percent(found.get("mdape")), percent(found.get("p90"))]
            cells += [percent(found.get("bias"), signed=True), percent(item["coverage90"].get(metric))]
        throughput = item.get("output_tokens_per_s_per_gpu") or {}
        rows.append((partition_label(item["partition"]), *cells, percent(throughput.get("mdape"))))
    return Section(title=f"Errors by {title}", heads=("", *_HEADS), rows=tuple(rows))


def _worst(rows: Sequence[Row]) -> Section:
    """The rows furthest off first."""

    def off(row: Row) -> float:
        ratios = [row[f"predicted_{m}"] / row[m] for m in _NAMES if row[m] and row[f"predicted_{m}"]]
        return max((max(ratio, 1 / ratio) for ratio in ratios), default=0.0)

    shown = []
    for row in sorted(rows, key=off, reverse=True)[:_WORST]:
        cells = []
        for metric in _NAMES:
            said, got = row[f"predicted_{metric}"], row[metric]
            error = percent(said / got - 1.0, signed=True) if said and got else MISSING
            cells += [
                number(got),
                f"{number(said)} [{number(row[f'{metric}_lo'])}\u2013{number(row[f'{metric}_hi'])}]",
                error,
            ]
        place = f"{engine_name(row['backend'])} on {number(row.get('num_gpus'))} \u00d7 {row['gpu']}"
        load = f"{count(row['isl_tokens'])} + {count(row['osl_tokens'])}, {count(row['concurrency'])}"
        shown.append((str(row.get("run_id", "")), str(row["model"]), place, load, *cells))
    heads = (
        "run", "model", "where", "tokens, in flight", "TTFT measured", "predicted", "error", "ITL measured",
        "predicted", "error",
    )  # fmt: skip
    return Section(title="Worst first", heads=heads, rows=tuple(shown), words=4)
