"""One or several paths as one page, and the page as files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from simkit.core.errors import InputError
from simkit.publish.folders import (
    benchmark_report,
    profile_report,
    recommendation_report,
    simulation_report,
)
from simkit.publish.kinds import EXPECTED, Kind, kind_of
from simkit.publish.sweeps import sweep_report
from simkit.publish.tables import table_report
from simkit.reports.labels import layout_label
from simkit.reports.pages import Page, page_html, page_markdown
from simkit.reports.views.sides import MOST_SIDES, sides_page
from simkit.verbs.answer_files.folder import write_folder
from simkit.verbs.compare import compare
from simkit.verbs.compare_sides import MEASURED, Asking, read_many

FIGURES = "figures"
_SINGLE: Mapping[Kind, Callable[[Path], Page]] = MappingProxyType({
    "recommendation": recommendation_report,
    "experiment": sweep_report,
    "simulation": simulation_report,
    "profile": profile_report,
    "benchmark": benchmark_report,
    "table": table_report,
})  # fmt: skip
_SIDES: tuple[Kind, ...] = ("side", "recommendation", "profile", "benchmark")


def page_of(paths: Sequence[Path], asking: Asking) -> Page:
    """The page of one path, or of up to eight sides next to each other. Raises InputError."""
    kinds = [kind_of(path) for path in paths]
    if len(paths) > 1:
        return _compared(paths, kinds, asking)
    if kinds[0] == "side":
        raise InputError(f"{paths[0]}: alone it has nothing to stand beside; give another, or {EXPECTED}")
    if asking.any:
        raise InputError(
            f"{paths[0]}: flags of the question are for DGDs and DGDRs side by side; drop them, the "
            f"{kinds[0]} says what was asked"
        )
    return _SINGLE[kinds[0]](paths[0])


def _compared(paths: Sequence[Path], kinds: Sequence[Kind], asking: Asking) -> Page:
    if len(paths) > MOST_SIDES:
        raise InputError(f"{len(paths)} paths: at most {MOST_SIDES} stand side by side; leave some out")
    for path, kind in zip(paths, kinds, strict=True):
        if kind not in _SIDES:
            raise InputError(
                f"{path}: of kind {kind}, which stands alone; together go DGDs, DGDRs, recommendations "
                "and measured runs"
            )
    sides = read_many(paths, asking)
    pairs = [compare(sides[0], side) for side in sides[1:]]
    shown = [
        {
            "name": side.name,
            "layout": layout_label(side.candidate) + (" (measured)" if side.kind == MEASURED else ""),
            "candidate": side.candidate,
            "operators": side.operators,
            "question": side.question,
        }
        for side in sides
    ]
    return sides_page(shown, pairs, "simkit report " + " ".join(map(str, paths)))


def report_texts(page: Page, *, interactive: bool) -> dict[str, str | bytes]:
    """Names and contents of all files: the page twice, every figure twice."""
    from simkit.reports.charts.png import figure_as_png
    from simkit.reports.charts.svg import figure_as_svg

    texts: dict[str, str | bytes] = {
        "report.html": page_html(page, interactive=interactive),
        "report.md": page_markdown(page, FIGURES),
    }
    for figure in page.all_figures:
        texts[f"{FIGURES}/{figure.name}.svg"] = figure_as_svg(figure, alone=True)
        texts[f"{FIGURES}/{figure.name}.png"] = figure_as_png(figure)
    return texts


def write_report(folder: Path, page: Page, *, interactive: bool) -> list[Path]:
    """Write them. Raises InputError where that is not possible."""
    return write_folder(folder, report_texts(page, interactive=interactive))


def report_document(page: Page, written: Sequence[Path]) -> dict[str, object]:
    """What the report says in short, for programs."""
    return {
        "title": page.title,
        "answer": page.answer,
        "verdict": page.verdict,
        "status": page.status,
        "figures": [figure.name for figure in page.all_figures],
        "tiles": [asdict(tile) for tile in page.tiles],
        "files": [str(path) for path in written],
    }
