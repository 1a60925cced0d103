"""`simkit status`: one object, its pods and events, as one document."""

from typing import Any

from simkit.cluster.api import Api, Document
from simkit.cluster.follow import Followed, job_pods, pod_states
from simkit.cluster.kinds import DGD, KINDS, is_ours
from simkit.cluster.pods import events_of
from simkit.cluster.standing import standing

_MOST_EVENTS = 20


def line_of(kind: str, document: Document, namespace: str) -> dict[str, Any]:
    """How one object of a list stands by its own status; its pods are not asked for."""
    now = standing({**document, "kind": kind})
    name = document["metadata"]["name"]
    return {
        "kind": KINDS[kind].short,
        "name": name,
        "namespace": namespace,
        "verdict": now.verdict,
        "summary": now.words,
    }


def status(api: Api, document: Document, namespace: str) -> dict[str, Any]:
    """How an object stands, and why."""
    metadata, told = document["metadata"], document.get("status") or {}
    one = Followed(
        api=api,
        kind=document["kind"],
        name=metadata["name"],
        namespace=namespace,
        uid=metadata["uid"],
    )
    pods = pod_states(one, document) if one.kind == DGD else job_pods(one, document)
    now = standing(document)
    unready = [pod for pod in pods if not pod.ready]
    waits = one.kind == DGD and now.verdict == "ready" and unready
    return {
        "kind": one.kind,
        "name": one.name,
        "namespace": namespace,
        "ours": is_ours(document),
        "verdict": "waiting" if waits else now.verdict,
        "summary": f"pod {unready[0].name}: {unready[0].reason}" if waits else now.words,
        "phase": told.get("phase") or told.get("state"),
        "conditions": told.get("conditions") or [],
        "components": told.get("components") or {},
        "deployment": told.get("dgdName"),
        "pods": [
            {"name": pod.name, "component": pod.component, "ready": pod.ready, "reason": pod.reason}
            for pod in pods
        ],
        "events": [_event(event) for event in events_of(api, namespace, [one.uid])[-_MOST_EVENTS:]],
    }


def _event(event: Document) -> dict[str, Any]:
    return {key: event.get(key) for key in ("type", "reason", "message", "lastTimestamp")}
