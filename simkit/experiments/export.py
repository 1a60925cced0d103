"""Selected deployments as folders for a cluster and a benchmark: all are sound, or nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.catalog.engine_models import served_precision
from simkit.catalog.models import load_model
from simkit.core.deployment import Deployment
from simkit.core.errors import InputError, SimkitError
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.request import ModelCache, Request
from simkit.core.user_calibration import OwnCalibration
from simkit.experiments.export_page import BENCHMARKS, CACHES, Exported, closing_texts
from simkit.experiments.selection import selected
from simkit.experiments.single import deployment_of_point, request_of_point
from simkit.experiments.store import RunFolder, read_dataset, read_run
from simkit.formats.aiperf_command import benchmark_script
from simkit.formats.aiperf_job import aiperf_job
from simkit.formats.dgdr.read import request_to_document
from simkit.formats.recommendations import deployment_of, read_recommendation, request_of
from simkit.formats.validate import answer_faults
from simkit.io.yamlio import dump_yaml
from simkit.reports.document import candidate_document, request_document
from simkit.verbs.answer_files.dgd_text import dgd_text
from simkit.verbs.answer_files.folder import dgd_documents, write_folder
from simkit.verbs.estimate import estimate_problem

if TYPE_CHECKING:
    import pandas as pd

Document = dict[str, Any]

MOST = 100  # deployments of one export
RECOMMENDATION = "recommendation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One deployment that was selected: its name in the export, and the question that it answers."""

    name: str
    request: Request
    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What an export holds besides: a claim for each model's weights and the Job that fills it; where."""

    model_cache: bool = True
    storage_class: str | None = None
    namespace: str | None = None


def export_texts(folder: Path, selection: str, options: ExportOptions | None = None) -> dict[str, str]:
    """File name to content of an export. Raises InputError where a selected deployment is not admissible."""
    options = options or ExportOptions()
    chosen = [_placed(item, options) for item in chosen_of(folder, selection)]
    if len(chosen) > MOST:
        raise InputError(f"--select {selection!r}: {len(chosen)} deployments, at most {MOST}; narrow it")
    texts: dict[str, str] = {}
    caches: dict[str, str] = {}
    items = []
    for item in chosen:
        rec = _answer(item)
        cache, documents = _sound_documents(item, rec)
        if cache:
            caches[f"{CACHES}/{cache[0]['metadata']['name']}.yaml"] = dump_yaml(cache)
        deployed = str(documents[-1]["metadata"]["name"])
        parts = request_document(rec.request), candidate_document(rec.selected)
        texts[f"{item.name}/dgd.yaml"] = dgd_text(documents, *parts)
        texts[f"{item.name}/benchmark.sh"] = benchmark_script(rec, rec.request.model)
        texts[f"{BENCHMARKS}/{item.name}.yaml"] = dump_yaml([aiperf_job(rec, deployed, _job_name(deployed))])
        items.append(Exported(name=item.name, deployed=deployed, rec=rec))
    return {**caches, **texts, **closing_texts(folder, selection, items, [*caches, *texts])}


def _placed(item: Chosen, options: ExportOptions) -> Chosen:
    """The deployment with what it is told of the cluster; a cache only where the weights come from a hub."""
    deploy = item.request.deploy
    if options.namespace is not None:
        deploy = replace(deploy, namespace=options.namespace)
    if options.model_cache and deploy.model_cache is None and not Path(item.request.model).exists():
        cache = ModelCache(pvc_name=f"{_plain(item.request.model)}-cache")
        cluster = replace(deploy.cluster, model_cache_job=True, storage_class=options.storage_class)
        deploy = replace(deploy, model_cache=cache, cluster=cluster)
    return replace(item, request=replace(item.request, deploy=deploy))


def _job_name(deployed: str) -> str:
    return f"{deployed}-aiperf"[:63].rstrip("-")


def chosen_of(folder: Path, selection: str) -> list[Chosen]:
    """What a selection names in the folder of a run, or in one that `recommend -o` wrote."""
    if (folder / RECOMMENDATION).is_file():
        return _of_recommendation(folder / RECOMMENDATION, selection)
    run = RunFolder(path=folder)
    experiment, _ = read_run(run)
    rows = selected(read_dataset(run), experiment.do, selection)
    return [_of_point(record, experiment.own) for record in _records(rows)]


def _records(rows: "pd.DataFrame") -> list[dict[str, Any]]:
    import pandas as pd

    found = rows.astype(object).to_dict("records")
    return [{str(k): None if pd.isna(value) else value for k, value in record.items()} for record in found]


def _of_point(point: dict[str, Any], own: OwnCalibration | None) -> Chosen:
    name = str(point["point"])
    request = request_of_point(point, own)
    stored = served_precision(load_model(request.model).precision, str(point["backend"]))
    try:
        deployment = deployment_of_point(point)
    except SimkitError as error:
        raise InputError(f"point {name}: {error}") from error
    formats = deployment.precision
    if (formats.gemm, formats.moe) != (stored.gemm, stored.moe):
        raise InputError(
            f"point {name}: {request.model} is stored as {stored.gemm}, and {formats.gemm} was predicted; "
            "a DGD serves a checkpoint as it is stored: sweep over the checkpoint that is in that format"
        )
    hardware = replace(request.hardware, total_gpus=deployment.num_gpus)
    modes = (deployment.mode,)
    request = replace(request, hardware=hardware, modes=modes, backend=deployment.backend)
    return Chosen(name=name, request=_named(request, name[:8]), deployment=deployment)


def _named(request: Request, ending: str) -> Request:
    """The request under a name of its own: all deployments of an export can stand in one namespace."""
    return replace(request, deploy=replace(request.deploy, name=f"{_plain(request.model)}-{ending}"))


def _plain(model: str) -> str:
    """A model's name as Kubernetes takes names."""
    plain = "".join(char if char.isalnum() else "-" for char in Path(model).name.lower())
    return plain.strip("-")[:40].strip("-")


def _of_recommendation(path: Path, selection: str) -> list[Chosen]:
    document = read_recommendation(path)
    candidates = _candidates(document, selection.strip())
    request = request_of(document)
    kind = "front" if selection.strip() in ("pareto", "knee") else "candidate"
    return [
        Chosen(
            name=f"{kind}-{rank}",
            request=_named(
                replace(request, modes=(item["mode"],), backend=item["backend"]), f"{kind[0]}{rank}"
            ),
            deployment=deployment_of(item),
        )
        for rank, item in candidates
    ]


def _candidates(document: Mapping[str, Any], word: str) -> list[tuple[int, Any]]:
    """Candidates by rank; the front and its knee by their place in it."""
    listed = list(enumerate(document["candidates"], start=1))
    if word == "best":
        return listed[:1]
    if word == "pareto":
        return list(enumerate(document["pareto"], start=1))
    if word == "knee":
        knee = document.get("knee")
        if knee is None:
            raise InputError("--select knee: the front of this answer has none; select pareto or best")
        return [(document["pareto"].index(knee) + 1, knee)]
    if word.startswith("id=") and word[3:].isdigit() and 1 <= int(word[3:]) <= len(listed):
        return [listed[int(word[3:]) - 1]]
    raise InputError(
        f"--select {word!r}: of a recommendation best, knee, pareto or id=RANK (1 to {len(listed)}) can be "
        "selected; write one of them"
    )


def _answer(item: Chosen) -> Recommendation:
    """The estimate as an answer of its own. Raises InputError where the deployment does not fit."""
    try:
        problem, found = estimate_problem(item.request, item.deployment)
    except SimkitError as error:
        raise InputError(f"{item.name}: not admissible ({error}); select another point") from error
    candidate: Candidate = found.candidate
    return Recommendation(
        request=problem.request,
        candidates=(candidate,),
        pareto=(),
        rejected=(),
        meets_sla=candidate.meets_sla,
    )


_OF_CACHE = ("PersistentVolumeClaim", "Job")


def _sound_documents(item: Chosen, rec: Recommendation) -> tuple[list[Document], list[Document]]:
    """Documents of the model's cache, which several deployments share, and those of the deployment."""
    documents = dgd_documents(rec, rec.selected)
    faults = answer_faults(request_to_document(rec.request), documents)
    if faults:
        told = "; ".join(str(fault) for fault in faults[:3])
        raise InputError(f"{item.name}: its DGD is not admissible ({told}); select another point")
    cache = [document for document in documents if document["kind"] in _OF_CACHE]
    for document in cache:
        if document["kind"] == "Job":
            document["metadata"]["name"] = f"{_plain(item.request.model)}-download"
    return cache, [document for document in documents if document["kind"] not in _OF_CACHE]


def write_export(folder: Path, texts: Mapping[str, str]) -> None:
    """Put every file in place; the scripts become executable."""
    write_folder(folder, texts)
