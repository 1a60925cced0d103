"""The Planner's configuration: checked by its schema, completed with defaults, written without them."""

import copy
import math
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from simkit.catalog.schemas import planner_schema
from simkit.core.errors import InputError
from simkit.engines.registry import engine_names
from simkit.formats.faults import Fault, lookup
from simkit.formats.schema_faults import faults_by

PATH = "spec.features.planner"
_HOLD_POLICIES = ("ACCEPT_WHEN_IDLE", "HOLD_LAST")  # their places are the numbers the schema wants

Config = dict[str, Any]


def old_names() -> dict[str, str]:
    """Names that earlier Planners used and that are still read, with the present ones."""
    fields = planner_schema()["properties"]
    return {field["formerly"]: name for name, field in fields.items() if "formerly" in field}


def field_since(name: str) -> tuple[int, int]:
    """The release of Dynamo that brought a field; (0, 0) for those that have always been there."""
    major, minor = planner_schema()["properties"].get(name, {}).get("since", (0, 0))
    return major, minor


def current_names(given: Mapping[str, Any]) -> Config:
    """The keys under their present names; one already there wins over its old name."""
    old = old_names()
    renamed = {old[key]: value for key, value in given.items() if key in old}
    return {**renamed, **{key: value for key, value in given.items() if key not in old}}


def config_faults(given: Mapping[str, Any]) -> list[Fault]:
    """Every key, type, choice and range that is wrong."""
    return faults_by(_validator(engine_names()), _numbered(given), PATH)


def complete_config(given: Mapping[str, Any]) -> Config:
    """A configuration without faults, with every default filled in and without the DGDR's own switch."""
    config: Config = _filled(planner_schema(), _numbered(given))
    config.pop("enabled", None)
    return config


def read_planner_config(given: Mapping[str, Any]) -> Config:
    """The configuration with every default filled in. Raises InputError at what cannot be."""
    settings = current_names(given)
    for fault in config_faults(settings):
        raise InputError(str(fault))
    return complete_config(settings)


def written_config(config: Config, stated: Collection[str] = ()) -> Config:
    """What the Planner is to be told: what differs from its defaults, and the keys that are `stated`.

    A target other than an SLA scales by load alone, which the Planner's own defaults do not say.
    """
    resolved = {
        **config,
        "enable_throughput_scaling": scales_by_throughput(config),
        "enable_load_scaling": scales_by_load(config),
    }
    defaults = complete_config({})
    return {name: value for name, value in resolved.items() if name in stated or value != defaults.get(name)}


def scales_by_throughput(config: Config) -> bool:
    """Whether the slow loop, which forecasts demand, runs: only towards an SLA."""
    return config["optimization_target"] == "sla" and bool(config["enable_throughput_scaling"])


def scales_by_load(config: Config) -> bool:
    """Whether the fast loop, which reads queues and caches, runs; an SLA alone can do without."""
    return config["optimization_target"] != "sla" or bool(config["enable_load_scaling"])


def intervals_s(config: Config) -> tuple[int, ...]:
    """The intervals in force [s]."""
    fast, slow = (config[f"{loop}_adjustment_interval_seconds"] for loop in ("load", "throughput"))
    return (fast, slow) if scales_by_throughput(config) else (fast,)


def scale_interval_s(config: Config) -> float:
    """How often the Planner decides [s]: as given, or the largest that divides its intervals."""
    given = config["scheduling"].get("scale_interval_seconds")
    return float(given or math.gcd(*intervals_s(config)))


@lru_cache(maxsize=4)
def _validator(engines: tuple[str, ...]) -> Any:
    """The schema, where an engine is any that is registered.

    JSON takes 2.0 for a whole number and knows no NaN; YAML's are told apart here.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def number(_: Any, value: Any) -> bool:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max

    kinds = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": lambda _, value: type(value) is int, "number": number}
    )
    schema = copy.deepcopy(planner_schema())
    schema["properties"]["backend"]["enum"] = [*engines, "mocker"]
    schema["$defs"]["AICInterpolationSpec"]["properties"]["backend"]["enum"] = list(engines)
    return extend(Draft202012Validator, type_checker=kinds)(schema)


def _numbered(given: Mapping[str, Any]) -> Config:
    """Hold policies by name, which the Planner takes as well, as the numbers of the schema."""
    plugins = lookup(given, "scheduling.external_plugins")
    if not isinstance(plugins, list):
        return dict(given)
    found = [{**item, **_policy(item)} if isinstance(item, dict) else item for item in plugins]
    return {**given, "scheduling": {**given["scheduling"], "external_plugins": found}}


def _policy(plugin: Mapping[str, Any]) -> Config:
    name = str(plugin.get("hold_policy")).upper()
    return {"hold_policy": _HOLD_POLICIES.index(name)} if name in _HOLD_POLICIES else {}


def _filled(node: Mapping[str, Any], value: Any) -> Any:
    """A value with its schema's defaults, in the schema's order; null only where it is one of them."""
    if "$ref" in node:
        node = planner_schema()["$defs"][node["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in node:
        return {
            name: _filled(field, value.get(name, field.get("default")))
            for name, field in node["properties"].items()
            if "default" in field or value.get(name) is not None
        }
    if isinstance(value, list):
        return [_filled(node["items"], item) for item in value]
    return float(value) if "number" in node.get("type", ()) and value is not None else value
