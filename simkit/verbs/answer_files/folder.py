"""The folder that `recommend -o DIR` writes: all texts are made first, then each is put in place whole."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simkit.catalog.gpus import drives_dynamo
from simkit.closed_form.problem import Problem
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.request import Request
from simkit.formats.aiperf_command import benchmark_script
from simkit.formats.dgd.asked import ASKED_ANNOTATION, asked_flags, asked_text
from simkit.formats.dgd.render import profiling_job, render_site
from simkit.formats.dgd.site import Site
from simkit.formats.dgdr.read import request_to_document
from simkit.formats.validate import answer_faults
from simkit.io.publishing import write_set
from simkit.io.yamlio import dump_yaml
from simkit.reports.candidates_csv import candidates_csv
from simkit.reports.document import (
    Document,
    candidate_document,
    dumps,
    recommendation_document,
    request_document,
)
from simkit.reports.pages import Code, page_html, page_markdown
from simkit.reports.views.recommendation import CloserLook, recommendation_page
from simkit.verbs.answer_files.closer_look import closer_look
from simkit.verbs.answer_files.dgd_text import dgd_text
from simkit.verbs.answer_files.planner_data import (
    deploys_profile,
    planner_profile,
    rank_kv_tokens,
    wants_profile,
)

PROFILE_FOLDER = "profiling_results"
_OF_AN_ANSWER = ("dgd-[0-9]*.yaml", PROFILE_FOLDER, f"{PROFILE_FOLDER}-[0-9]*", "profiling-job.yaml")


def dgd_documents(
    rec: Recommendation,
    candidate: Candidate,
    version: str = "v1beta1",
    *,
    profile: Mapping[str, bytes] | None = None,
    problem: Problem | None = None,
    folder: Path = Path(),
) -> list[dict[str, Any]]:
    """The DGD of one candidate with the ConfigMaps that belong to it.

    Annotations say what was asked and whether the candidate meets the SLA. profile is what
    `planner_profile` gives, for a Planner or mocker to read. problem is what was searched; it tells a mocker
    the size of the caches. folder is the one they go to.
    Raises InputError where spec.overrides.dgd makes of it what no cluster would take.
    """
    site = _site(rec, candidate, profile)
    if problem is not None and rec.request.deploy.mocker:
        site = replace(site, rank_kv_tokens=rank_kv_tokens(problem, candidate))
    refuse_other_gpus(rec.request)
    documents = render_site(site, version)
    if rec.request.deploy.dgd_override:
        _check_overridden(documents, rec.request)
    notes = documents[-1].setdefault("metadata", {}).setdefault("annotations", {})
    notes[ASKED_ANNOTATION] = asked_text(asked_flags(rec.request, candidate.estimate.concurrency, folder))
    if rec.request.slo.judged:
        notes["simkit.io/meets-sla"] = "true" if candidate.meets_sla else "false"
    return documents


def refuse_other_gpus(request: Request) -> None:
    """Raise InputError for a GPU that no DGD can ask for."""
    if not runs_dynamo(request):
        raise InputError(
            f"{request.hardware.gpu}: Dynamo's images and operator are for NVIDIA GPUs, so there is no DGD; "
            "start the engines by their own command lines"
        )


def runs_dynamo(request: Request) -> bool:
    """Whether Dynamo's images drive the GPU that is asked about."""
    return drives_dynamo(request.hardware.gpu)


def _check_overridden(documents: list[dict[str, Any]], request: Request) -> None:
    faults = answer_faults(request_to_document(request), documents)
    if faults:
        raise InputError("with spec.overrides.dgd merged in, " + "; ".join(str(fault) for fault in faults))


def job_document(rec: Recommendation) -> dict[str, Any]:
    """The Job by which Dynamo's operator would profile for this request.

    Raises InputError where TTFT or ITL is bounded alone: Dynamo's profiler takes them as a pair.
    """
    bounds = rec.request.slo.bounds
    if ("ttft_s" in bounds) != ("itl_s" in bounds):
        raise InputError(
            "--with-profiling-job: Dynamo's profiler takes TTFT and ITL as a pair, and one is bounded; add "
            "--ttft or --itl"
        )
    return profiling_job(_site(rec, rec.selected), json.dumps(request_to_document(rec.request)["spec"]))


def _site(rec: Recommendation, candidate: Candidate, profile: Mapping[str, bytes] | None = None) -> Site:
    hardware = rec.request.hardware
    if hardware.gpus_per_node is None:
        raise InputError("hardware.numGpusPerNode is not known; set --gpus-per-node")
    return Site(
        deployment=candidate.deployment,
        request=rec.request,
        model=rec.request.model,
        gpus_per_node=hardware.gpus_per_node,
        total_gpus=hardware.total_gpus,
        profile=profile or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOptions:
    """How many DGDs the folder holds, of which version, whether the report has a script, and where it is."""

    folder: Path = Path()
    top: int = 1
    version: str = "v1beta1"
    interactive: bool = False


def folder_texts(
    rec: Recommendation,
    *,
    problem: Problem | None = None,
    document: Document | None = None,
    options: FolderOptions | None = None,
) -> dict[str, str | bytes]:
    """File name to content of everything the folder holds; document: the answer's own, if made already.

    With the problem that was searched, a Planner or mocker gets profiling data: a folder for programs that
    read files, and within the DGD where they are read there.
    """
    asked = options or FolderOptions()
    texts: dict[str, str | bytes] = {}
    if rec.request.deploy.cluster.profiling_job:
        texts["profiling-job.yaml"] = dump_yaml([job_document(rec)])
    exported = (rec.selected,) if rec.chosen else rec.candidates[: asked.top]
    exported = exported if runs_dynamo(rec.request) else ()
    for rank, candidate in enumerate(exported, start=1):
        ending = "" if rank == 1 else f"-{rank}"
        profile = planner_profile(problem, candidate) if problem and wants_profile(rec.request) else {}
        deployed = profile if deploys_profile(rec.request) else {}
        documents = dgd_documents(
            rec, candidate, asked.version, profile=deployed, problem=problem, folder=asked.folder
        )
        name = f"dgd{ending}.yaml"
        texts[name] = dgd_text(documents, request_document(rec.request), candidate_document(candidate), name)
        texts |= {f"{PROFILE_FOLDER}{ending}/{name}": content for name, content in profile.items()}
    document = document or recommendation_document(rec)
    texts["recommendation.json"] = dumps(document)
    texts["candidates.csv"] = candidates_csv(document)
    files = tuple(Code(name=name, text=str(text)) for name, text in texts.items() if name.startswith("dgd"))
    closer = closer_look(problem, rec) if problem else CloserLook()
    page = recommendation_page(document, replace(closer, files=files))
    texts["report.md"] = page_markdown(page)
    texts["report.html"] = page_html(page, interactive=asked.interactive)
    texts["benchmark.sh"] = benchmark_script(rec, rec.request.model)
    return texts


def write_folder(
    folder: Path, texts: Mapping[str, str | bytes], *, private: Sequence[str] = ()
) -> list[Path]:
    """Write every file or none; the script becomes executable.

    DGDs and profiling data of an earlier answer that are not among the files go with it. Raises SimkitError
    when that is not possible.
    """
    programs = tuple(name for name in texts if name.endswith(".sh"))
    stale = _OF_AN_ANSWER if "recommendation.json" in texts else ()
    return write_set(folder, texts, programs=programs, private=private, stale=stale)
