"""spec.features.planner of a DGDR: every fault at once, and what is worth a warning."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from simkit.core.request import asks_for_load_scaling
from simkit.core.words import listed
from simkit.engines.registry import engine_names
from simkit.formats.dgd.planner_component import load_scaling_problem, reporting_engines
from simkit.formats.faults import Fault, faults_from, join_path, lookup, wrong_type
from simkit.formats.planner.config import PlannerConfig
from simkit.formats.planner.document import OLD_NAMES, current_names, known_keys
from simkit.formats.planner.rules import PlannerProblem, planner_problems

PATH = "spec.features.planner"
_METRICS_ANNOTATION = "nvidia.com/enable-metrics"


def planner_faults(spec: Mapping[str, Any]) -> list[Fault]:
    """All that is wrong with the Planner's configuration in a DGDR's spec; nothing where there is none."""
    given = _block(spec, "features", "planner")
    if given is None:
        return []
    faults = []
    enabled = given.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        faults.append(wrong_type(f"{PATH}.enabled", "true or false", enabled))
    if enabled is False:
        return faults
    faults += _renamed_twice(given)
    config, more = _checked(_settings(given))
    faults += more
    problems = [*_with_the_request(spec, given)]
    if config is not None:
        problems += planner_problems(config)
    return faults + [Fault(path=f"{PATH}.{field}", problem=what, remedy=fix) for field, what, fix in problems]


def planner_settings(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the Planner is configured with, under current names; None where it is off.

    Presence turns it on; `enabled` is how the deployment guide writes it.
    """
    if given is None or given.get("enabled") is False:
        return None
    return _settings(given)


def planner_warnings(spec: Mapping[str, Any]) -> list[str]:
    """What is allowed and may surprise."""
    settings = planner_settings(_block(spec, "features", "planner"))
    return [] if settings is None else list(_surprises(spec, settings))


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    return current_names({key: value for key, value in given.items() if key != "enabled"})


def _block(spec: Mapping[str, Any], *keys: str) -> Mapping[str, Any] | None:
    block = lookup(spec, ".".join(keys))
    return block if isinstance(block, Mapping) else None


def _checked(settings: Mapping[str, Any]) -> tuple[PlannerConfig | None, list[Fault]]:
    try:
        return PlannerConfig.model_validate(dict(settings)), []
    except ValidationError as error:
        lines = error.errors(include_url=False)
        keys = known_keys()
        known = {
            join_path(line["loc"][:-1]): keys.get(_without_places(line["loc"][:-1]), ()) for line in lines
        }
        known[""] = (*known.get("", keys[""]), "enabled")
        faults = faults_from(error, known)
        return None, [
            Fault(path=f"{PATH}.{fault.path}", problem=fault.problem, remedy=fault.remedy) for fault in faults
        ]


def _without_places(location: tuple[str | int, ...]) -> str:
    return ".".join(part for part in location if isinstance(part, str))


def _renamed_twice(given: Mapping[str, Any]) -> list[Fault]:
    return [
        Fault(path=f"{PATH}.{old}", problem=f"says the same as {new}, also given", remedy="remove it")
        for old, new in OLD_NAMES.items()
        if old in given and new in given
    ]


def _with_the_request(spec: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[PlannerProblem]:
    """Where the Planner contradicts the rest of the request."""
    mocked = (_block(spec, "features", "mocker") or {}).get("enabled") is True
    backend = spec.get("backend")
    if asks_for_load_scaling(given) and _silent(backend) and not mocked:
        problem = load_scaling_problem(str(backend))
        field = problem.field if given.get("enable_load_scaling") is True else "optimization_target"
        yield problem._replace(field=field)
    if mocked and given.get("pre_deployment_sweeping_mode", "rapid") in (None, "none"):
        problem_text = "'none' leaves the mocker without the step times it simulates with"
        yield PlannerProblem("pre_deployment_sweeping_mode", problem_text, "write rapid, or remove it")
    metadata = _block(spec, "overrides", "dgd", "metadata") or {}
    annotations = metadata.get("annotations")
    off = isinstance(annotations, Mapping) and annotations.get(_METRICS_ANNOTATION) == "false"
    if off and given.get("optimization_target") == "sla":
        problem_text = f"'sla' reads metrics, which overrides.dgd turns off by {_METRICS_ANNOTATION}"
        yield PlannerProblem("optimization_target", problem_text, "remove the annotation")


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
