"""One profiling run: the request is read, searched and written, each under the phase it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.problem import Problem
from simkit.core.errors import InputError
from simkit.core.estimate import Recommendation
from simkit.core.request import Request
from simkit.formats.dgd.render import MAX_NAME, dgd_name
from simkit.formats.dgdr.read import as_dgdr, read_config_argument, request_from_document
from simkit.formats.validate import validate_documents
from simkit.io.yamlio import write_bytes_atomic, write_text_atomic
from simkit.profiler.status import Phase, StatusFile
from simkit.reports.document import (
    candidate_document,
    dumps,
    recommendation_document,
    request_document,
)
from simkit.verbs.answer_files.dgd_text import dgd_text
from simkit.verbs.answer_files.folder import dgd_documents
from simkit.verbs.answer_files.planner_data import deploys_profile, planner_profile
from simkit.verbs.recommend import answer

FINAL_CONFIG = "final_config.yaml"
ANSWER = "recommendation.json"
STRATEGY_ANNOTATION = "simkit.io/search-strategy"
_PREDICTED = "searchStrategy thorough was answered with predictions, nothing was measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the command line and the operator's environment ask for."""

    config: str
    folder: Path
    dry_run: bool = False
    dgdr_name: str | None = None  # None: not started by an operator
    dgdr_namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What to say of a run that came to its end."""

    message: str
    outputs: Mapping[str, str]
    warnings: tuple[str, ...]


def run(job: Job, status: StatusFile) -> JobOutcome:
    """Do the job and write its files, all but the last status. Raises SimkitError where it cannot."""
    status.enter(Phase.INITIALIZING, "Reading the request")
    request = _request(job)
    problem = build_problem(request, SearchOptions(model_folder=mounted_model(request)))
    if job.dry_run:
        return _dry_run(job, problem)
    status.enter(Phase.SWEEPING, f"Predicting deployments: {_question(problem)}")
    rec = answer(problem)
    status.enter(Phase.SELECTING, rec.explanation[0])
    profile = _profile(problem, rec, status)
    status.enter(Phase.GENERATING, "Writing the DynamoGraphDeployment")
    outputs = _write(job, rec, profile, problem)
    return JobOutcome(message=closing(rec), outputs=outputs, warnings=rec.request.warnings)


def closing(rec: Recommendation) -> str:
    """The outcome in a sentence; what an operator must know before deploying comes first."""
    parts = ["Profiler completed"]
    if rec.request.search_strategy == "thorough":
        parts.append(_PREDICTED)
    if not rec.meets_sla:
        parts.append(f"SLA not met, the nearest deployment was written: {rec.explanation[1]}")
    return "; ".join([*parts, rec.explanation[0]])


def mounted_model(request: Request) -> str | None:
    """Where the model cache holds the model's config.json, if it is mounted here as in the workers."""
    cache = request.deploy.model_cache
    if cache is None or cache.pvc_model_path is None:
        return None
    # An absolute path was checked to lie under the mount, and replaces it here.
    folder = Path(cache.pvc_mount_path) / cache.pvc_model_path
    return str(folder) if (folder / "config.json").is_file() else None


def _request(job: Job) -> Request:
    given = read_config_argument(job.config)
    document = as_dgdr(given, job.dgdr_name or "simkit", job.dgdr_namespace)
    request = request_from_document(document, "DGDR")
    if job.dgdr_name is not None:
        _check_name(request)
    return request


def _check_name(request: Request) -> None:
    """The operator renames the deployment after the DGDR, so a name shortened here would not last."""
    name = f"{request.deploy.name}-dgd"
    chosen = dgd_name(request)  # refuses an override's name that is too long
    overridden = ((request.deploy.dgd_override or {}).get("metadata") or {}).get("name")
    if not overridden and len(chosen) < len(name):
        raise InputError(
            f"metadata.name: Dynamo names the deployment {name!r} ({len(name)} characters), but with the "
            f"component's name only {MAX_NAME} fit; shorten it by {len(name) - len(chosen)} or set "
            "spec.overrides.dgd.metadata.name"
        )


def _question(problem: Problem) -> str:
    request = problem.request
    engines = ", ".join(model.engine.backend for model in problem.engines)
    return (
        f"{request.model} with {engines} ({' and '.join(request.modes)}) on up to {problem.total_gpus} x "
        f"{request.hardware.gpu}"
    )


def _dry_run(job: Job, problem: Problem) -> JobOutcome:
    """As Dynamo's profiler does: the request is checked, the file is written, and holds no deployment."""
    write_text_atomic(job.folder / FINAL_CONFIG, "null\n")
    return JobOutcome(
        message=f"Dry run, no deployment was searched: {_question(problem)}",
        outputs={"final_config": FINAL_CONFIG},
        warnings=problem.request.warnings,
    )


def _profile(problem: Problem, rec: Recommendation, status: StatusFile) -> Mapping[str, bytes]:
    """Profiling data that go with the deployment, by file name; none where nothing reads them."""
    if not deploys_profile(rec.request):
        return {}
    status.enter(Phase.BUILDING_CURVES, "Predicting the curves that the Planner or the mocker reads")
    return planner_profile(problem, rec.selected)


def _write(job: Job, rec: Recommendation, profile: Mapping[str, bytes], problem: Problem) -> dict[str, str]:
    documents = dgd_documents(rec, rec.selected, profile=profile, problem=problem)
    if rec.request.search_strategy == "thorough":
        annotations: dict[str, Any] = documents[-1]["metadata"]["annotations"]
        annotations[STRATEGY_ANNOTATION] = "predicted, thorough was asked"
    faults = validate_documents(documents, FINAL_CONFIG)
    if faults:
        raise InputError(f"{FINAL_CONFIG}: " + "; ".join(str(fault) for fault in faults))
    for name, content in profile.items():
        write_bytes_atomic(job.folder / name, content)
    write_text_atomic(job.folder / ANSWER, dumps(recommendation_document(rec)))
    parts = request_document(rec.request), candidate_document(rec.selected)
    write_text_atomic(job.folder / FINAL_CONFIG, dgd_text(documents, *parts, FINAL_CONFIG))
    return {"final_config": FINAL_CONFIG, "recommendation": ANSWER, **{name: name for name in profile}}
