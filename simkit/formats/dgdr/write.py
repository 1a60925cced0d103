"""Requests to DGDR documents: seconds become the milliseconds that users write."""

import copy
from typing import Any

from simkit.core.request import DeployOptions, ModelCache, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.dgdr.model import API_VERSION, KIND


def request_to_document(request: Request) -> dict[str, Any]:
    """The DGDR document that says what `request` says; fields at their defaults are left out."""
    deploy = request.deploy
    spec = {
        "model": request.model,
        "backend": request.backend,
        "image": deploy.image,
        "runtimeVersionOverride": deploy.runtime_version_override,
        "modelCache": _model_cache_document(deploy.model_cache),
        "hardware": _without_none({
            "gpuSku": request.hardware.gpu,
            "vramMb": request.hardware.vram_mb,
            "totalGpus": request.hardware.total_gpus,
            "numGpusPerNode": request.hardware.gpus_per_node,
            "interconnect": request.hardware.interconnect,
            "rdma": request.hardware.rdma,
        }),
        "workload": _workload_document(request.workload),
        "sla": _sla_document(request),
        "overrides": _overrides_document(deploy),
        "features": _features_document(deploy),
        "searchStrategy": request.search_strategy,
        "autoApply": request.auto_apply,
    }  # fmt: skip
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": _without_none({"name": deploy.name, "namespace": deploy.namespace}),
        "spec": {key: value for key, value in spec.items() if value not in (None, {})},
    }


def _model_cache_document(cache: ModelCache | None) -> dict[str, Any] | None:
    if cache is None:
        return None
    return _without_none({
        "pvcName": cache.pvc_name,
        "pvcModelPath": cache.pvc_model_path,
        "pvcMountPath": cache.pvc_mount_path,
    })  # fmt: skip


def _workload_document(workload: Workload) -> dict[str, Any]:
    return _without_none({
        "isl": round(workload.isl_tokens),
        "osl": round(workload.osl_tokens),
        "concurrency": workload.concurrency,
        "requestRate": workload.request_rate_per_s,
    })  # fmt: skip


def _sla_document(request: Request) -> dict[str, Any]:
    slo = Slo() if request.slo.assumed else request.slo
    return _without_none({
        "ttft": _milliseconds(slo.ttft_s),
        "itl": _milliseconds(slo.itl_s),
        "e2eLatency": _milliseconds(slo.e2e_s),
        # Goodput and cost are no types of the document's.
        "optimizationType": None if request.optimization in ("goodput", "cost") else request.optimization,
    })  # fmt: skip


def _milliseconds(value_s: float | None) -> float | None:
    if value_s is None:
        return None
    value_ms = float(f"{value_s * 1e3:.12g}")  # what the division by 1000 put after that is not meant
    return int(value_ms) if value_ms.is_integer() else value_ms


def _overrides_document(deploy: DeployOptions) -> dict[str, Any]:
    job = deploy.profiling_job
    if job is None and deploy.tolerations:
        job = {"template": {"spec": {"containers": [], "tolerations": list(deploy.tolerations)}}}
    return _without_none({
        "profilingJob": copy.deepcopy(job),
        "trustRemoteCode": True if deploy.trust_remote_code else None,
        "dgd": copy.deepcopy(deploy.dgd_override),
    })  # fmt: skip


def _features_document(deploy: DeployOptions) -> dict[str, Any]:
    return _without_none({
        "planner": None if deploy.planner is None else dict(deploy.planner),
        "kvRouter": {"enabled": True} if deploy.kv_router else None,
        "mocker": {"enabled": True} if deploy.mocker else None,
    })  # fmt: skip


def _without_none(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if value is not None}
