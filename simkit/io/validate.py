"""Checking documents before a cluster sees them: every fault with its path and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from simkit.core.errors import nearest
from simkit.io.dgd_rules import dgd_faults, metadata_faults
from simkit.io.dgdr import dgdr_faults
from simkit.io.faults import Fault, shown, wrong_type

__all__ = ["Fault", "validate_documents"]

_KINDS = ("DynamoGraphDeploymentRequest", "DynamoGraphDeployment", "ConfigMap")


def validate_documents(documents: Sequence[Any], source: str) -> list[Fault]:
    """All faults of DGDR and DGD documents, as Dynamo's API and its operator would find them.

    With several documents each path starts with the document's place, `[0].spec...`. `source` names
    an empty file.
    """
    if not documents:
        return [Fault(path=source, problem="holds no document", remedy="give a DGDR or a DGD")]
    if len(documents) == 1:
        return _faults(documents[0])
    return [
        replace(fault, path=f"[{index}].{fault.path}")
        for index, document in enumerate(documents)
        for fault in _faults(document)
    ]


def _faults(document: Any) -> list[Fault]:
    if not isinstance(document, Mapping):
        return [wrong_type("document", "a mapping with apiVersion and kind", document)]
    match document.get("kind"):
        case "DynamoGraphDeploymentRequest":
            return dgdr_faults(document, as_crd=True)
        case "DynamoGraphDeployment":
            return dgd_faults(document)
        case "ConfigMap":
            return [*metadata_faults(document), *_config_map_faults(document)]
        case other:
            hints = nearest(str(other), _KINDS, count=1)
            remedy = f"did you mean {hints[0]}?" if hints else f"known are {', '.join(_KINDS)}"
            return [Fault(path="kind", problem=f"unknown kind {shown(other)}", remedy=remedy)]


def _config_map_faults(document: Mapping[str, Any]) -> list[Fault]:
    faults = []
    if document.get("apiVersion") != "v1":
        problem = f"expected v1, got {shown(document.get('apiVersion'))}"
        faults.append(Fault(path="apiVersion", problem=problem, remedy="write v1"))
    data = document.get("data")
    if data is not None and not isinstance(data, Mapping):
        return [*faults, wrong_type("data", "a mapping of texts", data)]
    entries = (data or {}).items()
    return faults + [wrong_type(f"data.{k}", "a text", v) for k, v in entries if not isinstance(v, str)]
