"""A checked DGDR as a Request: defaults filled in, milliseconds turned into seconds, warnings collected."""

from collections.abc import Mapping

from simkit.core.request import DeployOptions, Hardware, ModelCache, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.dgd.alpha import ALPHA, from_v1alpha1
from simkit.formats.dgd.components import FRONTEND, legacy_names
from simkit.formats.dgd.parts import main_container
from simkit.formats.dgdr import model
from simkit.formats.dgdr.model_cache import DEFAULT_MOUNT, cache_warnings, single_path
from simkit.formats.dgdr.rules import canonical_gpu
from simkit.formats.dgdr.skus import GPU_SKUS
from simkit.formats.faults import lookup
from simkit.formats.planner.faults import planner_settings, planner_warnings

# --- What a faultless request should still tell its author.


SKU_FIELD = "spec.hardware.gpuSku"  # how remarks on the GPU's name begin


def has_bounds(block: model.Sla) -> bool:
    """Whether any latency target is given."""
    return any(value is not None for value in (block.ttft, block.itl, block.e2e_latency))


def warnings_of(spec: model.Spec) -> list[str]:
    """Everything assumed, deprecated or left for the author to do."""
    found = [] if has_bounds(spec.sla or model.Sla()) else [model.NO_SLA]
    if (cache := spec.model_cache) is not None:
        found += cache_warnings(spec.model, cache.pvc_name, cache.pvc_mount_path, cache.pvc_model_path)
    found += _gpu(spec.hardware)
    found += _legacy(spec.overrides)
    found += _unpredicted(spec.overrides)
    return found + planner_warnings(spec.model_dump(by_alias=True, exclude_none=True))


def _gpu(hardware: model.HardwareFields | None) -> list[str]:
    sku = hardware.gpu_sku if hardware else None
    if sku is None or (sku != "gb200_sxm" and sku in GPU_SKUS):
        return []
    why = "the name is deprecated" if sku == "gb200_sxm" else "Dynamo's DGDR does not accept that name"
    read = "" if sku == canonical_gpu(sku) else f" is read as {canonical_gpu(sku)}"
    return [f"{SKU_FIELD} {sku!r}{read}{';' if read else ':'} {why}"]


def _legacy(overrides: model.Overrides | None) -> list[str]:
    """Component names of older releases, which are read as today's."""
    items = lookup(overrides.dgd, "spec.components") if overrides else None
    services = lookup(overrides.dgd, "spec.services") if overrides else None
    names = [item.get("name") for item in items or () if isinstance(item, Mapping)]
    names += list(services or ())
    return [
        f"spec.overrides.dgd names component {name!r}, deprecated; write worker, prefill or decode"
        for name in names
        if name in legacy_names()
    ]


def _unpredicted(overrides: model.Overrides | None) -> list[str]:
    """Changes of engines by the override, which is merged in after the prediction."""
    override = overrides.dgd if overrides else None
    if not override:
        return []
    change = from_v1alpha1(override) if override.get("apiVersion") == ALPHA else override
    found = []
    for item in lookup(change, "spec.components") or ():
        main = main_container(item)
        keys = [key for key in ("replicas", "multinode") if item.get(key) is not None]
        keys += [key for key in ("image", "command", "args", "resources") if main.get(key) is not None]
        if keys and item.get("name") not in (FRONTEND, "Planner"):
            found.append(f"{', '.join(keys)} of {item.get('name')!r}")
    if not found:
        return []
    return [
        f"spec.overrides.dgd changes {' and '.join(found)}: the prediction is for the deployment without that"
    ]


_TOLERATIONS = "template.spec.tolerations"


def build_request(dgdr: model.Dgdr, source: str) -> Request:
    """The request that a faultless document stands for."""
    spec = dgdr.spec
    sla = spec.sla or model.Sla()
    return Request(
        model=spec.model,
        backend=spec.backend or "auto",
        hardware=_hardware(spec.hardware or model.HardwareFields()),
        workload=_workload(spec.workload or model.WorkloadFields()),
        slo=_slo(sla),
        search_strategy=spec.search_strategy or "rapid",
        optimization=sla.optimization_type,
        auto_apply=spec.auto_apply is not False,
        deploy=_deploy(dgdr),
        source=source,
        warnings=tuple(warnings_of(spec)),
    )


def _hardware(block: model.HardwareFields) -> Hardware:
    return Hardware(
        gpu=None if block.gpu_sku is None else canonical_gpu(block.gpu_sku),
        total_gpus=block.total_gpus,
        gpus_per_node=block.num_gpus_per_node,
        vram_mb=block.vram_mb,
        interconnect=block.interconnect,
        rdma=block.rdma,
    )


def _workload(block: model.WorkloadFields) -> Workload:
    return Workload(
        isl_tokens=block.isl or model.DEFAULT_ISL,
        osl_tokens=block.osl or model.DEFAULT_OSL,
        concurrency=block.concurrency,
        request_rate_per_s=block.request_rate,
    )


def _slo(block: model.Sla) -> Slo:
    if not has_bounds(block):
        return Slo(ttft_s=model.DEFAULT_TTFT_MS / 1e3, itl_s=model.DEFAULT_ITL_MS / 1e3, assumed=True)
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


def _model_cache(block: model.ModelCacheFields | None) -> ModelCache | None:
    if block is None or block.pvc_name is None:
        return None
    mount = block.pvc_mount_path or DEFAULT_MOUNT
    return ModelCache(
        pvc_name=block.pvc_name,
        pvc_model_path=single_path(mount, block.pvc_model_path),
        pvc_mount_path=mount,
    )
