"""spec.overrides.profilingJob: the frame of a Kubernetes Job, and the tolerations taken over from it."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.io.dgdr_lookup import lookup
from simkit.io.faults import Fault, shown, unknown_key, wrong_type

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
