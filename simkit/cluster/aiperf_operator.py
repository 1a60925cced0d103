"""AIPerf's own operator: an AIPerfJob created, followed to its end, and removed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError, NotFoundError
from simkit.cluster.jobs import remove_or_say
from simkit.cluster.kinds import DEPLOYMENT_LABEL, OURS
from simkit.core.errors import ExternalError

_GROUP = "/apis/aiperf.nvidia.com"
_PAUSE_S = 2.0
_FAILED = ("Failed", "Cancelled")


def has_aiperf_operator(api: Api) -> bool:
    """Whether the cluster knows AIPerfJobs."""
    return api.find(_GROUP) is not None


def jobs_path(namespace: str) -> str:
    """Where AIPerfJobs are."""
    return f"{_GROUP}/v1alpha1/namespaces/{namespace}/aiperfjobs"


def labelled(manifest: Document, place: tuple[str, str]) -> Document:
    """The AIPerfJob as it is sent, under our labels; place: its namespace, and what it measures."""
    namespace, deployment = place
    metadata = {
        "generateName": f"{deployment[:30].rstrip('-.')}-",
        "namespace": namespace,
        "labels": {**OURS, DEPLOYMENT_LABEL: deployment[:63].rstrip("-.")},
    }
    return {**manifest, "metadata": metadata}


@contextmanager
def finished_job(
    api: Api, document: Document, namespace: str, timeout_s: float, say: Callable[[str], None]
) -> Iterator[str]:
    """The name of an AIPerfJob that has completed; it is removed when the context ends.

    Raises ExternalError where it fails or takes too long.
    """
    path = jobs_path(namespace)
    made = api.create(path, document)
    name, uid = str(made["metadata"]["name"]), made["metadata"]["uid"]
    say(f"aiperfjob/{name} created in {namespace}")
    try:
        _follow(api, f"{path}/{name}", timeout_s, say)
        yield name
    finally:
        remove_or_say(api, f"{path}/{name}", uid, say)


def _follow(api: Api, path: str, timeout_s: float, say: Callable[[str], None]) -> None:
    end, told = time.monotonic() + timeout_s, ""
    while time.monotonic() < end:
        try:
            status: Any = api.get(path).get("status") or {}
        except NotFoundError as error:
            raise ExternalError(f"{path}: somebody else deleted it meanwhile; start it again") from error
        except ClusterError as error:
            if not error.may_pass:
                raise
            say(f"waiting for the API server: {error}")
            status = {}
        phase = str(status.get("phase") or "")
        if phase and phase != told:
            told = phase
            say(f"aiperfjob: {phase}")
        if phase == "Completed":
            return
        if phase in _FAILED:
            raise ExternalError(
                f"{path}: {phase}: {status.get('error') or 'no reason given'}; aiperf kube debug"
            )
        time.sleep(_PAUSE_S)
    raise ExternalError(f"{path}: not done after {timeout_s:g} s ({told or 'no phase'}); raise --timeout")
