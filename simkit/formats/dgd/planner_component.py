"""The Planner: its configuration, the ConfigMaps that carry it and its profiling data, and its component."""

import base64
import hashlib
import json
from typing import Any

from simkit.core.deployment import Aggregated
from simkit.core.errors import InputError
from simkit.core.request import asks_for_load_scaling
from simkit.formats.dgd.components import component
from simkit.formats.dgd.site import PROFILE_MOUNT, Document, Site
from simkit.formats.faults import Fault
from simkit.formats.planner.config import current_names, read_planner_config, written_config
from simkit.formats.planner.files import DECODE_JSON, MOCKER_NPZ, PREFILL_JSON
from simkit.formats.planner.rules import (
    load_scaling_problem,
    planner_fault,
    planner_problems,
    reporting_engines,
)

_MOUNT = "/workspace/planner_config"
_FILE = "planner_config.json"
_DEFAULT_GPU_BUDGET = 8  # the Planner's own


def planner_config(site: Site) -> Document:
    """What the Planner is told: the request's keys, what follows from the deployment, and no mere default.

    The request decides targets and limits. What describes the deployment (engine, mode, GPUs of one
    engine) is always taken from the deployment, because a contradiction would scale the wrong thing.
    Raises InputError where the request and the deployment do not go together.
    """
    given = current_names(site.request.deploy.planner or {})
    settings = {**_defaults(site), **given, **_facts(site)}
    config = read_planner_config(settings)
    problems = planner_problems(config) + _footprint(site, config)
    if asks_for_load_scaling(given) and config["backend"] not in (*reporting_engines(), "mocker"):
        problems.append(load_scaling_problem(config["backend"]))
    if problems:
        raise InputError("; ".join(str(problem) for problem in problems))
    return written_config(config, settings)


def _defaults(site: Site) -> Document:
    slo = site.request.slo
    defaults: dict[str, Any] = {
        "pre_deployment_sweeping_mode": "rapid" if site.profile else "none",
        # The Planner's own default of 8 would silently cap a larger cluster.
        "max_gpu_budget": max(site.total_gpus or _DEFAULT_GPU_BUDGET, site.deployment.num_gpus),
        "model_name": site.model,
    }
    decoding = site.deployment.worker if isinstance(site.deployment, Aggregated) else site.deployment.decode
    if decoding.engine.draft is not None:
        defaults["speculative_nextn"] = decoding.engine.draft.tokens
    if site.profile:
        defaults["profile_results_dir"] = PROFILE_MOUNT
    if slo.ttft_s is not None:
        defaults["ttft_ms"] = round(slo.ttft_s * 1e3, 6)
    if slo.itl_s is not None:
        defaults["itl_ms"] = round(slo.itl_s * 1e3, 6)
    return defaults


def _facts(site: Site) -> Document:
    facts: Document = {
        "backend": "mocker" if site.request.deploy.mocker else site.deployment.backend,
        "mode": site.planner_mode,
    }
    for role, pool in site.pools():
        # An aggregated engine is counted as a decode engine.
        name = "prefill_engine_num_gpu" if role == "prefill" else "decode_engine_num_gpu"
        facts[name] = pool.plan.num_gpus
    return facts


def _footprint(site: Site, config: Document) -> list[Fault]:
    """The Planner refuses to start where the least it must keep running exceeds its budget."""
    least, budget = 0, config["max_gpu_budget"]
    for role, pool in site.pools():
        if site.is_scaled(role):
            name = "prefill_min_endpoint" if role == "prefill" else "decode_min_endpoint"
            own = config[name] if role != "aggregated" else None
            least += pool.plan.num_gpus * int(config["min_endpoint"] if own is None else own)
    if budget < 0 or least <= budget or site.request.deploy.mocker:
        return []
    problem = f"{budget} GPUs are fewer than the {least} of the engines that must always run"
    return [planner_fault("max_gpu_budget", problem, "raise it, or lower min_endpoint")]


def planner_config_map(site: Site, metadata: Document) -> Document:
    """The ConfigMap, named after its content so that a changed configuration is a new object."""
    text = json.dumps(planner_config(site), indent=2) + "\n"
    name = f"planner-config-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "name": name},
        "data": {_FILE: text},
    }


def profile_config_map(site: Site, metadata: Document) -> Document:
    """The ConfigMap with profiling data: the Planner's as text, the mocker's arrays as they are."""
    texts = {name: site.profile[name].decode() for name in (PREFILL_JSON, DECODE_JSON)}
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "name": site.profile_name},
        "data": texts,
    }
    if site.request.deploy.mocker:
        document["binaryData"] = {MOCKER_NPZ: base64.b64encode(site.profile[MOCKER_NPZ]).decode()}
    return document


def planner_component(site: Site, config_map: str) -> Document:
    """The Planner's own component, reading the ConfigMaps."""
    container = {
        "name": "main",
        "image": site.image("dynamo-planner"),
        "command": ["python3", "-m", "dynamo.planner"],
        "args": ["--config", f"{_MOUNT}/{_FILE}"],
        "volumeMounts": [
            {"name": config_map, "mountPath": _MOUNT, "readOnly": True},
            *site.profile_mounts(),
        ],
    }
    volumes = [{"name": config_map, "configMap": {"name": config_map}}, *site.profile_volumes()]
    return component(site, "Planner", "planner", container, volumes=volumes)
