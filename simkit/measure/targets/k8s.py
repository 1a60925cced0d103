"""A candidate brought up on a Kubernetes cluster as a DGD of its own, and removed when it has been measured.

The cluster is the one that KUBECONFIG, or the pod that this runs in, names. Its frontend is reached by the
cluster's own DNS, so this runs inside the cluster; from elsewhere SIMKIT_FRONTEND_URL says how.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from simkit.catalog.problems import cluster_device
from simkit.closed_form.problem import Problem
from simkit.cluster.access import Access, connect, namespace_of
from simkit.cluster.api import Api
from simkit.cluster.apply import Applied, apply_all
from simkit.cluster.documents import Bundle, bundle_of
from simkit.cluster.failures import ClusterError
from simkit.cluster.follow import Followed, follow
from simkit.cluster.kinds import DGD, OURS, POD_OF_DGD, object_words, path_of
from simkit.cluster.remove import belongings, delete, wait_until_gone
from simkit.core.errors import ExternalError, InputError
from simkit.core.estimate import Candidate
from simkit.formats.dgd.render import render
from simkit.formats.unfilled import refuse_unfilled
from simkit.io.openai_http import Endpoint, listing
from simkit.io.reading import read_text
from simkit.io.yamlio import write_text_atomic
from simkit.measure.run import Server
from simkit.measure.targets import Rehearsal, Target

URL_VARIABLE = "SIMKIT_FRONTEND_URL"
TRIAL_LABEL = "simkit.io/trial-of"  # which profile's candidates these are: leftovers of killed runs go by it
RUN_FILE = "run-id"  # tells one profile from another of the same request
_URL = "http://{name}-frontend.{namespace}.svc:8000"
_READY_S, _LISTED_S, _GONE_S, _PAUSE_S = 7200.0, 600.0, 300.0, 1.0


def trial_documents(problem: Problem, candidate: Candidate, trial_of: str) -> list[dict[str, Any]]:
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
        one["metadata"].setdefault("labels", {})[TRIAL_LABEL] = trial_of
    return documents


def _without_name(override: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The override without a name, which may be that of a deployment that serves."""
    if override is None or not isinstance(override.get("metadata"), Mapping):
        return None if override is None else dict(override)
    metadata = {key: value for key, value in override["metadata"].items() if key != "name"}
    return {**override, "metadata": metadata}


def profile_label(problem: Problem, folder: Path, *, keep: bool) -> str:
    """The request's name and what tells its profile from others, kept beside the folders of its trials."""
    path = folder.parent / RUN_FILE
    found = read_text(path).strip() if path.is_file() else secrets.token_hex(3)
    if keep and not path.is_file():
        write_text_atomic(path, found + "\n")
    return f"{problem.request.deploy.name[:56].rstrip('-.')}-{found}"


def _bundle(problem: Problem, candidate: Candidate, label: str, otherwise: str) -> Bundle:
    documents = trial_documents(problem, candidate, label)
    refuse_unfilled(documents, problem.request.source)
    return bundle_of(documents, "candidate", None, otherwise)


def _documents(problem: Problem, candidate: Candidate, folder: Path) -> list[dict[str, Any]]:
    """What would be sent for a candidate."""
    otherwise = namespace_of(Access(namespace=problem.request.deploy.namespace))
    label = profile_label(problem, folder, keep=False)
    return list(_bundle(problem, candidate, label, otherwise).documents)


def _changes(problem: Problem, candidate: Candidate, folder: Path) -> list[Applied]:
    """What the cluster says would change. Raises InputError where another profile has the deployment."""
    api = connect(Access(namespace=problem.request.deploy.namespace))
    label = profile_label(problem, folder, keep=False)
    bundle = _bundle(problem, candidate, label, api.namespace)
    _refuse_others(api, bundle, label)
    return list(apply_all(api, bundle, dry_run=True))


@contextmanager
def cluster_server(problem: Problem, candidate: Candidate, folder: Path) -> Iterator[Server]:
    """A candidate served on the cluster until the context ends; what was said of it is in cluster.log."""
    api = connect(Access(namespace=problem.request.deploy.namespace))
    folder.mkdir(parents=True, exist_ok=True)
    label = profile_label(problem, folder, keep=True)
    bundle = _bundle(problem, candidate, label, api.namespace)
    url = frontend_url(bundle.name, bundle.namespace, os.environ)
    with (folder / "cluster.log").open("a", encoding="utf-8") as log:

        def say(line: str) -> None:
            log.write(line + "\n")
            log.flush()

        _refuse_others(api, bundle, label)
        remove_trials(api, bundle.namespace, label, keep=bundle.name)
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
            remove_trials(api, bundle.namespace, label)


def frontend_url(name: str, namespace: str, environ: Mapping[str, str]) -> str:
    """Where a deployment's frontend is reached. Raises InputError for a pattern that cannot be filled in."""
    pattern = environ.get(URL_VARIABLE) or _URL
    try:
        return pattern.format(name=name, namespace=namespace)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"{URL_VARIABLE}={pattern}: only {{name}} and {{namespace}} are filled in"
        ) from error


def _refuse_others(api: Api, bundle: Bundle, label: str) -> None:
    """Raise InputError where the candidate is up already for another profile, or to serve."""
    found = api.find(path_of(DGD, bundle.namespace, bundle.name))
    theirs = (found or {}).get("metadata", {}).get("labels", {}).get(TRIAL_LABEL)
    if found is not None and theirs != label:
        words = object_words(DGD, bundle.name, bundle.namespace)
        whose = f"is of another profile ({TRIAL_LABEL}: {theirs})" if theirs else "serves already"
        raise InputError(
            f"{words}: {whose}; wait for it, give the request another name, or, if it was left behind, "
            f"simkit delete {bundle.name} --namespace {bundle.namespace}"
        )


def remove_trials(api: Api, namespace: str, label: str, *, keep: str | None = None) -> None:
    """Delete the candidates of a profile, and wait until their GPUs are free."""
    labels = ",".join(f"{key}={value}" for key, value in {**OURS, TRIAL_LABEL: label}.items())
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
    while model not in (found := listing(Endpoint(url=url))).models:
        if time.monotonic() > end:
            why = found.fault or f"does not list {model}"
            raise ExternalError(
                f"{url}: {why} after {_LISTED_S:g} s; run this inside the cluster, "
                f"or say by {URL_VARIABLE} how frontends are reached"
            )
        time.sleep(_PAUSE_S)


def _still_there(one: Followed) -> None:
    """Raises ExternalError where the deployment has gone."""
    with suppress(ClusterError):
        if one.api.find(one.path) is None:
            raise ExternalError(f"{one.words}: somebody deleted it while it was measured")


TARGET = Target(
    about="a DGD on the cluster",
    start=cluster_server,
    rehearsal=Rehearsal(documents=_documents, changes=_changes),
)
