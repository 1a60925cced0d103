"""The Planner: its configuration, the ConfigMap that carries it, and its component."""

import hashlib
import json
from typing import Any

from simkit.adapters.dynamo_components import component
from simkit.adapters.dynamo_site import Document, Site

_MOUNT = "/workspace/planner_config"
_FILE = "planner_config.json"
_DEFAULT_GPU_BUDGET = 8  # the Planner's own


def planner_config(site: Site) -> Document:
    """What the Planner is started with: the request's keys, and what follows from the deployment.

    The request decides targets and limits. What describes the deployment (engine, mode, GPUs of one
    engine) is always taken from the deployment, because a contradiction would scale the wrong thing.
    """
    given = dict(site.request.deploy.planner or {})
    slo = site.request.slo
    defaults: dict[str, Any] = {
        "environment": "kubernetes",
        "optimization_target": "throughput",
        # No bootstrap data is shipped with the deployment yet, so the Planner must not look for any.
        "pre_deployment_sweeping_mode": "none",
        # The Planner's own default of 8 would silently cap a larger cluster.
        "max_gpu_budget": site.total_gpus or max(_DEFAULT_GPU_BUDGET, site.deployment.num_gpus),
    }
    if slo.ttft_s is not None:
        defaults["ttft_ms"] = round(slo.ttft_s * 1e3, 6)
    if slo.itl_s is not None:
        defaults["itl_ms"] = round(slo.itl_s * 1e3, 6)
    return {**defaults, **given, **_facts(site)}


def _facts(site: Site) -> Document:
    facts: Document = {
        "backend": "mocker" if site.request.deploy.mocker else site.deployment.backend,
        "mode": site.deployment.mode,
        "model_name": site.model,
    }
    for role, pool in site.pools():
        # An aggregated engine is counted as a decode engine.
        name = "prefill_engine_num_gpu" if role == "prefill" else "decode_engine_num_gpu"
        facts[name] = pool.plan.num_gpus
    return facts


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


def planner_component(site: Site, config_map: str) -> Document:
    """The Planner's own component, reading the ConfigMap."""
    container = {
        "name": "main",
        "image": site.image("dynamo-planner"),
        "command": ["python3", "-m", "dynamo.planner"],
        "args": ["--config", f"{_MOUNT}/{_FILE}"],
        "volumeMounts": [{"name": config_map, "mountPath": _MOUNT, "readOnly": True}],
    }
    volumes = [{"name": config_map, "configMap": {"name": config_map}}]
    return component(site, "Planner", "planner", container, volumes=volumes)
