"""A candidate brought up on a Kubernetes cluster as a DGD of its own, and removed when it has been measured.

The cluster is the one that KUBECONFIG, or the pod that this runs in, names. Its frontend is reached by the
cluster's own DNS, so this runs inside the cluster; from elsewhere SIMKIT_FRONTEND_URL says how.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.catalog.problems import cluster_device
from simkit.closed_form.problem import Problem
from simkit.cluster.access import Access, connect
from simkit.cluster.api import Api
from simkit.cluster.apply import apply_all
from simkit.cluster.documents import Bundle, bundle_of
from simkit.cluster.failures import ClusterError
from simkit.cluster.follow import Followed, follow
from simkit.cluster.kinds import DGD, OURS, POD_OF_DGD, path_of
from simkit.cluster.remove import belongings, delete, wait_until_gone
from simkit.core.errors import ExternalError, InputError
from simkit.core.estimate import Candidate
from simkit.formats.dgd.render import render
from simkit.io.openai_http import served_models
from simkit.measure.run import Server
from simkit.measure.targets import Target

URL_VARIABLE = "SIMKIT_FRONTEND_URL"
TRIAL_LABEL = "simkit.io/trial-of"  # which request's candidates these are: leftovers of killed runs go by it
_URL = "http://{name}-frontend.{namespace}.svc:8000"
_READY_S, _LISTED_S, _GONE_S, _PAUSE_S = 7200.0, 600.0, 300.0, 1.0


def trial_documents(problem: Problem, candidate: Candidate) -> list[dict[str, Any]]:
    """The candidate's DGD, its name the same in every run; without a Planner, which would scale it."""
    request = problem.request
    digest = hashlib.sha256(repr(candidate.deployment).encode()).hexdigest()[:6]
    deploy = replace(
        request.deploy,
        name=f"{request.deploy.name[:20].rstrip('-.')}-{digest}",
        planner=None,
        dgd_override=_without_name(request.deploy.dgd_override),
    )
    documents = render(
        candidate.deployment,
        replace(request, deploy=deploy),
        model=request.model,
        gpus_per_node=cluster_device(request).gpus_per_node,
        total_gpus=candidate.deployment.num_gpus,
    )
    for one in documents:
        one["metadata"].setdefault("labels", {})[TRIAL_LABEL] = trial_of(problem)
    return documents


def _without_name(override: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The override without a name, which may be that of a deployment that serves."""
    if override is None or not isinstance(override.get("metadata"), Mapping):
        return None if override is None else dict(override)
    metadata = {key: value for key, value in override["metadata"].items() if key != "name"}
    return {**override, "metadata": metadata}


def trial_of(problem: Problem) -> str:
    """The request's name as a label takes it."""
    return problem.request.deploy.name[:63].rstrip("-.")


@contextmanager
def cluster_server(problem: Problem, candidate: Candidate, folder: Path) -> Iterator[Server]:
    """A candidate served on the cluster until the context ends; what was said of it is in cluster.log."""
    api = connect(Access(namespace=problem.request.deploy.namespace))
    bundle = bundle_of(trial_documents(problem, candidate), "candidate", None, api.namespace)
    url = frontend_url(bundle.name, bundle.namespace, os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cluster.log").open("a", encoding="utf-8") as log:

        def say(line: str) -> None:
            log.write(line + "\n")
            log.flush()

        remove_trials(api, bundle.namespace, trial_of(problem), keep=bundle.name)
        try:
            one = _applied(api, bundle)
            follow(one, _READY_S, say)
            _until_listed(url, problem.request.model)
            yield Server(
                url=url,
                model=problem.request.model,
                check=lambda: _still_there(one),
                log=f"kubectl -n {bundle.namespace} logs -l {POD_OF_DGD}={bundle.name}",
            )
        finally:
            remove_trials(api, bundle.namespace, trial_of(problem))


def frontend_url(name: str, namespace: str, environ: Mapping[str, str]) -> str:
    """Where a deployment's frontend is reached. Raises InputError for a pattern that cannot be filled in."""
    pattern = environ.get(URL_VARIABLE) or _URL
    try:
        return pattern.format(name=name, namespace=namespace)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"{URL_VARIABLE}={pattern}: only {{name}} and {{namespace}} are filled in"
        ) from error


def remove_trials(api: Api, namespace: str, request: str, *, keep: str | None = None) -> None:
    """Delete the candidates of a request, and wait until their GPUs are free."""
    labels = ",".join(f"{key}={value}" for key, value in {**OURS, TRIAL_LABEL: request}.items())
    gone = []
    for one in list(api.items(path_of(DGD, namespace), {"labelSelector": labels})):
        name = one["metadata"]["name"]
        if name == keep:
            continue
        targets = [(path_of(DGD, namespace, name), one), *belongings(api, name, namespace, storage=False)]
        for path, document in targets:
            delete(api, path, document)
            gone.append((path, document["metadata"]["uid"]))
    for path, uid in gone:
        wait_until_gone(api, path, uid, _GONE_S, lambda line: None)


def _applied(api: Api, bundle: Bundle) -> Followed:
    *_, last = apply_all(api, bundle)
    uid = last.after["metadata"]["uid"]
    return Followed(api=api, kind=DGD, name=bundle.name, namespace=bundle.namespace, uid=uid)


def _until_listed(url: str, model: str) -> None:
    """Pods may be ready before the frontend has seen an engine."""
    end = time.monotonic() + _LISTED_S
    while model not in served_models(url):
        if time.monotonic() > end:
            raise ExternalError(
                f"{url}: does not list {model} after {_LISTED_S:g} s; run this inside the cluster, "
                f"or say by {URL_VARIABLE} how frontends are reached"
            )
        time.sleep(_PAUSE_S)


def _still_there(one: Followed) -> None:
    """Raises ExternalError where the deployment has gone."""
    with suppress(ClusterError):
        if one.api.find(one.path) is None:
            raise ExternalError(f"{one.words}: somebody deleted it while it was measured")


TARGET = Target(about="a DGD on the cluster", start=cluster_server)
