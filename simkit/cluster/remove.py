"""Delete what simkit made, and nothing else; wait until it is gone."""

import time
from collections.abc import Callable, Iterator

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError, ConflictError, NotFoundError
from simkit.cluster.kinds import (
    DEPLOYMENT_LABEL,
    DGD,
    DGDR,
    DYNAMO,
    KINDS,
    OURS,
    is_ours,
    object_words,
    path_of,
)
from simkit.core.errors import ExternalError, InputError

_PAUSE_S = 0.25


class NothingFoundError(InputError):
    """No deployment or request has the name."""


def found_by_name(api: Api, name: str, namespace: str, short: str | None) -> Document:
    """The DGD or DGDR of that name; short (dgd or dgdr) says which kind.

    Raises InputError where there is none, or both are there and no kind was given.
    """
    kinds = [kind for kind in DYNAMO if short in (None, KINDS[kind].short)]
    if not kinds:
        raise InputError(f"--kind {short}: expected dgd or dgdr")
    found = [one for kind in kinds if (one := api.find(path_of(kind, namespace, name))) is not None]
    if not found:
        what = " or ".join(KINDS[kind].short for kind in kinds)
        raise NothingFoundError(
            f"no {what} {name!r} in {namespace}; kubectl -n {namespace} get dgd,dgdr lists them"
        )
    if len(found) > 1:
        raise InputError(f"{name}: a dgd and a dgdr of that name are here; say which by --kind")
    return found[0]


def doomed(
    api: Api, name: str, namespace: str, short: str | None, *, storage: bool
) -> list[tuple[str, Document]]:
    """All that goes with a deployment or request, itself first; what a broken deploy left without it, too.

    Raises InputError where nothing is found, or where it is not ours.
    """
    try:
        main = found_by_name(api, name, namespace, short)
    except NothingFoundError:
        if left := list(belongings(api, name, namespace, storage=storage)):
            return left
        raise
    refuse_foreign(main, namespace)
    own = (path_of(main["kind"], namespace, name), main)
    if main["kind"] == DGDR and api.find(path_of(DGD, namespace, name)) is not None:
        return [own]  # what carries the name belongs to the deployment, which stays
    return [own, *belongings(api, name, namespace, storage=storage)]


def belongings(api: Api, name: str, namespace: str, *, storage: bool) -> Iterator[tuple[str, Document]]:
    """ConfigMaps and Jobs (and claims) that were created with a deployment: by our labels alone."""
    labels = {**OURS, DEPLOYMENT_LABEL: name[:63].rstrip("-.")}
    selector = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
    kinds = ("ConfigMap", "Job", *(("PersistentVolumeClaim",) if storage else ()))
    for kind in kinds:
        for one in api.items(path_of(kind, namespace), selector):
            yield path_of(kind, namespace, one["metadata"]["name"]), {**one, "kind": kind}


def refuse_foreign(document: Document, namespace: str) -> None:
    """Raises InputError for an object that simkit did not make."""
    if is_ours(document):
        return
    short, name = KINDS[document["kind"]].short, document["metadata"]["name"]
    raise InputError(
        f"{object_words(document['kind'], name, namespace)}: not made by simkit (no label "
        f"app.kubernetes.io/managed-by: simkit), so it is kept; kubectl -n {namespace} delete {short} {name}"
    )


def kept(document: Document, namespace: str) -> str | None:
    """What stays when a request is deleted: the deployment it made goes on serving."""
    made = (document.get("status") or {}).get("dgdName")
    if document["kind"] != DGDR or not made:
        return None
    return f"dgd/{made} keeps serving: kubectl -n {namespace} delete dgd {made} ends it"


def delete(api: Api, path: str, document: Document, *, dry_run: bool = False) -> bool:
    """Delete the very object that was seen; False where it has gone or been made anew meanwhile."""
    try:
        api.delete(path, uid=document["metadata"]["uid"], dry_run=dry_run)
    except (NotFoundError, ConflictError):
        return False
    return True


def wait_until_gone(api: Api, path: str, uid: str, timeout_s: float, say: Callable[[str], None]) -> None:
    """Until the object is gone. Raises ExternalError with its finalizers when time is up."""
    end, told, cut = time.monotonic() + timeout_s, False, False
    while True:
        try:
            found = api.find(path)
        except ClusterError as error:
            if not error.may_pass:
                raise
            found = {"metadata": {"uid": uid}}
            if not cut:
                say(f"waiting for the API server: {error}")
            cut = True
        if found is None or found["metadata"]["uid"] != uid:
            return
        holders = ", ".join(found["metadata"].get("finalizers") or ()) or "nothing known"
        if time.monotonic() > end:
            raise ExternalError(
                f"{path}: not gone after {timeout_s:g} s, held by {holders}; does its operator run? "
                "simkit check looks"
            )
        if not told and found["metadata"].get("finalizers"):
            say(f"waiting for {holders}")
            told = True
        time.sleep(_PAUSE_S)
