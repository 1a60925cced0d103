"""What differs between two deployments, requests or recommendations, in settings, figures and operators."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.io.dgd import read_dgd
from simkit.io.yamlio import load_documents, read_text
from simkit.reports.document import plain, recommendation_document
from simkit.verbs.estimate import estimate, estimate_document
from simkit.verbs.recommend import recommend

Document = dict[str, Any]
# Given a DGDR (or nothing) and the model that the other document names: the request with the flags in it.
RequestOf = Callable[[Path | None, str | None], Request]

LATENCIES = ("ttft_ms", "itl_ms", "e2e_ms")
FIGURES = (
    "output_tokens_per_s", "output_tokens_per_s_per_gpu", "request_rate_per_s", "kv_capacity_tokens",
    "sla_probability",
)  # fmt: skip
_LAYOUT = ("backend", "mode", "num_gpus", "replicas", "plan", "engine", "prefill", "decode")
_QUESTION = ("model", "hardware", "workload", "sla", "sla_statistic", "modes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: its candidate document, the question asked, and its operators where known."""

    name: str
    kind: str
    candidate: Document
    question: Document = field(default_factory=dict)
    operators: tuple[Document, ...] = ()


def read_side(path: Path, request_of: RequestOf) -> Side:
    """A DGD is estimated, a request answered, a recommendation.json taken as it is. Raises InputError."""
    if path.suffix == ".json":
        return _recommended(path)
    kinds = {str(item.get("kind")) for item in load_documents(path) if isinstance(item, Mapping)}
    if "DynamoGraphDeployment" in kinds:
        parsed = read_dgd(path)
        return _estimated(str(path), "deployment", request_of(None, parsed.model), parsed.deployment)
    if "DynamoGraphDeploymentRequest" in kinds:
        answer = recommend(request_of(path, None))
        side = _estimated(str(path), "request", answer.request, answer.selected.deployment)
        asked = recommendation_document(answer)
        return Side(
            name=side.name, kind=side.kind, candidate=asked["selected"], question=asked["request"],
            operators=side.operators,
        )  # fmt: skip
    raise InputError(
        f"{path}: neither a DynamoGraphDeployment nor a DynamoGraphDeploymentRequest; "
        "give one of these, or a recommendation.json"
    )


def _recommended(path: Path) -> Side:
    try:
        document = json.loads(read_text(path))
        candidate, request = document["selected"], document["request"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a recommendation.json ({error}); write one with -o DIR") from error
    return Side(name=str(path), kind="recommendation", candidate=candidate, question=request)


def _estimated(name: str, kind: str, request: Request, deployment: Any) -> Side:
    document = plain(estimate_document(request, estimate(request, deployment)))
    return Side(name=name, kind=kind, candidate=document, operators=tuple(document["by_operator"]))


def compare(one: Side, other: Side) -> Document:
    """The content of `compare --format json`; changes are fractions of the first."""
    found: Document = plain({
        "a": {"name": one.name, "kind": one.kind, "bottleneck": one.candidate["bottleneck"]},
        "b": {"name": other.name, "kind": other.kind, "bottleneck": other.candidate["bottleneck"]},
        "question": _differences(one.question, other.question, _QUESTION),
        "settings": _differences(one.candidate, other.candidate, _LAYOUT),
        "figures": [*_latencies(one, other), *_figures(one, other)],
        "operators": _operators(one, other),
    })  # fmt: skip
    return found


def _differences(one: Document, other: Document, names: tuple[str, ...]) -> list[Document]:
    sides = [_flat({name: side[name] for name in names if name in side}) for side in (one, other)]
    paths = dict.fromkeys((*sides[0], *sides[1]))
    pairs = [(path, sides[0].get(path), sides[1].get(path)) for path in paths]
    return [{"path": path, "a": a, "b": b} for path, a, b in pairs if a != b]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {path: value}
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{path}.{name}" if path else str(name))
    return found


def _latencies(one: Side, other: Side) -> list[Document]:
    """Means; sure: the 90 % intervals do not overlap."""
    rows = []
    for name in LATENCIES:
        a, b = one.candidate[name], other.candidate[name]
        apart = None not in (a["lo"], b["lo"], a["hi"], b["hi"]) and (a["hi"] < b["lo"] or b["hi"] < a["lo"])
        rows.append(_row(name, a["mean"], b["mean"]) | {"sure": apart})
    return rows


def _figures(one: Side, other: Side) -> list[Document]:
    return [_row(name, one.candidate[name], other.candidate[name]) for name in FIGURES]


def _row(name: str, a: float | None, b: float | None) -> Document:
    change = b / a - 1.0 if a and b is not None else None
    return {"metric": name, "a": a, "b": b, "change": change}


def _operators(one: Side, other: Side) -> list[Document]:
    """Time of each operator in a step on both sides, largest change first; empty where one side has none."""
    if not (one.operators and other.operators):
        return []
    sides = [
        {(line["phase"], line["operator"]): line["time_ms"] for line in side.operators}
        for side in (one, other)
    ]
    rows = []
    for phase, operator in dict.fromkeys((*sides[0], *sides[1])):
        a, b = (side.get((phase, operator), 0.0) for side in sides)
        rows.append({"phase": phase, "operator": operator, "a_ms": a, "b_ms": b, "change_ms": b - a})
    return sorted(rows, key=lambda row: -abs(row["change_ms"]))
