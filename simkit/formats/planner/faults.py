"""spec.features.planner of a DGDR: every fault at once, and what is worth a warning."""

from collections.abc import Iterator, Mapping
from typing import Any

from simkit.core.request import asks_for_load_scaling
from simkit.core.words import listed
from simkit.engines.registry import engine_names
from simkit.formats.faults import Fault, lookup
from simkit.formats.planner.config import PATH, complete_config, config_faults, current_names, old_names
from simkit.formats.planner.rules import (
    load_scaling_problem,
    planner_fault,
    planner_problems,
    reporting_engines,
)

_METRICS_ANNOTATION = "nvidia.com/enable-metrics"


def planner_faults(spec: Mapping[str, Any]) -> list[Fault]:
    """All that is wrong with the Planner's configuration in a DGDR's spec; nothing where there is none."""
    given = _block(spec, "features", "planner")
    if given is None:
        return []
    if given.get("enabled") is False:
        return []
    settings = current_names(given)
    faults = config_faults(settings)
    problems = [] if faults else planner_problems(complete_config(settings))
    return [*_renamed_twice(given), *faults, *_with_the_request(spec, given), *problems]


def planner_settings(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the Planner is configured with, under current names; None where it is off.

    Presence turns it on; `enabled` is how the deployment guide writes it.
    """
    if given is None or given.get("enabled") is False:
        return None
    return current_names({key: value for key, value in given.items() if key != "enabled"})


def planner_warnings(spec: Mapping[str, Any]) -> list[str]:
    """What is allowed and may surprise."""
    settings = planner_settings(_block(spec, "features", "planner"))
    return [] if settings is None else list(_surprises(spec, settings))


def _block(spec: Mapping[str, Any], *keys: str) -> Mapping[str, Any] | None:
    block = lookup(spec, ".".join(keys))
    return block if isinstance(block, Mapping) else None


def _renamed_twice(given: Mapping[str, Any]) -> list[Fault]:
    return [
        planner_fault(old, f"says the same as {new}, also given", "remove it")
        for old, new in old_names().items()
        if old in given and new in given
    ]


def _with_the_request(spec: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Fault]:
    """Where the Planner contradicts the rest of the request."""
    mocked = (_block(spec, "features", "mocker") or {}).get("enabled") is True
    backend = spec.get("backend")
    if asks_for_load_scaling(given) and _silent(backend) and not mocked:
        by_name = given.get("enable_load_scaling") is True
        yield load_scaling_problem(str(backend), "enable_load_scaling" if by_name else "optimization_target")
    if mocked and given.get("pre_deployment_sweeping_mode", "rapid") in (None, "none"):
        problem = "'none' leaves the mocker without the step times it simulates with"
        yield planner_fault("pre_deployment_sweeping_mode", problem, "write rapid, or remove it")
    metadata = _block(spec, "overrides", "dgd", "metadata") or {}
    annotations = metadata.get("annotations")
    off = isinstance(annotations, Mapping) and annotations.get(_METRICS_ANNOTATION) == "false"
    if off and given.get("optimization_target") == "sla":
        problem = f"'sla' reads metrics, which overrides.dgd turns off by {_METRICS_ANNOTATION}"
        yield planner_fault("optimization_target", problem, "remove the annotation")


def _silent(backend: Any) -> bool:
    """Whether an engine is named whose workers report no forward-pass metrics."""
    return backend in engine_names() and backend not in reporting_engines()


def _surprises(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    target = settings.get("optimization_target", "throughput")
    if target == "sla":
        yield (
            f"{PATH}: target 'sla' reads live metrics from Prometheus; install it before the deployment "
            "(Dynamo's operator adds the PodMonitors)"
        )
        if (_block(spec, "sla") or {}).get("e2eLatency") and not {"ttft_ms", "itl_ms"} <= set(settings):
            yield (
                f"{PATH}: the Planner knows no e2eLatency and holds ttft_ms 500 and itl_ms 50 "
                "where they are not given"
            )
    elif {"ttft_ms", "itl_ms"} & set(settings):
        yield f"{PATH}: target {target!r} ignores ttft_ms and itl_ms; 'sla' scales towards them"
    backend = spec.get("backend")
    if target in ("throughput", "latency") and _silent(backend):
        yield (
            f"{PATH}: target {target!r} reads queues from forward-pass metrics, which Dynamo's guide "
            f"promises for {listed(reporting_engines())} only; see that {backend} workers report them"
        )
    if len({settings.get("backend"), backend} - {None, "auto", "mocker"}) > 1:
        yield f"{PATH}.backend {settings['backend']!r} gives way to spec.backend {backend!r}"
    total = (_block(spec, "hardware") or {}).get("totalGpus")
    budget = settings.get("max_gpu_budget")
    if total is not None and budget is not None and budget != total:
        yield f"{PATH}.max_gpu_budget {budget} is kept, though hardware.totalGpus is {total}"
    if settings.get("throughput_metrics_source") == "router":
        yield f"{PATH}: source 'router' needs a router component of its own, which is not generated"
