"""Follow an object until it is ready, failed or time is up; say what changes, and why pods do not start.

Changes come by a watch. One that ends, is cut, or whose place is lost (410) is begun again from what is
there; a server that does not answer is waited for.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError, ForbiddenError, GoneError, NotFoundError
from simkit.cluster.kinds import DGD, object_words, path_of
from simkit.cluster.pods import PodState, events_of, last_words, pods_of, states
from simkit.cluster.standing import Standing, standing
from simkit.core.errors import ExternalError

Say = Callable[[str], None]

_LOOK_S, _PAUSE_S = 5.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One object on a cluster. uid: of the very object; another of the same name is not it."""

    api: Api
    kind: str
    name: str
    namespace: str
    uid: str

    @property
    def words(self) -> str:
        """How messages name it."""
        return object_words(self.kind, self.name, self.namespace)

    @property
    def path(self) -> str:
        """Where it is."""
        return path_of(self.kind, self.namespace, self.name)


def follow(one: Followed, timeout_s: float, say: Say) -> tuple[Document, Standing]:
    """The object as it ended up, and how it stands.

    Raises ExternalError where it failed, was deleted, or is not ready in time, with what is known of why.
    """
    told = _Told(say)
    end = time.monotonic() + timeout_s
    last: Document = {}
    for last in _versions(one, end, told):
        now = standing(last)
        told.once(f"{one.words}: {now.words}")
        if now.verdict == "failed":
            reasons = _troubles(one, last, told)
            raise ExternalError(f"{one.words}: {now.words}{reasons}; simkit status {one.name} says more")
        if one.kind == DGD and (now.verdict == "ready" or told.is_due()):
            settled = _all_ready(one, last, told)
            if settled and now.verdict == "ready":
                return last, now
        elif one.kind != DGD and now.verdict != "waiting":
            return last, now
        elif one.kind != DGD and told.is_due():
            for pod in job_pods(one, last):
                told.once(f"profiling pod {pod.name}: {pod.reason or 'ready'}")
    reasons = _troubles(one, last, told) if last else ""
    words = standing(last).words if last else "the API server did not answer"
    raise ExternalError(
        f"{one.words}: not ready after {timeout_s:g} s ({words}){reasons}; "
        f"it was left as it is: simkit status {one.name}, or --timeout for longer"
    )


class _Told:
    """Lines that were said, so that each is said once; and when pods were looked at last."""

    def __init__(self, say: Say) -> None:
        self.say, self.lines, self.looked = say, set[str](), 0.0

    def is_due(self) -> bool:
        """Whether it is time to look at the pods of what is still on its way."""
        if time.monotonic() - self.looked < _LOOK_S:
            return False
        self.looked = time.monotonic()
        return True

    def once(self, line: str) -> None:
        if line not in self.lines:
            self.lines.add(line)
            self.say(line)


def _versions(one: Followed, end: float, told: _Told) -> Iterator[Document]:
    """The object now and after every change, and from time to time as it is, until time is up."""
    while (left := end - time.monotonic()) > 0:
        try:
            current = _present(one)
            yield current
            yield from _changes(one, current, min(left, _LOOK_S))
        except GoneError:
            time.sleep(min(_PAUSE_S, left))
        except ClusterError as error:
            if not error.may_pass:
                raise
            told.once(f"waiting for the API server: {error}")
            time.sleep(min(_PAUSE_S, left))


def _present(one: Followed) -> Document:
    try:
        found = one.api.get(one.path)
    except NotFoundError as error:
        raise _deleted(one) from error
    if found["metadata"]["uid"] != one.uid:
        raise _deleted(one)
    return found


def _deleted(one: Followed) -> ExternalError:
    return ExternalError(f"{one.words}: somebody else deleted it meanwhile; simkit deploy creates it again")


def _changes(one: Followed, current: Document, seconds: float) -> Iterator[Document]:
    query = {
        "fieldSelector": f"metadata.name={one.name}",
        "resourceVersion": current["metadata"]["resourceVersion"],
    }
    begun = time.monotonic()
    for kind, item in one.api.watch(path_of(one.kind, one.namespace), query, seconds):
        if kind == "DELETED" and item["metadata"]["uid"] == one.uid:
            raise _deleted(one)
        if kind in ("ADDED", "MODIFIED"):
            yield item
        if time.monotonic() - begun > seconds:
            return


def _all_ready(one: Followed, dgd: Document, told: _Told) -> bool:
    """Whether every pod of the present workers is ready, too: the state alone counts old pods."""
    try:
        waiting = [pod for pod in pod_states(one, dgd) if not pod.ready]
    except ClusterError as error:
        told.once(f"pods cannot be looked at: {error}")
        return isinstance(error, ForbiddenError)  # then the operator's word must do
    for pod in waiting:
        told.once(f"pod {pod.name}: {pod.reason}")
    return not waiting


def pod_states(one: Followed, dgd: Document) -> list[PodState]:
    """The pods of a DGD and why they are not ready."""
    pods = pods_of(one.api, dgd, one.namespace)
    return _explained(one, pods)


def _explained(one: Followed, pods: list[Document]) -> list[PodState]:
    """How pods stand; events are asked for only where one is not ready."""
    found = states(pods)
    uids = [pod["metadata"]["uid"] for pod, now in zip(pods, found, strict=True) if not now.ready]
    return states(pods, events_of(one.api, one.namespace, uids)) if uids else found


def _troubles(one: Followed, document: Document, told: _Told) -> str:
    """Why it is not ready: the first pod that says so, with its last words said before; empty if unknown."""
    if one.kind != DGD:
        return _job_trouble(one, document)
    try:
        found = [pod for pod in pod_states(one, document) if not pod.ready]
    except ClusterError:
        return ""
    for pod in found:
        told.once(f"pod {pod.name}: {pod.reason}")
        if pod.crashed:
            for line in last_words(one.api, one.namespace, pod):
                told.once(f"  {pod.name}/{pod.crashed}: {line}")
    return f"; pod {found[0].name}: {found[0].reason}" if found else ""


def _job_trouble(one: Followed, dgdr: Document) -> str:
    """Why the profiling job's pod does not run."""
    found = [pod for pod in job_pods(one, dgdr) if not pod.ready]
    return f"; profiling pod {found[0].name}: {found[0].reason}" if found else ""


def job_pods(one: Followed, dgdr: Document) -> list[PodState]:
    """The pods that profile for a request; none where they may not be read."""
    job: Any = (dgdr.get("status") or {}).get("profilingJobName")
    if not job:
        return []
    query = {"labelSelector": f"job-name={job}"}
    try:
        return _explained(one, list(one.api.items(path_of("Pod", one.namespace), query)))
    except ClusterError:
        return []
