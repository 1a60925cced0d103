"""Flags for what a DGDR has no field for: how the cluster schedules, stores and connects pods."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from simkit.cli.flag_groups import plain_flag, with_flags
from simkit.core.errors import InputError
from simkit.core.request import ClusterOptions, Request

_PANEL = "Cluster"
_OPTIONS: tuple[tuple[str, Any, str, str], ...] = (
    ("model_cache_job", bool, "--with-model-cache-job", "Write the volume claim and its download Job too."),
    ("storage_class", str, "--storage-class", "Storage class of that claim (ReadWriteMany)."),
    ("profiling_job", bool, "--with-profiling-job", "Write the Job by which Dynamo would profile, too."),
    ("compilation_cache", str, "--compilation-cache", "Claim that keeps compiled kernels."),
    ("orchestrator", str, "--orchestrator", "Multinode pods: grove or lws (LeaderWorkerSet)."),
    ("kai_queue", str, "--kai-queue", "Queue of KAI scheduler."),
    ("vllm_executor", str, "--vllm-executor", "vLLM across nodes: ray or mp."),
    ("rdma_resource", str, "--rdma-resource", "RDMA device plugin's resource, default rdma/ib."),
    ("node_selector", list[str], "--node-selector", "KEY=VALUE that GPU nodes must carry; repeatable."),
    ("pull_secrets", list[str], "--pull-secret", "Secret for the image registry; repeatable."),
)

with_cluster_flags = with_flags(
    "cluster", [plain_flag(_PANEL, name, kind, (option, text)) for name, kind, option, text in _OPTIONS]
)


def with_cluster(request: Request, cluster: Mapping[str, Any]) -> Request:
    """The request with the flags that were given."""
    known = {field.name for field in fields(ClusterOptions)}
    given = {name: value for name, value in cluster.items() if name in known and value not in (None, [])}
    if "node_selector" in given:
        given["node_selector"] = _pairs(given["node_selector"])
    if "pull_secrets" in given:
        given["pull_secrets"] = tuple(given["pull_secrets"])
    options = replace(request.deploy.cluster, **given)
    return replace(request, deploy=replace(request.deploy, cluster=options))


def _pairs(items: Sequence[str]) -> dict[str, str]:
    found = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not key or not separator:
            raise InputError(f"--node-selector {item!r}: expected KEY=VALUE, such as pool=h200; write it so")
        found[key] = value
    return found
