"""`simkit check`: everything that stands in the way of a DGD or DGDR, at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from simkit.cluster.access import reach
from simkit.cluster.api import Api
from simkit.cluster.checks import capacity, platform, rights, storage
from simkit.cluster.checks.finding import Check, Finding, asked, good, wrong
from simkit.cluster.documents import Bundle
from simkit.cluster.wanted import Wanted, wanted
from simkit.core.json_texts import is_json, json_value
from simkit.formats.unfilled import how_to_fill, unfilled
from simkit.formats.validate import validate_documents

_CHECKS: tuple[Check, ...] = (
    storage.namespace_state,
    platform.dynamo_kinds,
    platform.operator,
    platform.multinode,
    platform.prometheus,
    storage.claims,
    storage.secrets,
    storage.images,
    capacity.quota,
    capacity.gpus,
    capacity.devices,
    rights.rights,
)


def check(api: Api, bundle: Bundle) -> list[Finding]:
    """Every finding, of the document by itself first. Raises ClusterError where no server answers."""
    faults = validate_documents(bundle.documents, bundle.source)
    version = reach(api)
    found = [wrong(fault.path, fault.problem, fault.remedy) for fault in faults]
    if faults:  # what is not sound by itself cannot be asked about piece by piece
        return found
    want = _with_planner(wanted(bundle.main), bundle)
    found = [good("document", f"{want.kind} {want.name} is sound"), good("API server", version)]
    if names := unfilled(bundle.documents):
        problem = f"still holds {', '.join(names)}, and engines find no weights there"
        found.append(wrong("path of the weights", problem, how_to_fill(names, bundle.source)))
    return [*found, *_asked(api, bundle, want)]


def _asked(api: Api, bundle: Bundle, want: Wanted) -> Iterator[Finding]:
    created = {(one.get("kind"), one["metadata"]["name"]) for one in bundle.documents}
    for one in _CHECKS:
        yield from (item for item in asked(one, api, want, bundle.namespace) if not _comes(item, created))
    yield from rights.dry_run(api, bundle.documents, bundle.namespace)


def _with_planner(want: Wanted, bundle: Bundle) -> Wanted:
    """The needs with those of a Planner whose configuration is a ConfigMap of the same file."""
    maps = [one for one in bundle.documents if one["kind"] == "ConfigMap"]
    texts = [
        (f"ConfigMap {one['metadata']['name']}: data.{key}", text)
        for one in maps
        for key, text in (one.get("data") or {}).items()
    ]
    return replace(want, planner_sla=want.planner_sla or any(_scales_by_sla(*text) for text in texts))


def _scales_by_sla(source: str, text: str) -> bool:
    found = json_value(text, source, strict=False) if is_json(text) else None
    return isinstance(found, dict) and found.get("optimization_target") == "sla"


def _comes(finding: Finding, created: set[tuple[Any, Any]]) -> bool:
    """Whether a claim that is missed is in the very file."""
    kind, _, name = finding.subject.partition(" ")
    return finding.level == "error" and kind == "pvc" and ("PersistentVolumeClaim", name) in created


def document_of(findings: Sequence[Finding]) -> Mapping[str, Any]:
    """The findings for programs."""
    return {
        "ok": not any(one.level == "error" for one in findings),
        "findings": [
            {"level": one.level, "subject": one.subject, "problem": one.problem, "command": one.command}
            for one in findings
        ],
    }
