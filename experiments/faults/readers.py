"""Every reader of files: the valid file whose damaged versions it is given, and what it is used for."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`sample` is damaged as `form` and put as `place` beside copies of `beside`; weight: inputs of a slice.

    read gets the path of the damaged file. SimkitError is an answer, everything else a broken promise.
    """

    name: str
    sample: str
    form: str
    read: Callable[[Path], object]
    place: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    weight: int = 10

    def folder(self, samples: Path, work: Path) -> Path:
        """Where the damaged file goes; its neighbours lie there."""
        target = work / self.name / (self.place or Path(self.sample).name)
        (work / self.name).mkdir()
        for name, source in self.beside.items():
            at = work / self.name / name
            (shutil.copytree if (samples / source).is_dir() else shutil.copy)(samples / source, at)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def readers() -> list[Reader]:
    """All of them."""
    results = [
        Reader(
            name=f"result-{name.partition('.')[0]}-{form}", sample=f"results/{name}", form=form, read=_result
        )
        for name, form in {
            "profile_export_aiperf.json": "json", "vllm.json": "json", "guidellm.json": "json",
            "inferencex.json": "json", "m32_genai_perf.json": "json", "m30_sglang_one.jsonl": "jsonl",
            "profile_export.jsonl": "jsonl",
        }.items()
    ]  # fmt: skip
    traces = [
        Reader(name=f"trace-{name.partition('.')[0]}", sample=name, form=form, read=_trace)
        for name, form in {"mooncake.jsonl": "jsonl", "azure.csv": "csv", "burstgpt.csv": "csv"}.items()
    ]
    return [*results, *traces, *_own_files(), *_documents(), *_tables(), *_artifacts()]


def _own_files() -> list[Reader]:
    return [
        Reader(name="own", sample="own.json", form="json", read=_own),
        Reader(name="run", sample="bench/run.json", form="json", read=_result),
        Reader(name="doctor", sample="bench/run.json", form="json", read=_doctor, weight=1),
        Reader(name="prediction", sample="bench/prediction.json", form="json", read=_prediction),
        Reader(
            name="measured-side", sample="bench/prediction.json", form="json", read=_measured_side,
            beside={"run.json": "bench/run.json"}, weight=4,
        ),
        Reader(
            name="comparison", sample="bench/comparison.json", form="json", read=_benchmark_page, weight=4,
        ),
        Reader(
            name="recommendation", sample="rec/recommendation.json", form="json",
            read=_recommendation, weight=6,
        ),
        Reader(
            name="recommendation-page", sample="rec/recommendation.json", form="json",
            read=_rec_page, weight=1,
        ),
        Reader(name="profile-state", sample="profile/profile.json", form="json", read=_profile_state),
        Reader(
            name="profile-point", sample="bench/run.json", form="json", read=_profile_point,
            place="measured/a/b.json",
        ),
        Reader(
            name="profile-page", sample="profile/profile_summary.json", form="json",
            read=_profile_page, weight=4,
        ),
        Reader(
            name="sweep-run", sample="sweep/run.json", form="json", read=_sweep_run,
            beside={"experiment.yaml": "sweep/experiment.yaml"},
        ),
        Reader(
            name="simulation", sample="sim/summary.json", form="json", read=_simulation,
            beside={"timeline.csv": "sim/timeline.csv", "requests.parquet": "sim/requests.parquet"}, weight=2,
        ),
        Reader(
            name="timeline", sample="sim/timeline.csv", form="csv", read=_simulation,
            beside={"summary.json": "sim/summary.json", "requests.parquet": "sim/requests.parquet"}, weight=2,
        ),
        Reader(
            name="requests", sample="sim/requests.parquet", form="parquet", read=_simulation,
            beside={"summary.json": "sim/summary.json", "timeline.csv": "sim/timeline.csv"}, weight=2,
        ),
        Reader(name="server-metrics", sample="results/server_metrics_export.json", form="json", read=_server),
    ]  # fmt: skip


def _documents() -> list[Reader]:
    return [
        Reader(name="experiment", sample="experiment.yaml", form="yaml", read=_experiment, weight=6),
        Reader(name="prices", sample="prices.yaml", form="yaml", read=_prices),
        Reader(name="dgd", sample="rec/dgd.yaml", form="yaml", read=_dgd, weight=4),
        Reader(name="llmd", sample="results/llmd.yaml", form="yaml", read=_sweep_points, weight=6),
        Reader(name="model-dense", sample="results/m43_gptq8.json", form="json", read=_model),
        Reader(name="model-hybrid", sample="results/m42_conv_hybrid.json", form="json", read=_model),
        Reader(name="command", sample="command.txt", form="words", read=_command),
    ]


def _tables() -> list[Reader]:
    return [
        Reader(name="predict", sample="runs.csv", form="csv", read=_predict, weight=2),
        Reader(name="evaluate", sample="runs.csv", form="csv", read=_evaluate, weight=1),
        Reader(name="fit-own", sample="runs.csv", form="csv", read=_fit_own, weight=1),
        Reader(name="predict-parquet", sample="runs.parquet", form="parquet", read=_predict, weight=1),
        Reader(name="pareto", sample="pareto.csv", form="csv", read=_sweep_points, weight=4),
        Reader(name="points", sample="sweep.csv", form="csv", read=_points, weight=3),
        Reader(
            name="parts", sample="part.parquet", form="parquet", read=_parts,
            place="parts/00000000-x.parquet",
            beside={"experiment.yaml": "sweep/experiment.yaml", "run.json": "sweep/run.json"}, weight=3,
        ),
    ]  # fmt: skip


def _artifacts() -> list[Reader]:
    return [
        Reader(
            name="residuals", sample="data/calibration/residuals.npz", form="npz", read=_residuals, weight=1,
        ),
        Reader(name="operators", sample="data/operators/l40s.npz", form="npz", read=_operators, weight=1),
        Reader(
            name="factors", sample="data/calibration/factors.json", form="json", read=_artifact,
            place="calibration/factors.json", beside={"calibration": "data/calibration"}, weight=4,
        ),
        Reader(
            name="errors", sample="data/calibration/errors.json", form="json", read=_artifact,
            place="calibration/errors.json", beside={"calibration": "data/calibration"}, weight=2,
        ),
        Reader(
            name="gpu", sample="data/gpus/h100_sxm.yaml", form="yaml", read=_gpu,
            place="gpus/h100_sxm.yaml", weight=4,
        ),
    ]  # fmt: skip


# --- What each is used for.


def _trace(path: Path) -> None:
    from simkit.formats.traces.read import read_trace

    _ = read_trace(path).fault_lines


def _result(path: Path) -> None:
    from simkit.compare.comparison import compare, measured_means
    from simkit.core.slo import Slo
    from simkit.formats.benchmark_results.reader import read_runs
    from simkit.measure.benchmark import dumps_exact, run_summary
    from simkit.measure.doctor import workload_of_run
    from simkit.reports.measured import comparison_document, comparison_page, run_page
    from simkit.reports.pages import page_html, page_markdown

    for run in read_runs(path):
        dumps_exact(run_summary(run, Slo()))
        measured_means(run)
        page_markdown(run_page(run))
        found = compare(_predicted(), run)
        comparison_document(found, run)
        page_html(comparison_page("t", found, run))
        workload_of_run(run)


@cache
def _predicted() -> Any:
    from simkit.formats.prediction_files import read_prediction

    return read_prediction(Path(os.environ["FAULT_SAMPLES"]) / "bench")


@cache
def _deployed() -> Any:
    from simkit.formats.dgd.read import read_dgd

    return read_dgd(Path(os.environ["FAULT_SAMPLES"]) / "rec" / "dgd.yaml").deployment


def _request() -> Any:
    from simkit.core.request import Hardware, Request
    from simkit.core.workload import Workload

    load = Workload(isl_tokens=1000, osl_tokens=100, concurrency=16)
    return Request(model="Qwen/Qwen3-8B", hardware=Hardware(gpu="h200_sxm"), workload=load)


def _doctor(path: Path) -> None:
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.measure.doctor import doctor
    from simkit.reports.compare import doctor_document, doctor_page
    from simkit.reports.document import dumps

    found = doctor(_request(), _deployed(), read_run(path))
    dumps(doctor_document(found.comparison, found.causes, found.run))
    doctor_page("t", found.comparison, found.causes, found.run)


def _own(path: Path) -> None:
    from simkit.formats.user_calibration import read_own

    own = read_own(path)
    features = np.array([[16.0, 1000.0, 100.0, 0.05, 0.01, 1.0, 1.0], [1.0, 10.0, 10.0, 5.0, 0.1, 64.0, 1.0]])
    for metric in ("ttft", "itl"):
        found = own.belief(metric, features, np.array([0.3, 0.5]))
        if found is not None:
            np.exp(found[0] + 3 * found[1])


def _prediction(path: Path) -> None:
    from simkit.compare.comparison import compare
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.formats.prediction_files import read_prediction
    from simkit.reports.measured import comparison_document, comparison_page

    run = read_run(Path(os.environ["FAULT_SAMPLES"]) / "bench" / "run.json")
    found = compare(read_prediction(path), run)
    comparison_document(found, run)
    comparison_page("t", found, run)


def _measured_side(path: Path) -> None:
    from simkit.formats.measured_candidate import measured_candidate
    from simkit.verbs.compare import compare
    from simkit.verbs.compare_sides import Side

    side = Side(name="x", kind="measured", candidate=measured_candidate(path.parent))
    compare(side, side)


def _benchmark_page(path: Path) -> None:
    from simkit.publish.folders import benchmark_report
    from simkit.reports.pages import page_html

    page_html(benchmark_report(path.parent))


def _recommendation(path: Path) -> None:
    from simkit.core.errors import SimkitError
    from simkit.formats.prediction_files import read_prediction
    from simkit.formats.recommendations import deployment_of, read_recommendation, request_of
    from simkit.reports.labels import layout_label
    from simkit.verbs.compare import compare
    from simkit.verbs.compare_sides import Side

    document = read_recommendation(path)
    side = Side(name="x", kind="recommendation", candidate=document["selected"], question=document["request"])
    compare(side, side)
    layout_label(document["selected"])
    deployment_of(document["selected"])
    for read in (lambda: request_of(document), lambda: read_prediction(path)):
        try:
            read()
        except SimkitError:
            continue


def _rec_page(path: Path) -> None:
    from simkit.publish.folders import recommendation_report
    from simkit.reports.pages import page_html

    page_html(recommendation_report(path.parent))


def _profile_state(path: Path) -> None:
    from simkit.formats.benchmark_results.fields import at
    from simkit.formats.profile_store import ProfileStore
    from simkit.io.reading import read_json

    store = ProfileStore(path.parent)
    asked = at(read_json(path), "asked")
    store.open(asked if isinstance(asked, dict) else {"a": 1})
    store.enter("x")


def _profile_point(path: Path) -> None:
    from simkit.formats.profile_store import ProfileStore

    store = ProfileStore(path.parents[2])
    store.get("a", "b")
    store.forget_failures()


def _profile_page(path: Path) -> None:
    from simkit.publish.folders import profile_report
    from simkit.reports.pages import page_html

    page_html(profile_report(path.parent))


def _sweep_run(path: Path) -> None:
    from simkit.experiments.store import RunFolder, check_same, read_run

    folder = RunFolder(path=path.parent)
    _, known = read_run(folder)
    check_same(
        folder, {name: known.get(name) for name in ("experiment_sha256", "seed", "artifacts", "versions")}
    )


def _simulation(path: Path) -> None:
    from simkit.publish.folders import simulation_report
    from simkit.reports.pages import page_html

    page_html(simulation_report(path.parent))


def _server(path: Path) -> None:
    from simkit.formats.benchmark_results.server_metrics import server_side

    server_side(path, "abc")


def _experiment(path: Path) -> None:
    from simkit.experiments.document import read_experiment

    _ = read_experiment(path).budget


def _prices(path: Path) -> None:
    from simkit.cli.choices import gpu_hour_price

    gpu_hour_price(str(path), "h200_sxm")


def _dgd(path: Path) -> None:
    from simkit.formats.dgd.read import catalogue_hint, parse_dgd
    from simkit.formats.validate import validate_documents
    from simkit.io.yamlio import load_documents

    documents = load_documents(path)
    validate_documents(documents, "f")
    parse_dgd(documents, source="f", hint_of=catalogue_hint)


def _sweep_points(path: Path) -> None:
    from simkit.experiments.beside.foreign import foreign_points

    foreign_points([path], {"gpu": "h200_sxm", "backend": "vllm"})


def _model(path: Path) -> None:
    from perfmodels.parallel import ParallelPlan
    from simkit.catalog.models import load_model
    from simkit.core.deployment import Aggregated, Pool
    from simkit.engines.registry import default_engine

    load_model.cache_clear()
    model = load_model(str(path))
    _ = model.shape.architecture_class
    if os.environ.get("FAULT_ESTIMATES"):
        from dataclasses import replace

        from simkit.verbs.estimate import estimate_problem

        whole = Aggregated(worker=Pool(plan=ParallelPlan(), engine=default_engine("vllm")))
        estimate_problem(replace(_request(), model=str(path)), whole)


def _command(path: Path) -> None:
    from simkit.formats.engine_command.read import read_command

    read_command(f"@{path}")


def _predict(path: Path) -> None:
    from simkit.catalog.runs import read_table
    from simkit.verbs.predict import predict_table

    predict_table(read_table(path))


def _evaluate(path: Path) -> None:
    from simkit.catalog.runs import read_table
    from simkit.publish.tables import table_report
    from simkit.reports.pages import page_html
    from simkit.verbs.evaluate import evaluate_table

    evaluate_table(read_table(path), ["gpu", "mode"])
    page_html(table_report(path))


def _fit_own(path: Path) -> None:
    from simkit.calibrate.user_runs import own_calibration
    from simkit.catalog.runs import read_table
    from simkit.verbs.predict import predict_table

    predict_table(read_table(path), own=own_calibration([path]))


def _points(path: Path) -> None:
    from simkit.experiments.beside.dataset import read_points
    from simkit.experiments.beside.gate import GateRules, gate_document

    frame = read_points(path)
    gate_document(frame, frame, GateRules(require=("ttft_ms_mean < 500",)))


def _parts(path: Path) -> None:
    from simkit.publish.sweeps import sweep_report
    from simkit.reports.pages import page_html

    page_html(sweep_report(path.parents[1]))


def _residuals(path: Path) -> None:
    from simkit.catalog.calibrations import read_residuals

    read_residuals(path)


def _operators(path: Path) -> None:
    from simkit.catalog.operators import gpu_models

    gpu_models.cache_clear()
    gpu_models(path.stem, path.parent)


def _with_data(folder: Path, read: Callable[[], object]) -> None:
    before = os.environ.get("SIMKIT_DATA")
    os.environ["SIMKIT_DATA"] = str(folder)
    try:
        read()
    finally:
        _forget()
        if before is None:
            del os.environ["SIMKIT_DATA"]
        else:
            os.environ["SIMKIT_DATA"] = before


def _forget() -> None:
    from simkit.catalog import calibrations, gpus

    for module in (calibrations, gpus):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def _artifact(path: Path) -> None:
    from simkit.catalog.calibrations import efficiency, error_models, measured_domain

    _forget()
    _with_data(path.parents[1], lambda: (efficiency("vllm"), error_models(), measured_domain()))


def _gpu(path: Path) -> None:
    from simkit.catalog.gpus import gpu

    _forget()
    _with_data(path.parents[1], lambda: gpu("h100_sxm"))
