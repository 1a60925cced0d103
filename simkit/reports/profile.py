"""What a profile did and found, as JSON and as a page."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from simkit.compare.comparison import Comparison
from simkit.compare.measurement_plan import Trial, layout_name
from simkit.core.estimate import Recommendation
from simkit.core.measured import Run
from simkit.reports.document import candidate_document, plain
from simkit.reports.labels import MISSING, number
from simkit.reports.measured import comparison_section
from simkit.reports.pages import Page, Section, ms


class Result(Protocol):
    """What became of one trial."""

    @property
    def trial(self) -> Trial:
        """What was deployed."""

    @property
    def runs(self) -> Mapping[str, Run]:
        """Runs by point."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Reasons by point."""

    @property
    def skipped(self) -> str:
        """Why it was not deployed."""


class ShownProfile(Protocol):
    """What a profile found; see simkit.measure.profile."""

    @property
    def first(self) -> Recommendation:
        """Before measuring."""

    @property
    def final(self) -> Recommendation:
        """After it."""

    @property
    def engines(self) -> tuple[Any, ...]:
        """Engines measured alone."""

    @property
    def wholes(self) -> tuple[Any, ...]:
        """Whole deployments."""

    @property
    def comparison(self) -> Comparison | None:
        """Predicted against measured of the selected one."""

    @property
    def changed(self) -> tuple[str, ...]:
        """What measuring changed."""

    @property
    def savings(self) -> tuple[str, ...]:
        """What was not needed."""

    @property
    def phase(self) -> str:
        """Where it ended."""

    @property
    def meets_sla(self) -> bool:
        """The verdict."""

    @property
    def measured(self) -> int:
        """Points measured now."""

    @property
    def resumed(self) -> int:
        """Points that were there already."""


def profile_document(outcome: ShownProfile) -> dict[str, Any]:
    """The content of profile_summary.json."""
    comparison = outcome.comparison
    found: dict[str, Any] = plain({
        "model": outcome.final.request.model,
        "phase": outcome.phase,
        "meets_sla": outcome.meets_sla,
        "within": None if comparison is None else comparison.within,
        "selected": candidate_document(outcome.final.selected),
        "selected_name": layout_name(outcome.final.selected.deployment),
        "predicted_first": layout_name(outcome.first.selected.deployment),
        "points_measured": outcome.measured,
        "points_resumed": outcome.resumed,
        "engines": [_trial(item) for item in outcome.engines],
        "candidates": [_trial(item) for item in outcome.wholes],
        "changed": outcome.changed,
        "savings": outcome.savings,
        "sla": outcome.final.request.slo.bounds,
    })  # fmt: skip
    if comparison is not None:
        section = comparison_section(comparison)
        found["comparison"] = {"heads": list(section.heads), "rows": [list(row) for row in section.rows]}
        found["remarks"] = list(comparison.remarks)
    return found


def _trial(result: Result) -> dict[str, Any]:
    trial = result.trial
    points = {point.name: point for point in trial.points}
    return {
        "name": trial.name,
        "kind": trial.kind,
        "num_gpus": trial.num_gpus,
        "skipped": result.skipped or None,
        "failures": dict(result.failures),
        "points": [
            {
                "name": name,
                "predicted_ms": {k: 1e3 * v for k, v in points[name].predicted.items()},
                "ttft_ms": _ms(run.ttft.mean_s),
                "itl_ms": _ms(run.itl.mean_s),
                "output_tokens_per_s": run.output_tokens_per_s,
                "requests": run.num_requests,
            }
            for name, run in result.runs.items()
            if name in points
        ],
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def profile_page(doc: Mapping[str, Any], command: str) -> Page:
    """The page of a profile from its document."""
    verdict = f"{doc['selected_name']} selected"
    if doc["sla"]:
        verdict += ", which meets the SLA" if doc["meets_sla"] else ", which MISSES the SLA"
    verdict += " as measured" if doc["phase"] == "Deployed" else "; predicted, not yet deployed"
    comparison = doc.get("comparison", {"heads": (), "rows": ()})
    return Page(
        title=doc["model"],
        verdict=verdict,
        status="met" if doc["meets_sla"] else "missed",
        sections=(
            Section(
                title="Predicted against measured, the selected deployment",
                heads=tuple(comparison["heads"]),
                rows=tuple(tuple(row) for row in comparison["rows"]),
            ),
            _whole_section(doc["candidates"]),
            _engine_section(doc["engines"]),
            Section(title="Left out or failed", lines=tuple(_reasons(doc))),
            Section(title="What measuring changed", lines=tuple(doc["changed"])),
            Section(title="Remarks", lines=(*doc.get("remarks", ()), *_count_lines(doc))),
        ),
        command=command,
    )


def _count_lines(doc: Mapping[str, Any]) -> list[str]:
    lines = list(doc["savings"])
    lines.append(f"{doc['points_measured']} points measured now, {doc['points_resumed']} were there already")
    return lines


def _whole_section(candidates: Iterable[Mapping[str, Any]]) -> Section:
    heads = ("candidate", "GPUs", "TTFT [ms]", "predicted", "ITL [ms]", "predicted", "tok/s/GPU")
    rows = [
        (
            item["name"],
            str(item["num_gpus"]),
            *_pair(point, "ttft"),
            *_pair(point, "itl"),
            number((point["output_tokens_per_s"] or 0.0) / item["num_gpus"]),
        )
        for item in candidates
        for point in item["points"]
    ]
    return Section(title="Candidates measured as a whole", heads=heads, rows=tuple(rows))


def _engine_section(engines: Iterable[Mapping[str, Any]]) -> Section:
    heads = ("engine alone", "point", "measured [ms]", "predicted [ms]", "error")
    rows = []
    for item in engines:
        metric = "ttft" if item["kind"] == "prefill" else "itl"
        for point in item["points"]:
            got, said = point[f"{metric}_ms"], point["predicted_ms"].get(metric)
            off = said / got - 1.0 if got and said else None
            error = MISSING if off is None else f"{100 * off:+.1f}%"
            cells = (item["name"], point["name"], number(got), number(said), error)
            rows.append((-1.0 if off is None else abs(off), cells))
    rows.sort(key=lambda row: -row[0])
    shown = tuple(cells for _, cells in rows)
    return Section(
        title="Engines measured alone", hint="The largest error first.", heads=heads, rows=shown, words=2
    )


def _pair(point: Mapping[str, Any], metric: str) -> tuple[str, str]:
    got = point[f"{metric}_ms"]
    said = point["predicted_ms"].get(metric)
    return ms(None if got is None else got * 1e-3), ms(None if said is None else said * 1e-3)


def _reasons(doc: Mapping[str, Any]) -> Iterable[str]:
    for item in (*doc["engines"], *doc["candidates"]):
        if item["skipped"]:
            yield f"{item['name']}: {item['skipped']}"
        for name, reason in item["failures"].items():
            yield f"{item['name']} {name}: {reason}"
