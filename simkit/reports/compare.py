"""Two sides, or a measurement and its diagnosis, side by side as a page and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.compare.comparison import Comparison, MetricRow
from simkit.compare.diagnosis import Cause
from simkit.core.measured import Run
from simkit.reports.document import plain
from simkit.reports.labels import MISSING, number, percent
from simkit.reports.measured import comparison_document, comparison_section, remark_section, source_section
from simkit.reports.pages import Page, Section, ms

# --- Two deployments, requests or recommendations side by side, as a page.


Doc = Mapping[str, Any]
_OPERATORS_SHOWN = 12
_MANY_TIMES = 9.0


def compare_page(doc: Doc) -> Page:
    """What was asked, what runs, what it gives, and which operators account for it."""
    return Page(
        title=f"{doc['a']['name']} against {doc['b']['name']}",
        verdict=_verdict(doc),
        sections=tuple(
            section
            for section in (
                _pairs("The question", doc["question"]),
                _pairs("What runs", doc["settings"]),
                _figures(doc),
                _operators(doc),
                Section(title="Why", lines=_why(doc)),
                Section(title="Notes", lines=tuple(doc["notes"])),
            )
            if section.rows or section.lines
        ),
        command=f"simkit compare {doc['a']['name']} {doc['b']['name']}",
    )


def _verdict(doc: Doc) -> str:
    figures = {row["metric"]: row for row in doc["figures"]}
    if not (doc["question"] or doc["settings"] or any(row["change"] for row in doc["figures"])):
        return "no difference"
    named = (("output_tokens_per_s_per_gpu", "output per GPU"), ("ttft_ms", "TTFT"), ("itl_ms", "ITL"))
    parts = [f"{label} {_change(figures[name]['change'])}" for name, label in named]
    sides = doc["a"]["layout"], doc["b"]["layout"]
    layouts = f"both {sides[0]}" if sides[0] == sides[1] else f"from {sides[0]} to {sides[1]}"
    return f"{layouts}: {', '.join(parts)}"


def _change(frac: float | None) -> str:
    """`+12%`, or `x 13` where percent would be hard to read."""
    if frac is None or frac < _MANY_TIMES:
        return percent(frac, signed=True)
    return f"x {number(frac + 1.0)}"


def _pairs(title: str, rows: Sequence[Doc]) -> Section:
    shown = tuple((row["path"], _text(row["a"]), _text(row["b"])) for row in rows)
    return Section(title=title, heads=("", "A", "B"), rows=shown)


def _text(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return number(value) if isinstance(value, float) else str(value)


def _figures(doc: Doc) -> Section:
    rows = []
    for row in doc["figures"]:
        sure = {True: "yes", False: "within intervals"}.get(row.get("sure"), "")
        cells = (number(row["a"]), number(row["b"]), _change(row["change"]), sure)
        rows.append((row["metric"], *cells))
    return Section(title="What it gives", heads=("", "A", "B", "change", "certain"), rows=tuple(rows))


def _operators(doc: Doc) -> Section:
    changed = [row for row in doc["operators"] if row["change_ms"]]
    shown = tuple(
        (f"{row['phase']}: {row['operator']}", *(number(row[key]) for key in ("a_ms", "b_ms", "change_ms")))
        for row in changed[:_OPERATORS_SHOWN]
    )
    return Section(title="By operator, ms a step", heads=("", "A", "B", "change"), rows=shown)


def _why(doc: Doc) -> tuple[str, ...]:
    costly = tuple(f"most time in {side.upper()}: {doc[side]['bottleneck']}" for side in ("a", "b"))
    return (*doc["why"], *costly)


_SHOWN = 6


_METRIC_WORDS = {"ttft": "TTFT", "itl": "ITL", "e2e": "end-to-end latency", "output_tokens_per_s": "output"}


def doctor_verdict(comparison: Comparison, causes: Sequence[Cause]) -> str:
    """Whether there is anything to explain, which way it is off, and what is behind it most likely."""
    told = ", ".join(_off(row) for row in comparison.rows)
    if comparison.within:
        return f"nothing to explain: what was measured lies inside the intervals ({told})"
    outside = ", ".join(_off(row) for row in comparison.rows if not row.within)
    likely = f"most likely {causes[0].name}: {causes[0].says}" if causes else "nothing known explains it"
    return f"{outside}, outside the interval; {likely}"


def _off(row: MetricRow) -> str:
    """`TTFT 30% longer than predicted`: which way the measurement is off."""
    change = row.measured / row.predicted.mean - 1.0
    rate = row.metric == "output_tokens_per_s"
    more, less = ("more", "less") if rate else ("longer", "shorter")
    return f"{_METRIC_WORDS[row.metric]} {percent(abs(change))} {more if change > 0 else less} than predicted"


def doctor_document(comparison: Comparison, causes: Sequence[Cause], run: Run) -> dict[str, Any]:
    """The JSON of `simkit doctor`: the comparison, and causes best first."""
    return {
        "verdict": doctor_verdict(comparison, causes),
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
    """The verdict, the comparison, then causes with the measurement that would tell."""
    shown = causes[:_SHOWN]
    causes_title = "What could move it" if comparison.within else "Causes, the likeliest first"
    rows = tuple(
        (cause.name, percent(cause.explained_frac), ms(cause.means["ttft"]), ms(cause.means["itl"]))
        for cause in shown
    )
    lines = [f"{cause.name}: {cause.says}{_signs(cause)}. To tell: {cause.tell}" for cause in shown]
    heads = ("cause", "explains", "TTFT [ms] under it", "ITL [ms] under it")
    return Page(
        title=title,
        verdict=doctor_verdict(comparison, causes),
        status="met" if comparison.within else "missed",
        sections=(
            comparison_section(comparison),
            Section(title=causes_title, heads=heads, rows=rows),
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
