"""A checked DGDR as a Request: defaults filled in, milliseconds turned into seconds, warnings collected."""

import re

from simkit.core.request import DeployOptions, Hardware, ModelCache, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.io import dgdr_model as model
from simkit.io.dgdr_rules import DEFAULT_MOUNT, canonical_gpu, lookup
from simkit.io.planner_faults import planner_settings, planner_warnings

_TOLERATIONS = "template.spec.tolerations"
_PLACEHOLDER = re.compile(r"<[^<>]+>")


def build_request(dgdr: model.Dgdr, source: str) -> Request:
    """The request that a faultless document stands for."""
    spec = dgdr.spec
    sla = spec.sla or model.Sla()
    return Request(
        model=spec.model,
        backend=spec.backend or "auto",
        hardware=_hardware(spec.hardware or model.Hardware()),
        workload=_workload(spec.workload or model.Workload()),
        slo=_slo(sla),
        search_strategy=spec.search_strategy or "rapid",
        optimization=sla.optimization_type,
        auto_apply=spec.auto_apply is not False,
        deploy=_deploy(dgdr),
        source=source,
        warnings=tuple(_warnings(spec)),
    )


def _hardware(block: model.Hardware) -> Hardware:
    return Hardware(
        gpu=None if block.gpu_sku is None else canonical_gpu(block.gpu_sku),
        total_gpus=block.total_gpus,
        gpus_per_node=block.num_gpus_per_node,
        vram_mb=block.vram_mb,
        interconnect=block.interconnect,
        rdma=block.rdma,
    )


def _workload(block: model.Workload) -> Workload:
    return Workload(
        isl_tokens=block.isl or 4000,
        osl_tokens=block.osl or 1000,
        concurrency=block.concurrency,
        request_rate_per_s=block.request_rate,
    )


def _has_bounds(block: model.Sla) -> bool:
    return any(value is not None for value in (block.ttft, block.itl, block.e2e_latency))


def _slo(block: model.Sla) -> Slo:
    if not _has_bounds(block):
        return Slo(ttft_s=model.DEFAULT_TTFT_MS / 1e3, itl_s=model.DEFAULT_ITL_MS / 1e3)
    return Slo(ttft_s=_seconds(block.ttft), itl_s=_seconds(block.itl), e2e_s=_seconds(block.e2e_latency))


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1e3


def _deploy(dgdr: model.Dgdr) -> DeployOptions:
    spec = dgdr.spec
    features = spec.features or model.Features()
    overrides = spec.overrides or model.Overrides()
    return DeployOptions(
        name=dgdr.metadata.name,
        namespace=dgdr.metadata.namespace,
        image=spec.image,
        runtime_version_override=spec.runtime_version_override,
        model_cache=_model_cache(spec.model_cache),
        planner=planner_settings(features.planner),
        kv_router=features.kv_router is not None and features.kv_router.enabled is True,
        mocker=features.mocker is not None and features.mocker.enabled is True,
        trust_remote_code=overrides.trust_remote_code is True,
        tolerations=tuple(lookup(overrides.profiling_job, _TOLERATIONS) or ()),
        profiling_job=overrides.profiling_job,
        dgd_override=overrides.dgd,
    )


def _model_cache(block: model.ModelCache | None) -> ModelCache | None:
    if block is None or block.pvc_name is None:
        return None
    return ModelCache(
        pvc_name=block.pvc_name,
        pvc_model_path=block.pvc_model_path,
        pvc_mount_path=block.pvc_mount_path or DEFAULT_MOUNT,
    )


def _warnings(spec: model.Spec) -> list[str]:
    found = []
    if not _has_bounds(spec.sla or model.Sla()):
        found.append(model.NO_SLA)
    cache = spec.model_cache
    path = cache.pvc_model_path if cache else None
    placeholder = _PLACEHOLDER.search(path) if path else None
    if placeholder:
        found.append(
            f"spec.modelCache.pvcModelPath holds the placeholder {placeholder.group()}; "
            "replace it with the snapshot's real hash before deploying"
        )
    if cache and cache.pvc_name and not path:
        found.append(
            "spec.modelCache has no pvcModelPath: engines load the model by name, with the volume as HF_HOME"
        )
    sku = spec.hardware.gpu_sku if spec.hardware else None
    if sku is not None and (sku == "gb200_sxm" or sku not in model.GPU_SKUS):
        name = canonical_gpu(sku)
        why = "the name is deprecated" if sku == "gb200_sxm" else "Dynamo's DGDR does not accept that name"
        found.append(f"spec.hardware.gpuSku {sku!r} is read as {name}; {why}")
    return found + planner_warnings(spec.model_dump(by_alias=True, exclude_none=True))
