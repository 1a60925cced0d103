"""spec.features.planner: what the request as a whole demands of it.

The block itself is the Planner's own configuration; here are the rules that involve other fields.
"""

from collections.abc import Mapping
from typing import Any

from simkit.io.dgdr_lookup import lookup
from simkit.io.faults import Fault, wrong_type

_PATH = "spec.features.planner"
FPM_ENGINE = "vllm"


def planner_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with the block in the light of the rest of the request."""
    block = lookup(document, _PATH)
    if not isinstance(block, Mapping):
        return []
    enabled = block.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        return [wrong_type(f"{_PATH}.enabled", "true or false", enabled)]
    if enabled is False:
        return []
    mocker = lookup(document, "spec.features.mocker.enabled") is True
    return [*_load(document, block, mocker=mocker), *_sweep(block, mocker=mocker)]


def wants_load_scaling(planner: Mapping[str, Any] | None) -> bool:
    """Whether replicas are to follow the engines' forward-pass metrics, by name."""
    if planner is None:
        return False
    return planner.get("optimization_target") == "load" or planner.get("enable_load_scaling") is True


def _load(document: Mapping[str, Any], block: Mapping[str, Any], *, mocker: bool) -> list[Fault]:
    backend = lookup(document, "spec.backend")
    if mocker or backend in (None, "auto", FPM_ENGINE) or not wants_load_scaling(block):
        return []
    key = "optimization_target" if block.get("optimization_target") == "load" else "enable_load_scaling"
    return [
        Fault(
            path=f"{_PATH}.{key}",
            problem=f"scaling by load needs forward-pass metrics, which {backend} does not publish",
            remedy=f"set spec.backend to {FPM_ENGINE}, or scale by throughput, latency or sla",
        )
    ]


def _sweep(block: Mapping[str, Any], *, mocker: bool) -> list[Fault]:
    if not mocker or block.get("pre_deployment_sweeping_mode") != "none":
        return []
    return [
        Fault(
            path=f"{_PATH}.pre_deployment_sweeping_mode",
            problem="the mocker takes its timing from the sweep, and 'none' leaves it without",
            remedy="write rapid or thorough, or turn features.mocker off",
        )
    ]
