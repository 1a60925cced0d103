"""What a faultless request should still tell its author."""

from collections.abc import Mapping

from simkit.adapters.dynamo_alpha import ALPHA, from_v1alpha1
from simkit.adapters.dynamo_components import FRONTEND
from simkit.io import dgdr_model as model
from simkit.io.dgd_parts import main_container
from simkit.io.dgdr_cache import cache_warnings
from simkit.io.dgdr_lookup import lookup
from simkit.io.dgdr_rules import canonical_gpu
from simkit.io.planner_faults import planner_warnings

_LEGACY_NAMES = {
    "VllmWorker", "VllmPrefillWorker", "VllmDecodeWorker", "TRTLLMWorker", "TRTLLMPrefillWorker",
    "TRTLLMDecodeWorker", "SGLangWorker", "SGLangPrefillWorker", "SGLangDecodeWorker",
}  # fmt: skip


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


def _gpu(hardware: model.Hardware | None) -> list[str]:
    sku = hardware.gpu_sku if hardware else None
    if sku is None or (sku != "gb200_sxm" and sku in model.GPU_SKUS):
        return []
    why = "the name is deprecated" if sku == "gb200_sxm" else "Dynamo's DGDR does not accept that name"
    return [f"spec.hardware.gpuSku {sku!r} is read as {canonical_gpu(sku)}; {why}"]


def _legacy(overrides: model.Overrides | None) -> list[str]:
    """Component names of older releases, which are read as today's."""
    items = lookup(overrides.dgd, "spec.components") if overrides else None
    services = lookup(overrides.dgd, "spec.services") if overrides else None
    names = [item.get("name") for item in items or () if isinstance(item, Mapping)]
    names += list(services or ())
    return [
        f"spec.overrides.dgd names component {name!r}, deprecated; write worker, prefill or decode"
        for name in names
        if name in _LEGACY_NAMES
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
