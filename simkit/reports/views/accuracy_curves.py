"""Measured runs of one engine on one GPU: curves over the load, then the rows behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.reports.charts.model import Axis, Chart, Series
from simkit.reports.labels import MISSING, count, engine_name, number, percent
from simkit.reports.pages import Page, PageLink, Section
from simkit.reports.views.accuracy import accuracy_page, row_name
from simkit.reports.views.looks import COLOURS

Row = Mapping[str, Any]
_NAMES = {"ttft": "TTFT", "itl": "ITL"}
_MOST_LINES = 6
_HEADS = (
    "run", "plan", "tokens", "procedure", "source", "in flight", "TTFT measured", "predicted", "error",
    "ITL measured", "predicted", "error",
)  # fmt: skip


def curves_page(
    place: tuple[str, str], rows: Sequence[Row], evaluations: Mapping[str, Any], command: str
) -> Page:
    """The page of (GPU, engine). Rows as for `accuracy_page`, with plan, protocol, origin and group.

    group names what is the same but for the load.
    """
    gpu, backend = place
    whole = accuracy_page(f"{engine_name(backend)} on {gpu}", rows, evaluations, command)
    models = sorted({row["model"] for row in rows})
    sections = [_model(model, [row for row in rows if row["model"] == model]) for model in models]
    kept = [section for section in whole.sections if section.title in ("Errors by model", "How to read this")]
    back = Section(title="More", links=(PageLink(text="all engines and GPUs", href="index.html"),))
    return Page(
        title=whole.title,
        answer=whole.answer,
        verdict=whole.verdict,
        status=whole.status,
        tiles=whole.tiles,
        figures=whole.figures,
        sections=(*kept[:1], *sections, *kept[1:], back),
        command=command,
    )


def _model(model: str, rows: Sequence[Row]) -> Section:
    slug = "".join(letter if letter.isalnum() else "_" for letter in model)
    return Section(
        title=model,
        hint="Points are measured, lines predicted without the run's own group; bands are 90 % intervals of "
        "the first line. The groups with most loads are drawn, the table has all.",
        figures=tuple(_curve(slug, rows, metric) for metric in _NAMES),
        heads=_HEADS,
        rows=tuple(_cells(row) for row in sorted(rows, key=lambda r: (r["group"], r["concurrency"]))),
        words=5,
        folded=True,
    )


def _curve(slug: str, rows: Sequence[Row], metric: str) -> Chart:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_LINES]
    series = []
    for i, (group, members) in enumerate(ranked):
        ordered = sorted(members, key=lambda row: row["concurrency"])
        series += [
            _line(group, ordered, metric, i),
            Series(
                label="",
                x=tuple(row["concurrency"] for row in ordered),
                y=tuple(row[metric] for row in ordered),
                colour=COLOURS[i],
                marker="s",
                names=tuple(row_name(row) for row in ordered),
                group=group,
            ),
        ]
    name = _NAMES[metric]
    return Chart(
        name=f"{slug}_{metric}",
        title=f"Mean {name} against load",
        alt=f"Measured and predicted mean {name} over load, {len(ranked)} of {len(groups)} groups.",
        x=Axis(label="requests in flight", log=True),
        y=Axis(label=f"mean {name} [ms]", log=True),
        series=tuple(series),
    )


def _line(group: str, ordered: Sequence[Row], metric: str, place: int) -> Series:
    return Series(
        label=group,
        kind="line",
        x=tuple(row["concurrency"] for row in ordered),
        y=tuple(row[f"predicted_{metric}"] for row in ordered),
        lo=tuple(row[f"{metric}_lo"] for row in ordered) if place == 0 else (),
        hi=tuple(row[f"{metric}_hi"] for row in ordered) if place == 0 else (),
        band=place == 0,
        colour=COLOURS[place],
        names=tuple(row_name(row) for row in ordered),
        group=group,
    )


def _cells(row: Row) -> tuple[str, ...]:
    cells = []
    for metric in _NAMES:
        said, got = row[f"predicted_{metric}"], row[metric]
        error = percent(said / got - 1.0, signed=True) if said and got else MISSING
        held = f"{number(said)} [{number(row[f'{metric}_lo'])}\u2013{number(row[f'{metric}_hi'])}]"
        cells += [number(got), held, error]
    tokens = f"{count(row['isl_tokens'])} + {count(row['osl_tokens'])}"
    known = (str(row["run_id"]), row["plan"], tokens, str(row["protocol"]), str(row["origin"]))
    return (*known, count(row["concurrency"]), *cells)
