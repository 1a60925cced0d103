"""The main job: a request in, the best configuration and its DGD out."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from simkit.catalog.calibrations import ERRORS, artifact
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.problem import Problem
from simkit.core.estimate import Recommendation
from simkit.core.request import Request
from simkit.explain.answer import explanation
from simkit.explain.remarks import advised
from simkit.formats.dgdr.read import read_request, request_from_document
from simkit.io.threads import one_thread
from simkit.search.search import search
from simkit.verbs.cluster_notes import with_cluster_notes

DISTRIBUTION = "dynamo-simkit"  # what pip installs; the package in it is simkit


def load_request(path: str | Path) -> Request:
    """The request in a DGDR YAML file.

    Raises InputError that lists every fault of the document.
    """
    return read_request(path)


def recommend(
    request: Request | Mapping[str, Any] | str | Path,
    options: SearchOptions | None = None,
    *,
    finalists: int = 0,
    seed: int = 0,
) -> Recommendation:
    """The best deployments for a request, best first; uses no GPU and no network.

    So many finalists are simulated request by request and ranked by that; `seed` draws their load.

    request is a Request, a parsed DGDR document, or a path to one. Raises InfeasibleError when the
    model does not fit the hardware in any way; when it fits but the SLA cannot be held, the nearest
    deployments come back with `meets_sla` false.
    """
    problem = build_problem(as_request(request), options)
    if not finalists:
        return answer(problem)
    from simkit.verbs.shortlist import FinalistOptions, Watch, with_finalists

    with one_thread():
        first = searched(problem)
    second = with_finalists(problem, first, FinalistOptions(count=finalists, seed=seed), Watch())
    return dressed(second, problem)


@one_thread()
def answer(problem: Problem) -> Recommendation:
    """The search's result, with advice, remarks on the cluster and what produced it."""
    return dressed(searched(problem), problem)


def searched(problem: Problem, skip: Callable[[str], bool] = lambda backend: False) -> Recommendation:
    """The search's result with its answer in words; skip as for `search`."""
    found = search(problem, skip)
    return replace(found, explanation=explanation(found))


def dressed(rec: Recommendation, problem: Problem) -> Recommendation:
    """A bare result of the search with advice, remarks on the cluster and what produced it."""
    found = advised(counted(rec), problem.shape, sys.version_info[:2])
    return replace(with_cluster_notes(found, problem), versions=versions())


def counted(rec: Recommendation) -> Recommendation:
    """Where as many GPUs as needed were asked for: how many that is, or a warning that none were enough."""
    hardware, request = rec.request.hardware, rec.request
    if not hardware.as_needed:
        return rec
    if rec.unchosen.meets_sla:
        needed = replace(hardware, total_gpus=rec.selected.deployment.num_gpus)
        return replace(rec, request=replace(request, hardware=needed))
    warning = (
        f"--total-gpus auto: up to {hardware.total_gpus:,} GPUs were tried, the most that it tries, and none "
        "are enough; give a number of GPUs to try more"
    )
    return replace(rec, request=replace(request, warnings=(*request.warnings, warning)))


def as_request(request: Request | Mapping[str, Any] | str | Path) -> Request:
    """A Request from any of the forms the verbs take."""
    if isinstance(request, Request):
        return request
    if isinstance(request, Mapping):
        return request_from_document(request, "request", paired=False)
    return load_request(request)


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """What produced an answer: the toolkit and its calibration artifact."""
    try:
        own = version(DISTRIBUTION)
    except PackageNotFoundError:
        own = "source"
    return {"simkit": own, "calibration": str(artifact(ERRORS).get("sha256", "none"))[:12]}
