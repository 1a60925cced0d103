"""DGDR documents to Requests: the edge where milliseconds become seconds."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simkit.core.errors import InputError
from simkit.core.json_texts import is_json, json_value
from simkit.core.request import Request
from simkit.formats.dgdr import model
from simkit.formats.dgdr.alpha import ALPHA_VERSION, upgrade
from simkit.formats.dgdr.build import build_request
from simkit.formats.dgdr.model import API_VERSION, KIND
from simkit.formats.dgdr.rules import crd_faults, kind_faults, rule_faults
from simkit.formats.dgdr.write import request_to_document
from simkit.formats.faults import Fault, faults_from, shown
from simkit.io.reading import read_text
from simkit.io.yamlio import load_document, parse_document, parse_scalar

# --- A deployment request given on a command line: a file, or the JSON that Dynamo's operator passes.


OPTION = "--config"


def read_config_argument(value: str) -> dict[str, Any]:
    """The mapping that `value` holds, or the file it names; JSON or, in a file, YAML."""
    if not value.strip():
        raise InputError(f"{OPTION}: is empty; give a DGDR spec as JSON, or a file that holds it")
    if value.lstrip().startswith("{"):
        return _from_json(value, OPTION)
    if not _is_file(value):
        raise InputError(f"{OPTION} {shown(value)}: neither a file nor JSON; give a DGDR spec in either form")
    text = read_text(Path(value))
    return _from_json(text, value) if is_json(text) else parse_document(text, value)


def as_dgdr(document: Mapping[str, Any], name: str, namespace: str | None) -> dict[str, Any]:
    """A whole DGDR from what was given: one already, one without its head, or the spec alone.

    name and namespace fill in metadata that the document does not give.
    """
    whole = "kind" in document or "apiVersion" in document or "spec" in document
    head = {"apiVersion": API_VERSION, "kind": KIND}
    result = {**({} if "kind" in document else head), **(document if whole else {"spec": dict(document)})}
    metadata = result.get("metadata")
    if metadata is None or isinstance(metadata, Mapping):
        known = {"name": name} | ({"namespace": namespace} if namespace else {})
        result["metadata"] = {**known, **(metadata or {})}
    return result


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):  # longer than a path may be, or a NUL in it
        return False


def _from_json(text: str, source: str) -> dict[str, Any]:
    """JSON read as strictly as YAML is: written out anew, it passes the same guards."""
    return parse_document(json.dumps(json_value(text, source), ensure_ascii=False), source)


__all__ = [
    "apply_overrides",
    "current_document",
    "dgdr_faults",
    "parse_setting",
    "read_document",
    "read_request",
    "request_from_document",
    "request_to_document",
    "set_path",
]


def read_request(path: str | Path) -> Request:
    """The request in a DGDR file."""
    return request_from_document(read_document(path), str(path))


def read_document(path: str | Path) -> dict[str, Any]:
    """A DGDR file as it is written, to change (`set_path`) before it is checked."""
    return load_document(path)


def request_from_document(document: Mapping[str, Any], source: str, *, paired: bool = True) -> Request:
    """The request a DGDR document holds; every fault at once, in one InputError.

    paired: as for `dgdr_faults`.
    """
    faults = dgdr_faults(document, paired=paired)
    if faults:
        raise InputError(f"{source}: " + "; ".join(str(fault) for fault in faults))
    current, warnings = current_document(document)
    request = build_request(model.Dgdr.model_validate(dict(current)), source)
    return replace(request, warnings=(*warnings, *request.warnings))


def current_document(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The document as v1beta1, and what that change of version has to say; v1beta1 comes back as it is.

    Raises InputError where a v1alpha1 document has not the shape to be carried over.
    """
    if document.get("apiVersion") != ALPHA_VERSION or kind_faults(document):
        return document, ()
    result = upgrade(document)
    if result.faults:
        raise InputError("; ".join(str(fault) for fault in result.faults))
    return result.document, result.warnings


def dgdr_faults(document: Mapping[str, Any], *, as_crd: bool = False, paired: bool = True) -> list[Fault]:
    """All that is wrong with a DGDR document.

    as_crd: also what simkit understands but Dynamo's own CRD refuses (GPU names spelt otherwise). paired:
    whether TTFT and ITL must be bounded together, as Dynamo has it; a question of ours may bound one.
    """
    faults = kind_faults(document)
    if faults or document.get("apiVersion") != ALPHA_VERSION:
        return faults or _beta_faults(document, as_crd=as_crd, paired=paired)
    result = upgrade(document)
    # The old CRD left the GPU's name free and made the Job itself, so its rules are not asked.
    faults = _beta_faults(result.document, paired=paired)
    return list(result.faults) or [result.placed(fault) for fault in faults]


def _beta_faults(document: Mapping[str, Any], *, as_crd: bool = False, paired: bool = True) -> list[Fault]:
    spec = document.get("spec")
    if isinstance(spec, Mapping) and "v1beta2" in spec:
        problem = "holds a request of v1beta2, an envelope that Dynamo 1.7 keeps and that is not read here"
        remedy = "write the fields of v1beta1 in spec: model, backend, hardware, workload, sla"
        return [Fault(path="spec.v1beta2", problem=problem, remedy=remedy)]
    faults: list[Fault] = []
    try:
        model.Dgdr.model_validate(dict(document))
    except ValidationError as error:
        faults = faults_from(error, model.known_keys())
    faults += rule_faults(document, paired=paired)
    return faults + crd_faults(document) if as_crd else faults


def set_path(document: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with `value` at a dotted path: `sla.ttft`, `spec.sla.ttft` or `metadata.name`."""
    keys = path.split(".")
    if not all(keys):
        raise InputError(f"--set {path}: empty key in the path; write it like sla.ttft=300")
    if keys[0] not in ("spec", "metadata"):
        keys = ["spec", *keys]
    result = copy.deepcopy(dict(document))
    block: Any = result
    for step, key in enumerate(keys[:-1]):
        if block.get(key) is None:
            block[key] = {}
        block = block[key]
        if not isinstance(block, dict):
            raise InputError(f"--set {path}: {'.'.join(keys[: step + 1])} is a value and holds no keys")
    block[keys[-1]] = value
    return result


def parse_setting(setting: str) -> tuple[str, Any]:
    """`sla.ttft=300` as its path and its value, the value read as YAML."""
    path, separator, text = setting.partition("=")
    if not separator or not path.strip():
        raise InputError(f"--set {setting}: expected path=value; write it like sla.ttft=300")
    return path.strip(), parse_scalar(text)


_STATISTICS = ("statistic", "ttft_statistic", "itl_statistic", "e2e_statistic")


def apply_overrides(request: Request, settings: Mapping[str, Any]) -> Request:
    """The request with fields changed by their DGDR path (`{"sla.ttft": 300}`), checked again."""
    document = request_to_document(request)
    for path, value in settings.items():
        document = set_path(document, path, value)
    changed = request_from_document(document, request.source, paired=False)
    workload = replace(
        changed.workload,
        requests_per_slot=request.workload.requests_per_slot,
        length_spread=request.workload.length_spread,
        prefix_hit=request.workload.prefix_hit,
    )
    own = {name: getattr(request.slo, name) for name in _STATISTICS}
    return replace(changed, workload=workload, slo=replace(changed.slo, **own), modes=request.modes)
