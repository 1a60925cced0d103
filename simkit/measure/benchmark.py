"""Measure a deployment under the workload it was predicted for, and compare the two."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simkit.closed_form.problem import Problem
from simkit.compare.comparison import Comparison, Predicted, compare, predicted_of
from simkit.core.deployment import Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate
from simkit.core.measured import Run
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions, as_sent
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.benchmark_results.stored import run_document
from simkit.formats.prediction_files import prediction_document, read_prediction
from simkit.measure.run import Meter, Server, measure
from simkit.measure.targets import Target, target_of
from simkit.reports.document import candidate_document, dumps
from simkit.reports.measured import comparison_document, comparison_page
from simkit.reports.pages import Page, page_html, page_markdown
from simkit.verbs.answer_files.folder import write_folder
from simkit.verbs.estimate import Layouts, estimate_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One deployment with its estimate under the workload that is going to be sent."""

    problem: Problem
    candidate: Candidate

    @property
    def workload(self) -> Workload:
        """The workload, its load filled in where the request left it open."""
        return self.problem.request.workload

    @property
    def predicted(self) -> Predicted:
        """The bands to compare with."""
        return predicted_of(self.candidate.estimate, self.workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkOutcome:
    """What a benchmark gave: the run, and how it compares where there was a prediction."""

    run: Run
    prediction: Prediction | None = None
    comparison: Comparison | None = None
    files: tuple[Path, ...] = field(default_factory=tuple)


def as_expected(prediction: Prediction, target: Target) -> Prediction:
    """The prediction of what the target brings up: mocked engines do not have the host of real ones."""
    expected = target.expect(prediction.problem, prediction.candidate, prediction.workload)
    return replace(prediction, candidate=expected)


def predict(
    request: Request, deployment: Deployment | Layouts | None, options: BenchmarkOptions | None = None
) -> Prediction:
    """The estimate of a deployment under the load that `options` will send."""
    sent = as_sent(request.workload, options or BenchmarkOptions())
    problem, result = estimate_problem(replace(request, workload=sent), deployment)
    workload = problem.request.workload
    if workload.concurrency is None and workload.request_rate_per_s is None:
        filled = replace(workload, concurrency=result.candidate.estimate.concurrency)
        problem = replace(problem, request=replace(problem.request, workload=filled))
    return Prediction(problem=problem, candidate=result.candidate)


def on_target(
    prediction: Prediction | None, where: Server | str, folder: Path
) -> AbstractContextManager[Server]:
    """The server to measure: the one given, or the prediction's deployment on the target of that name."""
    if isinstance(where, Server):
        return nullcontext(where)
    if prediction is None:
        raise InputError(
            f"--target {where} starts a deployment: give a DGD, a recommendation's folder or a layout"
        )
    return target_of(where).start(prediction.problem, prediction.candidate, folder / where)


def benchmark(
    server: Server,
    workload: Workload,
    meter: Meter,
    folder: Path,
    *,
    prediction: Prediction | None = None,
    limits: Mapping[str, float] | None = None,
) -> BenchmarkOutcome:
    """Measure, store the run in `folder`, and compare where there is a prediction."""
    slo = prediction.problem.request.slo if prediction else None
    run = measure(server, workload, meter, folder / "artifacts", slo if slo and slo.bounds else None)
    return compared(run, folder, prediction=prediction, limits=limits)


def compared(
    run: Run, folder: Path, *, prediction: Prediction | None = None, limits: Mapping[str, float] | None = None
) -> BenchmarkOutcome:
    """Store a run in `folder`, and compare it where there is a prediction."""
    outcome = BenchmarkOutcome(run=run, prediction=prediction)
    if prediction is not None:
        outcome = replace(outcome, comparison=compare(prediction.predicted, run, limits))
    return replace(outcome, files=tuple(store(outcome, folder)))


def store(outcome: BenchmarkOutcome, folder: Path) -> list[Path]:
    """Write run.json and, with a prediction, prediction.json, comparison.json, report.md and report.html."""
    texts: dict[str, str | bytes] = {"run.json": dumps_exact(run_document(outcome.run))}
    if outcome.prediction is not None and outcome.comparison is not None:
        page = outcome_page(outcome, f"simkit benchmark -o {folder}")
        about = candidate_document(outcome.prediction.candidate)
        texts |= {
            "prediction.json": dumps_exact(prediction_document(outcome.prediction.predicted, about)),
            "comparison.json": dumps(comparison_document(outcome.comparison, outcome.run)),
            "report.md": page_markdown(page),
            "report.html": page_html(page),
        }
    return write_folder(folder, texts, private=("run.json",))  # it holds the command with its addresses


def outcome_page(outcome: BenchmarkOutcome, command: str = "simkit benchmark") -> Page:
    """The comparison as a page."""
    if outcome.prediction is None or outcome.comparison is None:
        raise ValueError("nothing was predicted")
    model = outcome.prediction.problem.request.model
    return comparison_page(model, outcome.comparison, outcome.run, command)


def compare_prediction(
    prediction: str | Path, results: str | Path, limits: Mapping[str, float] | None = None
) -> tuple[Comparison, Run]:
    """A stored prediction against the result of any known benchmark tool."""
    run = read_run(results)
    return compare(read_prediction(prediction), run, limits), run


def run_summary(run: Run, slo: Slo | None = None) -> dict[str, Any]:
    """The document of a run that nothing was predicted for."""
    return {**run_document(run), "sla": None if slo is None else dict(slo.bounds)}


def dumps_exact(document: Any) -> str:
    """JSON with every digit, so that what is stored comes back as it was."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
