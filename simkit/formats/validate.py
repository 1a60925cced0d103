"""Checking documents before a cluster sees them: every fault with its path and what to do."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from simkit.core.errors import nearest
from simkit.formats.dgd.document_rules import leak_faults, set_faults
from simkit.formats.dgd.rules import dgd_faults, metadata_faults
from simkit.formats.dgdr.read import dgdr_faults
from simkit.formats.faults import Fault, lookup, shown, wrong_type
from simkit.formats.kubernetes import schema_faults

__all__ = ["Fault", "answer_faults", "validate_documents"]

_KUBERNETES = {"ConfigMap": "v1", "PersistentVolumeClaim": "v1", "Job": "batch/v1"}
_KINDS = ("DynamoGraphDeploymentRequest", "DynamoGraphDeployment", *_KUBERNETES)
_JOB = "spec.overrides.profilingJob"


def validate_documents(documents: Sequence[Any], source: str) -> list[Fault]:
    """All faults of DGDR and DGD documents, as Dynamo's API and its operator would find them.

    With several documents each path starts with the document's place, `[0].spec...`. `source` names
    an empty file.
    """
    if not documents:
        return [Fault(path=source, problem="holds no document", remedy="give a DGDR or a DGD")]
    if len(documents) == 1:
        return _faults(documents[0])
    each = [
        replace(fault, path=f"[{index}].{fault.path}")
        for index, document in enumerate(documents)
        if not is_beside(document, documents)
        for fault in _faults(document)
    ]
    return [*each, *set_faults(documents)]


def is_beside(document: Any, documents: Sequence[Any]) -> bool:
    """Whether a document is of a kind that others read, beside one of Dynamo's in the same file."""
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        return False
    known = [item for item in documents if isinstance(item, Mapping) and item.get("kind") in _KINDS[:2]]
    version = str(document.get("apiVersion") or "")
    foreign = "/" in version and not version.startswith("nvidia.com/")
    return bool(known) and foreign and document["kind"] not in _KINDS


def answer_faults(request: Mapping[str, Any], documents: Sequence[Any]) -> list[Fault]:
    """Faults of a request's answer, by itself and against the request, which is taken to be sound."""
    found = validate_documents([request, *documents], "answer")
    apart = [(fault, fault.path.partition("].")) for fault in found]
    return [replace(fault, path=rest or fault.path) for fault, (place, _, rest) in apart if place != "[0"]


def _faults(document: Any) -> list[Fault]:
    if not isinstance(document, Mapping):
        return [wrong_type("document", "a mapping with apiVersion and kind", document)]
    kind = document.get("kind")
    if kind == "DynamoGraphDeploymentRequest":
        found = dgdr_faults(document, as_crd=True)
        return [*found, *_job_faults(document, known={fault.path for fault in found})]
    if kind == "DynamoGraphDeployment":
        found = dgd_faults(document)
    elif isinstance(kind, str) and kind in _KUBERNETES:
        found = _kubernetes_faults(document, kind)
    else:
        hints = nearest(str(kind), _KINDS, count=1)
        remedy = f"did you mean {hints[0]}?" if hints else f"known are {', '.join(_KINDS)}"
        return [Fault(path="kind", problem=f"unknown kind {shown(kind)}", remedy=remedy)]
    return [*found, *leak_faults(document, known=found)]


def _job_faults(document: Mapping[str, Any], known: Set[str]) -> list[Fault]:
    """The profiling job's override is merged into a Job, so it must look like one; no place is told twice."""
    job = lookup(document, _JOB)
    found = schema_faults("JobSpec", job, _JOB) if isinstance(job, Mapping) else []
    return [fault for fault in found if fault.path not in known]


def _kubernetes_faults(document: Mapping[str, Any], kind: str) -> list[Fault]:
    faults = []
    version = _KUBERNETES[kind]
    if document.get("apiVersion") != version:
        problem = f"expected {version}, got {shown(document.get('apiVersion'))}"
        faults.append(Fault(path="apiVersion", problem=problem, remedy=f"write {version}"))
    metadata = metadata_faults(document)
    rest = {key: value for key, value in document.items() if key not in ("apiVersion", "metadata")}
    return [*faults, *metadata, *schema_faults(kind, rest, "")]
