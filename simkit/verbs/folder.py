"""The folder that `recommend -o DIR` writes: all texts are made first, then each is put in place whole."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.adapters.aiperf import benchmark_script
from simkit.adapters.dynamo import render
from simkit.adapters.dynamo_job import profiling_job
from simkit.adapters.dynamo_site import Site
from simkit.core.errors import InputError
from simkit.core.metrics import Candidate, Recommendation
from simkit.core.request import Request
from simkit.io.dgdr import request_to_document
from simkit.io.loading import load_model
from simkit.io.problems import checkpoint_bytes
from simkit.io.yamlio import dump_yaml, write_text_atomic
from simkit.reports.candidates_csv import candidates_csv
from simkit.reports.document import dumps, recommendation_document
from simkit.reports.html import recommendation_html
from simkit.reports.markdown import recommendation_markdown


def dgd_documents(
    rec: Recommendation, candidate: Candidate, version: str = "v1beta1"
) -> list[dict[str, Any]]:
    """The DGD of one candidate with the ConfigMaps that belong to it.

    A candidate that misses the SLA is marked so by an annotation.
    """
    hardware = rec.request.hardware
    if hardware.gpus_per_node is None:
        raise InputError("hardware.numGpusPerNode is not known; set --gpus-per-node")
    documents = render(
        candidate.deployment,
        _with_model_bytes(rec.request),
        model=rec.request.model,
        gpus_per_node=hardware.gpus_per_node,
        total_gpus=hardware.total_gpus,
        version=version,
    )
    metadata = documents[-1].setdefault("metadata", {})
    verdict = "true" if candidate.meets_sla else "false"
    metadata.setdefault("annotations", {})["simkit.io/meets-sla"] = verdict
    return documents


def _with_model_bytes(request: Request) -> Request:
    """The weights' size decides how long pods may take to start, and the volume's."""
    cluster = replace(request.deploy.cluster, model_bytes=checkpoint_bytes(load_model(request.model)))
    return replace(request, deploy=replace(request.deploy, cluster=cluster))


def job_document(rec: Recommendation) -> dict[str, Any]:
    """The Job by which Dynamo's operator would profile for this request."""
    hardware = rec.request.hardware
    site = Site(
        deployment=rec.selected.deployment,
        request=rec.request,
        model=rec.request.model,
        gpus_per_node=hardware.gpus_per_node or 1,
        total_gpus=hardware.total_gpus,
    )
    return profiling_job(site, json.dumps(request_to_document(rec.request)["spec"]))


def folder_texts(rec: Recommendation, *, top: int = 1, version: str = "v1beta1") -> dict[str, str]:
    """File name to text of everything the folder holds."""
    texts = {}
    if rec.request.deploy.cluster.profiling_job:
        texts["profiling-job.yaml"] = dump_yaml([job_document(rec)])
    for rank, candidate in enumerate(rec.candidates[:top], start=1):
        name = "dgd.yaml" if rank == 1 else f"dgd-{rank}.yaml"
        texts[name] = dump_yaml(dgd_documents(rec, candidate, version))
    texts["recommendation.json"] = dumps(recommendation_document(rec))
    texts["candidates.csv"] = candidates_csv(rec)
    texts["report.md"] = recommendation_markdown(rec)
    texts["report.html"] = recommendation_html(rec)
    texts["benchmark.sh"] = benchmark_script(rec, rec.request.model)
    return texts


def write_folder(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write every text; the script becomes executable. Raises InputError when that is not possible."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder with -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); give another folder with -o"
        ) from error
    written = []
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
        written.append(folder / name)
    script = folder / "benchmark.sh"
    if script in written:
        script.chmod(0o755)
    return written
