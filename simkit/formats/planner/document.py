"""The Planner's configuration between documents and values: old names, complete documents, known keys."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from simkit.core.errors import InputError
from simkit.formats.planner.config import PlannerConfig

# Names that earlier Planners used and 1.6.1 still reads.
OLD_NAMES: Mapping[str, str] = {
    "ttft": "ttft_ms",
    "itl": "itl_ms",
    "throughput_adjustment_interval": "throughput_adjustment_interval_seconds",
    "load_adjustment_interval": "load_adjustment_interval_seconds",
}
# The release of Dynamo that brought a field; all others are as old as 1.4.
FIELDS_SINCE: Mapping[str, tuple[int, int]] = {
    "control_api_port": (1, 5),
    "decode_min_endpoint": (1, 5),
    "enable_power_awareness": (1, 5),
    "metric_pulling_prometheus_request_timeout_seconds": (1, 5),
    "prefill_min_endpoint": (1, 5),
    "total_gpu_power_limit": (1, 5),
    "ais_perf_model": (1, 6),
    "max_throughput_scaling_replicas": (1, 6),
}
# Left out unless given: the operator sets them in the Planner's environment, which a value would override.
FROM_ENVIRONMENT = (
    "namespace",
    "metric_pulling_prometheus_endpoint",
    "metric_pulling_prometheus_token",
    "metric_pulling_prometheus_token_file",
    "metric_pulling_prometheus_ssl_verify",
    "metric_pulling_prometheus_extra_query_params",
    "metric_pulling_prometheus_ca_bundle",
    "metric_pulling_prometheus_request_timeout_seconds",
    "metric_reporting_prometheus_port",
)


def known_keys() -> dict[str, tuple[str, ...]]:
    """The keys each block may hold, by its path without list places (`scheduling.gateway`)."""
    found: dict[str, tuple[str, ...]] = {}
    _collect(PlannerConfig, "", found)
    return found


def _collect(model: type[BaseModel], path: str, found: dict[str, tuple[str, ...]]) -> None:
    names = {name: field.alias or name for name, field in model.model_fields.items()}
    found[path] = tuple(names.values())
    for name, field in model.model_fields.items():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                _collect(part, f"{path}.{names[name]}".lstrip("."), found)


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys under the names of 1.6.1; one already there wins over its old name."""
    renamed = {OLD_NAMES[key]: value for key, value in given.items() if key in OLD_NAMES}
    return {**renamed, **{key: value for key, value in given.items() if key not in OLD_NAMES}}


def read_planner_config(given: Mapping[str, Any]) -> PlannerConfig:
    """The configuration with every default filled in. Raises InputError at what cannot be."""
    try:
        return PlannerConfig.model_validate(current_names(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in ("spec.features.planner", *first["loc"]))
        raise InputError(f"{path}: {first['msg']}; correct the value") from error


def written_config(config: PlannerConfig) -> dict[str, Any]:
    """The configuration as the Planner reads it, complete: nothing hangs on the defaults of its version."""
    document = config.model_dump(mode="json", by_alias=True)
    for name in FROM_ENVIRONMENT:
        if document[name] is None:
            del document[name]
    document["enable_throughput_scaling"] = config.scales_by_throughput
    document["enable_load_scaling"] = config.scales_by_load
    document["scheduling"]["scale_interval_seconds"] = config.scale_interval_s
    return document
