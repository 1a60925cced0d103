"""How a DGD or DGDR stands: done, failed or still on its way, and in which words. Objects in, verdict out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simkit.cluster.kinds import DGD, KINDS

Verdict = Literal["ready", "review", "waiting", "failed"]

# A DGDR's spec may be changed in these phases, and in no other.
EDITABLE = ("", "Pending", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """verdict: review is a DGDR whose answer waits to be applied. words: one line for people."""

    verdict: Verdict
    words: str


def standing(document: Mapping[str, Any]) -> Standing:
    """How an object stands, by its own status."""
    return _dgd(document) if document.get("kind") == DGD else _dgdr(document)


def is_seen(document: Mapping[str, Any]) -> bool:
    """Whether the status speaks of the spec as it is now: its generation was observed."""
    seen = (document.get("status") or {}).get("observedGeneration")
    return seen is not None and int(seen) >= int(document["metadata"].get("generation") or 0)


def condition(document: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One condition; empty where it is not there."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    found = next((one for one in conditions if one.get("type") == kind), None)
    return found or {}


def _dgd(document: Mapping[str, Any]) -> Standing:
    state = (document.get("status") or {}).get("state") or ""
    ready = condition(document, "Ready")
    told = ": ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key))
    if not is_seen(document):
        return Standing(verdict="waiting", words="the operator has not seen this generation yet")
    if state == "failed":
        return Standing(verdict="failed", words=f"failed{f', {told}' if told else ''}")
    if state == "successful" and ready.get("status") == "True" and not _is_rolling(document):
        return Standing(verdict="ready", words="all pods are ready")
    if state == "successful":
        return Standing(verdict="waiting", words="a rolling update is under way")
    return Standing(verdict="waiting", words=f"{state or 'initializing'}{f', {told}' if told else ''}")


def _is_rolling(document: Mapping[str, Any]) -> bool:
    phase = ((document.get("status") or {}).get("rollingUpdate") or {}).get("phase")
    return phase in ("Pending", "InProgress")


def _dgdr(document: Mapping[str, Any]) -> Standing:
    status = document.get("status") or {}
    phase = status.get("phase") or ""
    if status.get("observedGeneration") is not None and not is_seen(document):
        return Standing(verdict="waiting", words="the operator has not seen this generation yet")
    if phase == "Failed":
        return Standing(verdict="failed", words=f"Failed: {_why(document)}")
    if phase == "Deployed":
        return Standing(verdict="ready", words=f"Deployed as dgd/{status.get('dgdName')}")
    if phase == "Ready" and not (document.get("spec") or {}).get("autoApply", True):
        return Standing(verdict="review", words="Ready: the answer waits for review (autoApply: false)")
    step = f", {status['profilingPhase']}" if phase == "Profiling" and status.get("profilingPhase") else ""
    return Standing(verdict="waiting", words=f"{phase or 'not seen by the operator yet'}{step}")


def _why(document: Mapping[str, Any]) -> str:
    conditions = (document.get("status") or {}).get("conditions") or ()
    bad = [one for one in conditions if one.get("status") == "False" and one.get("message")]
    return "; ".join(f"{one.get('reason')}: {one['message']}" for one in bad) or "no condition says why"


def next_steps(document: Mapping[str, Any], namespace: str) -> str:
    """What to do with a DGDR that waits for review."""
    short, name = KINDS[str(document["kind"])].short, document["metadata"]["name"]
    kubectl = f"kubectl -n {namespace}"
    return (
        f"{kubectl} get {short} {name} -o jsonpath='{{.status.profilingResults.selectedConfig}}' "
        f"shows it; {kubectl} patch {short} {name} --type merge -p "
        '\'{"spec":{"autoApply":true}}\' deploys it'
    )
