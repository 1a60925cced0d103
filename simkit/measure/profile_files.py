"""The folder of a finished profile: what `recommend` writes, by what was measured, and its own report."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.closed_form.one_deployment import pool_model
from simkit.closed_form.planner_profile import (
    EngineProfile,
    StepTables,
    max_kv_tokens,
    measured_decode,
    measured_prefill,
    step_tables,
)
from simkit.compare.comparison import predicted_of
from simkit.compare.measurement_plan import engine_name, layout_name
from simkit.core.deployment import Disaggregated
from simkit.formats.benchmark_results.stored import run_document
from simkit.formats.planner.files import profile_files
from simkit.formats.prediction_files import prediction_document
from simkit.formats.profile_store import ProfileStore
from simkit.formats.user_calibration import read_own, write_own
from simkit.measure.benchmark import dumps_exact
from simkit.measure.profile import CURVES, DONE, GENERATING, engine_factors
from simkit.measure.profile_verdict import ProfileOutcome, workload_of
from simkit.reports.document import candidate_document, dumps, request_document
from simkit.reports.measured import comparison_document
from simkit.reports.pages import page_html, page_markdown
from simkit.reports.profile import profile_document, profile_page
from simkit.verbs.answer_files.dgd_text import dgd_text
from simkit.verbs.answer_files.folder import (
    PROFILE_FOLDER,
    FolderOptions,
    dgd_documents,
    folder_texts,
    write_folder,
)
from simkit.verbs.answer_files.planner_data import deploys_profile, profile_ranges

OWN = "own_calibration.json"


def profile_texts(outcome: ProfileOutcome, command: str, folder: Path = Path()) -> dict[str, str | bytes]:
    """File name to content of what a profile leaves, beside the points themselves."""
    final = outcome.final
    texts = folder_texts(final, problem=outcome.problem, options=FolderOptions(folder=folder))
    curves = measured_profile(outcome)
    deployed = curves if deploys_profile(final.request) else {}
    if deployed or outcome.run is not None:
        profile = deployed or _predicted(texts, final.request)
        documents = dgd_documents(final, final.selected, profile=profile, folder=folder)
        documents[-1]["metadata"]["annotations"] |= _annotations(outcome)
        texts["dgd.yaml"] = dgd_text(
            documents, request_document(final.request), candidate_document(final.selected)
        )
    texts |= {f"{PROFILE_FOLDER}/{name}": content for name, content in curves.items()}
    page = profile_page(profile_document(outcome), command)
    texts |= {"profile_report.md": page_markdown(page), "profile_report.html": page_html(page)}
    texts["profile_summary.json"] = dumps(profile_document(outcome))
    if outcome.run is not None and outcome.comparison is not None:
        texts["run.json"] = dumps_exact(run_document(outcome.run))
        texts["comparison.json"] = dumps(comparison_document(outcome.comparison, outcome.run))
        texts["prediction.json"] = dumps_exact(_prediction(outcome))
    return texts


def write_profile(outcome: ProfileOutcome, folder: Path, command: str) -> list[Path]:
    """Write them, and the calibration that its runs make."""
    store = ProfileStore(folder)
    store.enter(CURVES)
    made = []
    if outcome.own is not None:
        write_own(folder / OWN, outcome.own)
        made.append(folder / OWN)
        request = replace(outcome.final.request, own=read_own(folder / OWN))
        outcome = replace(outcome, final=replace(outcome.final, request=request))
    texts = profile_texts(outcome, command, folder)
    store.enter(GENERATING)
    written = [*write_folder(folder, texts), *made]
    store.enter(DONE, outcome.phase)
    return written


def _predicted(texts: dict[str, str | bytes], request: Any) -> dict[str, bytes]:
    """The predicted profiling data that `folder_texts` made, where they go with the deployment."""
    if not deploys_profile(request):
        return {}
    prefix = f"{PROFILE_FOLDER}/"
    return {
        name.removeprefix(prefix): content
        for name, content in texts.items()
        if name.startswith(prefix) and isinstance(content, bytes)
    }


def _annotations(outcome: ProfileOutcome) -> dict[str, str]:
    run = outcome.run
    if run is None:
        return {}
    means = {"ttft": run.ttft.mean_s, "itl": run.itl.mean_s}
    found = {f"simkit.io/measured-{name}-ms": f"{1e3 * value:.4g}" for name, value in means.items() if value}
    return {**found, "simkit.io/meets-sla": "true" if outcome.meets_sla else "false"}


def _prediction(outcome: ProfileOutcome) -> dict[str, Any]:
    """What was predicted before anything was measured, for the deployment that was selected."""
    name = layout_name(outcome.final.selected.deployment)
    before = next(c for c in outcome.first.candidates if layout_name(c.deployment) == name)
    predicted = predicted_of(before.estimate, workload_of(outcome))
    return prediction_document(predicted, candidate_document(before))


def measured_profile(outcome: ProfileOutcome) -> dict[str, bytes]:
    """Planner and mocker data of the selected deployment from its engines' own measurements.

    Empty where its engines were not measured alone. The mocker's tables are the predicted ones times what
    each engine was measured to take more or less.
    """
    deployment = outcome.final.selected.deployment
    if not isinstance(deployment, Disaggregated):
        return {}
    backend = deployment.backend
    names = [
        engine_name(kind, pool.plan, backend)
        for kind, pool in (("prefill", deployment.prefill), ("decode", deployment.decode))
    ]
    runs = {result.trial.name: result.runs for result in outcome.engines}
    prefill, decode = (
        EngineProfile(model=pool_model(outcome.problem, deployment, pool), plan=pool.plan)
        for pool in (deployment.prefill, deployment.decode)
    )
    ranges = profile_ranges(outcome.problem, prefill, decode)
    by_isl = measured_prefill(prefill, runs.get(names[0], {}))
    by_load = measured_decode(decode, runs.get(names[1], {}), max_kv_tokens(decode, ranges))
    if by_isl is None or by_load is None:
        return {}
    factors = engine_factors(outcome.engines)
    tables = step_tables(prefill, decode, ranges)
    scaled = _scaled(tables, factors.get(names[0], 1.0), factors.get(names[1], 1.0))
    return profile_files(by_isl, by_load, scaled)


def _scaled(tables: StepTables, prefill: float, decode: float) -> StepTables:
    return replace(tables, prefill_s=tables.prefill_s * prefill, decode_s=tables.decode_s * decode)
