"""Points measured on a target, one after another, as `simkit benchmark` measures: each with its folder."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simkit.compare.verdicts import measured_figures
from simkit.core.cost import cost_per_million_tokens
from simkit.core.errors import ExternalError, InputError
from simkit.core.measured import Run
from simkit.core.user_calibration import OwnCalibration
from simkit.experiments.columns import PREFIX
from simkit.experiments.document import Experiment
from simkit.experiments.document_model import BenchmarkRule
from simkit.experiments.evaluate import PointTask, one_by_one
from simkit.experiments.points import PointBlock
from simkit.experiments.single import candidate_figures, deployment_of_point, request_of_point
from simkit.experiments.store import RunFolder
from simkit.experiments.work.workers import Crew, Result
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.io.openai_http import api_key
from simkit.measure.aiperf_run import OWN_TOKENIZER, Patience
from simkit.measure.benchmark import Prediction, as_expected, benchmark, predict
from simkit.measure.run import Meter, Server, server_at
from simkit.measure.targets import Target, target_of
from simkit.measure.trials import one_server

Point = Mapping[str, Any]

FOLDER = "measured"  # of a run: a folder for every point


@contextmanager
def measuring_crew(experiment: Experiment, folder: RunFolder) -> Iterator[Crew]:
    """One who measures. What is up when the run ends, however it ends, is taken down."""
    rule = experiment.document.benchmark or BenchmarkRule()
    target = None if rule.url else target_of(rule.target)
    with ExitStack() as stack:
        station = _Station(
            rule=rule, target=target, folder=folder.path / FOLDER, stack=stack, own=experiment.own
        )

        def results(task: PointTask, blocks: Iterable[PointBlock]) -> Iterator[Result]:
            for block in blocks:
                try:
                    yield block, one_by_one(block.points, station.measured, task.do)
                except _UnusableError as reason:
                    raise reason.error from reason

        yield Crew(size=1, results=results)


class _UnusableError(Exception):
    """The target cannot be used as asked, by this point or by any."""

    def __init__(self, error: InputError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True, kw_only=True)
class _Station:
    """Where points are measured. What is up stays for the next point if that needs the same objects."""

    rule: BenchmarkRule
    target: Target | None
    folder: Path
    stack: ExitStack
    own: OwnCalibration | None = None
    up: str = ""
    server: Server | None = field(default=None, repr=False)

    def measured(self, point: Point) -> dict[str, Any]:
        """Results of one point. After a failure what is up is taken down: the next point gets its own."""
        tokenizer = OWN_TOKENIZER if self.target is not None and self.target.own_tokenizer else None
        options = BenchmarkOptions(
            request_count=None if point.get("requests") is None else int(point["requests"]),
            warmup_count=self.rule.warmup,
            seed=int(point["seed"]),
            tokenizer=tokenizer,
            ui="none",
        )
        prediction = predict(request_of_point(point, self.own), deployment_of_point(point), options)
        patience = Patience(timeout_s=self.rule.timeout_minutes * 60.0)
        meter = Meter(client=self.rule.client, options=options, patience=patience)
        place = self.folder / str(point["point"])
        try:
            server = self._served(prediction, place)
            expected = as_expected(prediction, self.target) if self.target else prediction
            outcome = benchmark(server, prediction.workload, meter, place, prediction=expected)
        except (ExternalError, TimeoutError) as error:
            self.stack.close()
            self.up = ""
            raise ExternalError(str(error) or "no answer in time") from error
        return run_figures(outcome.run, expected, point)

    def _served(self, prediction: Prediction, place: Path) -> Server:
        """The server for a point: the one that is up, if it was brought up from the same objects."""
        needs = self._needs(prediction, place)
        if self.server is None or self.up != needs:
            self.stack.close()
            self.up = ""
            start = self.target.start if self.target else one_server(self._given(prediction))
            problem, candidate = prediction.problem, prediction.candidate
            try:
                self.server = self.stack.enter_context(start(problem, candidate, place))
            except InputError as error:
                raise _UnusableError(error) from error
            self.up = needs
        return self.server

    def _given(self, prediction: Prediction) -> Server:
        model = self.rule.served_model or prediction.problem.request.model
        return server_at(str(self.rule.url), model, api_key(None))

    def _needs(self, prediction: Prediction, place: Path) -> str:
        """What tells one deployment from another; a target that is not told by documents shares none."""
        if self.target is None:
            return f"{self.rule.url} {prediction.problem.request.model}"
        if self.target.rehearsal is None:
            return str(place)
        documents = self.target.rehearsal.documents(prediction.problem, prediction.candidate, place)
        return json.dumps(documents, sort_keys=True)


def run_figures(run: Run, expected: Prediction, point: Point) -> dict[str, Any]:
    """What was measured under the names of a dataset, beside what was expected there."""
    prefix, gpus = PREFIX["benchmark"], expected.candidate.deployment.num_gpus
    found: dict[str, Any] = {}
    for metric in ("ttft", "itl", "e2e"):
        spread = getattr(run, metric)
        for statistic in ("mean", "p50", "p90", "p99"):
            seconds = getattr(spread, f"{statistic}_s")
            found[f"{prefix}{metric}_ms_{statistic}"] = None if seconds is None else seconds * 1e3
    per_s, itl, price = run.output_tokens_per_s, run.itl.mean_s, point.get("gpu_hour_price")
    rest = {
        "output_tokens_per_s": per_s,
        "output_tokens_per_s_per_gpu": per_s / gpus if per_s else None,
        "tokens_per_s_per_user": 1.0 / itl if itl else None,
        "request_rate_per_s": run.requests_per_s,
        "concurrency": run.concurrency,
        "num_gpus": gpus,
        "goodput_per_s": run.goodput_per_s,
        "cost_per_million_output_tokens": cost_per_million_tokens(price, per_s / gpus)
        if price and per_s
        else None,
    }
    found |= {f"{prefix}{name}": value for name, value in rest.items()}
    slo, figures = expected.problem.request.slo, measured_figures(run, gpus)
    meets = figures.holds(slo) if figures is not None and slo.bounds else None
    return {**candidate_figures(expected.candidate), **found, "meets_sla": meets, "source": "measured"}
