"""A checked DGDR as a Request: defaults filled in, milliseconds turned into seconds, warnings collected."""

from simkit.core.request import DeployOptions, Hardware, ModelCache, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.io import dgdr_model as model
from simkit.io.dgdr_cache import DEFAULT_MOUNT, single_path
from simkit.io.dgdr_lookup import lookup
from simkit.io.dgdr_rules import canonical_gpu
from simkit.io.dgdr_warnings import has_bounds, warnings_of
from simkit.io.planner_faults import planner_settings

_TOLERATIONS = "template.spec.tolerations"


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
        warnings=tuple(warnings_of(spec)),
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


def _slo(block: model.Sla) -> Slo:
    if not has_bounds(block):
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
    mount = block.pvc_mount_path or DEFAULT_MOUNT
    return ModelCache(
        pvc_name=block.pvc_name,
        pvc_model_path=single_path(mount, block.pvc_model_path),
        pvc_mount_path=mount,
    )
