"""What a DGDR must hold beyond the type of each field: rules that span fields, names, the profiling Job."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from simkit.catalog.gpus import gpu, gpu_names
from simkit.core.errors import UnknownNameError, nearest
from simkit.core.milliseconds import looks_like_seconds, seconds_words
from simkit.engines.registry import engine_choices
from simkit.formats.dgdr.alpha import ALPHA_VERSION
from simkit.formats.dgdr.model import API_VERSION, DEFAULT_OSL, KIND
from simkit.formats.dgdr.model_cache import cache_faults
from simkit.formats.dgdr.overrides import dgd_override_faults
from simkit.formats.dgdr.skus import GPU_SKUS
from simkit.formats.faults import (
    Fault,
    given,
    has_version_tag,
    lookup,
    shown,
    unknown_key,
    unsafe,
    wrong_type,
)
from simkit.formats.planner.faults import planner_faults

# --- spec.overrides.profilingJob: the frame of a Kubernetes Job, and the tolerations taken over from it.


_JOB = "spec.overrides.profilingJob"
# batch/v1 JobSpec and its pod template.
_JOB_KEYS = (
    "activeDeadlineSeconds", "backoffLimit", "backoffLimitPerIndex", "completionMode", "completions",
    "managedBy", "manualSelector", "maxFailedIndexes", "parallelism", "podFailurePolicy",
    "podReplacementPolicy", "selector", "successPolicy", "suspend", "template", "ttlSecondsAfterFinished",
)  # fmt: skip
_TEMPLATE_KEYS = ("metadata", "spec")
_TOLERATION = {
    "operator": ("Exists", "Equal"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
}
_TOLERATION_KEYS = ("key", "operator", "value", "effect", "tolerationSeconds")


def job_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything wrong with the Job's frame and its tolerations."""
    job = lookup(document, _JOB)
    if not isinstance(job, Mapping):
        return
    yield from (unknown_key(_JOB, str(key), _JOB_KEYS) for key in job if key not in _JOB_KEYS)
    template = job.get("template")
    for path, block in ((f"{_JOB}.template", template), (f"{_JOB}.template.spec", lookup(template, "spec"))):
        if block is not None and not isinstance(block, Mapping):
            yield wrong_type(path, "a mapping", block)
    if isinstance(template, Mapping):
        path = f"{_JOB}.template"
        yield from (
            unknown_key(path, str(key), _TEMPLATE_KEYS) for key in template if key not in _TEMPLATE_KEYS
        )
    yield from _toleration_faults(lookup(template, "spec.tolerations"))


def _toleration_faults(value: Any) -> Iterator[Fault]:
    path = f"{_JOB}.template.spec.tolerations"
    if value is None:
        return
    if not isinstance(value, list):
        yield wrong_type(path, "a list", value)
        return
    for index, item in enumerate(value):
        if isinstance(item, Mapping):
            yield from _one_toleration(item, f"{path}[{index}]")
        else:
            yield wrong_type(f"{path}[{index}]", "a mapping", item)


def _one_toleration(item: Mapping[str, Any], path: str) -> Iterator[Fault]:
    yield from (unknown_key(path, str(key), _TOLERATION_KEYS) for key in item if key not in _TOLERATION_KEYS)
    for name, choices in _TOLERATION.items():
        value = item.get(name)
        if value not in (None, "") and not (isinstance(value, str) and value in choices):
            problem = f"expected one of {', '.join(choices)}, got {shown(value)}"
            yield Fault(path=f"{path}.{name}", problem=problem, remedy="write one of them")
    for name in ("key", "value"):
        if item.get(name) is not None and not isinstance(item[name], str):
            yield wrong_type(f"{path}.{name}", "a text", item[name])
    seconds = item.get("tolerationSeconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int)):
        yield wrong_type(f"{path}.tolerationSeconds", "a whole number", seconds)
    if item.get("operator") == "Exists" and item.get("value") not in (None, ""):
        problem = "operator Exists matches any value, so none may be given"
        yield Fault(path=f"{path}.value", problem=problem, remedy="remove value, or write operator: Equal")
    if not item.get("key") and item.get("operator") != "Exists":
        problem = "a toleration without key must have operator Exists"
        yield Fault(path=f"{path}.operator", problem=problem, remedy="add key, or write operator: Exists")


def job_crd_faults(document: Mapping[str, Any]) -> list[Fault]:
    """What only Kubernetes itself insists on: a pod template names its containers, if only by `[]`."""
    pod = lookup(document, f"{_JOB}.template.spec")
    if not isinstance(pod, Mapping) or pod.get("containers") is not None:
        return []
    path = f"{_JOB}.template.spec.containers"
    return [Fault(path=path, problem="required by Kubernetes but missing", remedy="write containers: []")]


_IMAGE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$")


def kind_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Whether this is a DGDR of the version that is read."""
    version, kind = document.get("apiVersion"), document.get("kind")
    if kind != KIND:
        return [Fault(path="kind", problem=f"expected {KIND}, got {shown(kind)}", remedy=f"write {KIND}")]
    if version not in (API_VERSION, ALPHA_VERSION):
        problem = f"expected {API_VERSION}, got {shown(version)}"
        return [Fault(path="apiVersion", problem=problem, remedy=f"write {API_VERSION}")]
    return []


def rule_faults(document: Mapping[str, Any], *, paired: bool = True) -> list[Fault]:
    """Every rule across fields that the request breaks; fields of a wrong type are passed over.

    paired: TTFT and ITL are bounded together or not at all, as Dynamo has it.
    """
    rules = (
        _model, _strategy, _load, _pair if paired else _alone, _seconds, _image, _gpu, cache_faults,
        _planner, dgd_override_faults,
        job_faults,
    )  # fmt: skip
    return [fault for rule in rules for fault in rule(document)]


def crd_faults(document: Mapping[str, Any]) -> list[Fault]:
    """What simkit understands and a cluster does not."""
    return [*_sku_faults(document), *job_crd_faults(document)]


def _sku_faults(document: Mapping[str, Any]) -> list[Fault]:
    """A GPU that simkit knows but the DGDR's own list does not."""
    name = lookup(document, "spec.hardware.gpuSku")
    if not isinstance(name, str) or name in GPU_SKUS or canonical_gpu(name) is None:
        return []
    canonical = canonical_gpu(name)
    hint = canonical if canonical in GPU_SKUS else None
    remedy = f"write {hint}" if hint else f"Dynamo takes one of {', '.join(GPU_SKUS)}; omit it to discover"
    problem = f"{name!r} is not a GPU name that Dynamo's DGDR accepts"
    return [Fault(path="spec.hardware.gpuSku", problem=problem, remedy=remedy)]


@lru_cache(maxsize=1024)
def canonical_gpu(name: str) -> str | None:
    """The catalogue's name for a GPU however it is written; None where it is unknown."""
    try:
        return gpu(name).name
    except UnknownNameError:
        return name if name in GPU_SKUS else None


def _model(document: Mapping[str, Any]) -> list[Fault]:
    """A name that would be taken for a flag, or that Kubernetes would expand in a worker's arguments."""
    name = lookup(document, "spec.model")
    if not isinstance(name, str) or not name:
        return []
    if name.startswith("-") or not name.strip() or unsafe(name):
        why = f"holds {unsafe(name)}" if unsafe(name) else "is blank or begins with '-'"
        problem = f"{shown(name)} {why}, and would be taken for something else than a name"
        remedy = "write a Hugging Face id such as Qwen/Qwen3-32B, or a path to a config.json"
        return [Fault(path="spec.model", problem=problem, remedy=remedy)]
    return []


def _strategy(document: Mapping[str, Any]) -> list[Fault]:
    if lookup(document, "spec.searchStrategy") != "thorough":
        return []
    if lookup(document, "spec.backend") not in (None, "auto"):
        return []
    return [
        Fault(
            path="spec.searchStrategy",
            problem="'thorough' deploys one engine for real and cannot go with backend 'auto'",
            remedy=f"set spec.backend to {engine_choices()}, or searchStrategy to rapid",
        )
    ]


def _load(document: Mapping[str, Any]) -> list[Fault]:
    if len(given(document, "spec.workload", "concurrency", "requestRate")) < 2:
        return []
    problem = "concurrency and requestRate are both given, but the load is one or the other"
    return [Fault(path="spec.workload", problem=problem, remedy="remove one of them")]


_SLA = "spec.sla"
_METRICS = {"ttft": "ttft", "itl": "itl", "e2eLatency": "e2e"}
_MOST_TOKENS = 10**9  # more is a fault of its own


def _alone(document: Mapping[str, Any]) -> list[Fault]:
    pair = given(document, _SLA, "ttft", "itl")
    if not pair or not given(document, _SLA, "e2eLatency"):
        return []
    problem = f"e2eLatency cannot go together with {' and '.join(pair)}"
    return [Fault(path=_SLA, problem=problem, remedy="give e2eLatency alone, or ttft with itl")]


def _pair(document: Mapping[str, Any]) -> list[Fault]:
    pair = given(document, _SLA, "ttft", "itl")
    if len(pair) != 1 or given(document, _SLA, "e2eLatency"):
        return _alone(document)
    missing = "itl" if pair == ["ttft"] else "ttft"
    problem = f"{pair[0]} is given without {missing}, but Dynamo takes them as a pair"
    remedy = f"add {missing} in milliseconds, or ask for one alone by --{pair[0]}"
    return [Fault(path=_SLA, problem=problem, remedy=remedy)]


def osl_tokens(document: Mapping[str, Any]) -> float:
    """Output tokens of a request, Dynamo's default where none are given."""
    value = lookup(document, "spec.workload.osl")
    known = isinstance(value, int) and not isinstance(value, bool)
    return float(min(value, _MOST_TOKENS)) if known else DEFAULT_OSL


def _seconds(document: Mapping[str, Any]) -> list[Fault]:
    """Bounds that look like seconds."""
    found = []
    for name in given(document, _SLA, *_METRICS):
        value = lookup(document, f"{_SLA}.{name}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and looks_like_seconds(_METRICS[name], value, osl_tokens(document)):
            problem, remedy = seconds_words(value)
            found.append(Fault(path=f"{_SLA}.{name}", problem=problem, remedy=remedy))
    return found


def _image(document: Mapping[str, Any]) -> list[Fault]:
    image = lookup(document, "spec.image")
    if not isinstance(image, str) or not image:
        return []
    if not _IMAGE.fullmatch(image):
        problem = f"{shown(image)} is not an image reference"
        remedy = "write registry/path/name:tag in letters, digits, '.', '_', '-', ':', '/' and '@'"
        return [Fault(path="spec.image", problem=problem, remedy=remedy)]
    if has_version_tag(image):
        return []
    if lookup(document, "spec.runtimeVersionOverride") is not None:
        return []
    return [
        Fault(
            path="spec.runtimeVersionOverride",
            problem=f"required, because the tag of image {image!r} is not a version",
            remedy="give the Dynamo version, such as 1.6.1, or an image tag that says it",
        )
    ]


def _gpu(document: Mapping[str, Any]) -> list[Fault]:
    name = lookup(document, "spec.hardware.gpuSku")
    if not isinstance(name, str) or canonical_gpu(name) is not None:
        return []
    hints = nearest(name, {*GPU_SKUS, *gpu_names()})
    remedy = f"did you mean {' or '.join(hints)}?" if hints else f"write one of {', '.join(GPU_SKUS)}"
    return [Fault(path="spec.hardware.gpuSku", problem=f"unknown GPU {name!r}", remedy=remedy)]


def _planner(document: Mapping[str, Any]) -> list[Fault]:
    spec = lookup(document, "spec")
    return planner_faults(spec) if isinstance(spec, Mapping) else []
