"""Predicted against measured, as JSON, and as a page."""

from typing import Any

from simkit.compare.comparison import Band, Comparison, MetricRow
from simkit.core.measured import Run
from simkit.reports.document import plain
from simkit.reports.labels import MISSING, number, percent
from simkit.reports.pages import Page, Section, ms

_NAMES = {
    "ttft": "TTFT [ms]",
    "itl": "ITL [ms]",
    "e2e": "end to end [ms]",
    "output_tokens_per_s": "output tokens/s",
}
_HEADS = ("mean", "predicted", "90 % interval", "measured", "error", "server's own", "verdict")


def comparison_document(comparison: Comparison, run: Run) -> dict[str, Any]:
    """The content of comparison.json: milliseconds, signed errors as fractions."""
    found: dict[str, Any] = plain({
        "within": comparison.within,
        "metrics": {row.metric: _metric(row) for row in comparison.rows},
        "remarks": comparison.remarks,
        "measured_by": {"tool": run.source.tool, "version": run.source.version, "path": run.source.path},
        "requests": run.num_requests,
        "failed": run.num_errors,
    })  # fmt: skip
    return found


def _metric(row: MetricRow) -> dict[str, Any]:
    scale = 1.0 if row.metric == "output_tokens_per_s" else 1e3
    band = row.predicted
    return {
        "predicted": band.mean * scale,
        "lo": None if band.lo is None else band.lo * scale,
        "hi": None if band.hi is None else band.hi * scale,
        "measured": row.measured * scale,
        "server": None if row.server is None else row.server * scale,
        "error": row.error_frac,
        "inside": row.inside,
        "limit": row.limit_frac,
        "within": row.within,
    }


def comparison_page(title: str, comparison: Comparison, run: Run, command: str = "simkit compare") -> Page:
    """A table of metrics and what limits the comparison."""
    missed = [_NAMES[row.metric].partition(" [")[0] for row in comparison.rows if not row.within]
    verdict = f"beyond bounds: {', '.join(missed)}" if missed else "measured within the bounds predicted"
    return Page(
        title=title,
        verdict=verdict,
        status="missed" if missed else "met",
        sections=(comparison_section(comparison), source_section(run), remark_section(comparison)),
        command=command,
    )


def run_page(run: Run, command: str = "simkit benchmark") -> Page:
    """A run alone: latencies over requests, and throughput."""
    heads = ("", "mean", "p50", "p90", "p99")
    spreads = {"TTFT [ms]": run.ttft, "ITL [ms]": run.itl, "end to end [ms]": run.e2e}
    rows = tuple(
        (name, *(ms(value) for value in (s.mean_s, s.p50_s, s.p90_s, s.p99_s))) for name, s in spreads.items()
    )
    rates = (
        f"{number(run.requests_per_s)} requests/s, {number(run.output_tokens_per_s)} output tokens/s, "
        f"{run.num_errors} requests failed"
    )
    return Page(
        title=run.model or "benchmark",
        verdict=rates,
        sections=(
            Section(title="Latencies", heads=heads, rows=rows),
            source_section(run),
            Section(title="Remarks", lines=run.notes),
        ),
        command=command,
    )


def comparison_section(comparison: Comparison, title: str = "Predicted against measured") -> Section:
    """Metrics side by side."""
    return Section(title=title, heads=_HEADS, rows=tuple(_cells(row) for row in comparison.rows))


def _cells(row: MetricRow) -> tuple[str, ...]:
    rate = row.metric == "output_tokens_per_s"
    show = number if rate else ms
    return (
        _NAMES[row.metric],
        show(row.predicted.mean),
        _interval(row.predicted, rate=rate),
        show(row.measured),
        f"{100 * row.error_frac:+.1f}%",
        MISSING if row.server is None else show(row.server),
        _verdict(row),
    )


def _interval(band: Band, *, rate: bool) -> str:
    if band.lo is None or band.hi is None:
        return MISSING
    show = number if rate else ms
    return f"{show(band.lo)}\u2013{show(band.hi)}"


def _verdict(row: MetricRow) -> str:
    if row.limit_frac is not None:
        return f"{'within' if row.within else 'beyond'} {percent(row.limit_frac)}"
    if row.inside is None:
        return "no interval"
    return "inside" if row.inside else "OUTSIDE"


def source_section(run: Run) -> Section:
    """Where the measurement comes from."""
    load = (
        f"{run.concurrency:g} in flight" if run.concurrency else f"{run.request_rate_per_s or 0:g} requests/s"
    )
    version = f" {run.source.version}" if run.source.version else ""
    lines = [
        f"measured by {run.source.tool}{version}: {run.num_requests} requests of {run.isl_tokens:,.0f} + "
        f"{run.osl_tokens:,.0f} tokens, {load}",
        f"file: {run.source.path}",
    ]
    return Section(title="Measurement", lines=tuple(lines))


def remark_section(comparison: Comparison) -> Section:
    """What limits the comparison."""
    return Section(title="Remarks", lines=comparison.remarks)
