"""Why a deployment's pods are not ready, in words: scheduling, images, memory, probes, last log lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError
from simkit.cluster.kinds import CURRENT_HASHES, POD_OF_DGD, WORKER_HASH, path_of

_LOG_LINES, _LOG_CHARACTERS = 8, 800
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """One pod: ready or not, and why not; crashed names a container whose last words are worth reading."""

    name: str
    component: str
    ready: bool
    reason: str = ""
    crashed: str | None = None


def pods_of(api: Api, dgd: Mapping[str, Any], namespace: str) -> list[Document]:
    """The pods of a DGD as it is now: those of an earlier generation of workers are left out."""
    name = dgd["metadata"]["name"]
    found = api.items(path_of("Pod", namespace), {"labelSelector": f"{POD_OF_DGD}={name}"})
    return [pod for pod in found if is_current(pod, dgd)]


def is_current(pod: Mapping[str, Any], dgd: Mapping[str, Any]) -> bool:
    """Whether a pod belongs to the DGD's present workers; pods without a hash always do."""
    annotations = (dgd.get("metadata") or {}).get("annotations") or {}
    current = {annotations[key] for key in CURRENT_HASHES if key in annotations}
    own = ((pod.get("metadata") or {}).get("labels") or {}).get(WORKER_HASH)
    return own is None or not current or own in current


def states(pods: Sequence[Document], events: Sequence[Document] = ()) -> list[PodState]:
    """How every pod stands; events tell of probes and mounts, which a pod's status does not."""
    said: dict[str, str] = {}
    for event in events:  # the last one counts
        if event.get("type") == "Warning":
            said[str((event.get("involvedObject") or {}).get("name"))] = _event_words(event)
    return [state(pod, said.get(pod["metadata"]["name"], "")) for pod in pods]


def state(pod: Mapping[str, Any], event: str = "") -> PodState:
    """How one pod stands."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    component = (metadata.get("labels") or {}).get("nvidia.com/dynamo-component") or ""
    known = {"name": metadata["name"], "component": component}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    if (conditions.get("Ready") or {}).get("status") == "True" and not metadata.get("deletionTimestamp"):
        return PodState(ready=True, **known)
    reason, crashed = _reason(pod, conditions)
    if event and not crashed:
        reason = f"{reason}: {event}" if reason else event
    return PodState(ready=False, reason=reason or "starting", crashed=crashed, **known)


def _reason(pod: Mapping[str, Any], conditions: Mapping[str, Any]) -> tuple[str, str | None]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "is being deleted", None
    if spec.get("schedulingGates") or _is(conditions, "PodScheduled", "SchedulingGated"):
        gates = ", ".join(str(one.get("name")) for one in spec.get("schedulingGates") or ())
        return f"SchedulingGated{f' by {gates}' if gates else ''}: {_GATED}", None
    if _is(conditions, "PodScheduled", "Unschedulable"):
        return f"cannot be scheduled: {conditions['PodScheduled'].get('message')}", None
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if found := _container(one):
            return found
    if status.get("phase") == "Failed":
        return f"failed: {status.get('reason') or ''} {status.get('message') or ''}".strip(), None
    return "", None


_GATED = "Grove holds it until its whole gang fits; check the versions of Grove and KAI scheduler"


def _is(conditions: Mapping[str, Any], kind: str, reason: str) -> bool:
    one = conditions.get(kind) or {}
    return one.get("status") == "False" and one.get("reason") == reason


def _container(status: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Why one container does not run, and its name where it crashed; None while nothing is wrong."""
    name, restarts = str(status.get("name")), int(status.get("restartCount") or 0)
    waiting = (status.get("state") or {}).get("waiting") or {}
    ended = (
        (status.get("state") or {}).get("terminated")
        or (status.get("lastState") or {}).get("terminated")
        or {}
    )
    if waiting.get("reason") in _IMAGE:
        return f"image of {name}: {waiting['reason']}: {waiting.get('message') or status.get('image')}", None
    if ended and ended.get("reason") == "OOMKilled":
        return f"{name} ran out of memory (OOMKilled), {restarts} restarts: raise its memory limit", name
    if ended and ended.get("exitCode"):
        return f"{name} ended with {ended['exitCode']} ({ended.get('reason')}), {restarts} restarts", name
    if waiting.get("reason") and waiting["reason"] not in ("ContainerCreating", "PodInitializing"):
        return f"{name}: {waiting['reason']}: {waiting.get('message') or ''}", None
    return None


def _event_words(event: Mapping[str, Any]) -> str:
    return " ".join(f"{event.get('reason')}: {event.get('message')}".split())[:300]


def events_of(api: Api, namespace: str, uids: Sequence[str]) -> list[Document]:
    """Events of these very objects, oldest first; none where they may not be read.

    Of several objects warnings alone: a busy namespace holds thousands of events. Pods that were there before
    under the same name have another uid.
    """
    wanted = set(uids)
    narrow = f"involvedObject.uid={uids[0]}" if len(uids) == 1 else "type=Warning"
    try:
        found = [
            one
            for one in api.items(path_of("Event", namespace), {"fieldSelector": narrow})
            if (one.get("involvedObject") or {}).get("uid") in wanted
        ]
    except ClusterError:
        return []
    return sorted(found, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))


def last_words(api: Api, namespace: str, pod: PodState) -> Iterator[str]:
    """The last log lines of the container that crashed; nothing where logs may not be read."""
    query = {"container": pod.crashed, "tailLines": _LOG_LINES, "previous": "true"}
    path = f"{path_of('Pod', namespace, pod.name)}/log"
    try:
        text = api.text(path, query) or api.text(path, {**query, "previous": "false"})
    except ClusterError:
        return
    yield from text.strip()[-_LOG_CHARACTERS:].splitlines()
