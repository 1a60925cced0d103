"""A diagnosis as JSON and as a page."""

from collections.abc import Sequence
from typing import Any

from simkit.core.diagnosis import Cause
from simkit.core.measured import Run
from simkit.core.measured_comparison import Comparison
from simkit.reports.document import plain
from simkit.reports.labels import percent
from simkit.reports.measured import comparison_document, comparison_section, remark_section, source_section
from simkit.reports.pages import Page, Section, ms

_SHOWN = 6


def doctor_document(comparison: Comparison, causes: Sequence[Cause], run: Run) -> dict[str, Any]:
    """The JSON of `simkit doctor`: the comparison, and causes best first."""
    return {
        **comparison_document(comparison, run),
        "causes": [
            plain({
                "name": cause.name,
                "says": cause.says,
                "score": cause.score,
                "explained": cause.explained_frac,
                "ttft_ms": 1e3 * cause.means["ttft"],
                "itl_ms": 1e3 * cause.means["itl"],
                "sign": cause.sign or None,
                "against": cause.against or None,
                "tell": cause.tell,
            })
            for cause in causes
        ],
    }  # fmt: skip


def doctor_page(title: str, comparison: Comparison, causes: Sequence[Cause], run: Run) -> Page:
    """The comparison, then causes with the measurement that would tell."""
    shown = causes[:_SHOWN]
    verdict = f"most likely {shown[0].name}: {shown[0].says}" if shown else "nothing known explains it"
    rows = tuple(
        (cause.name, percent(cause.explained_frac), ms(cause.means["ttft"]), ms(cause.means["itl"]))
        for cause in shown
    )
    lines = [f"{cause.name}: {cause.says}{_signs(cause)}. To tell: {cause.tell}" for cause in shown]
    heads = ("cause", "explains", "TTFT [ms] under it", "ITL [ms] under it")
    return Page(
        title=title,
        verdict=verdict,
        status="met" if comparison.within else "missed",
        sections=(
            comparison_section(comparison),
            Section(title="Causes, the likeliest first", heads=heads, rows=rows),
            Section(title="What they say, and what would tell", lines=tuple(lines)),
            source_section(run),
            remark_section(comparison),
        ),
        command="simkit doctor",
    )


def _signs(cause: Cause) -> str:
    signs = [f"for it: {cause.sign}"] if cause.sign else []
    signs += [f"against it: {cause.against}"] if cause.against else []
    return f" ({'; '.join(signs)})" if signs else ""
