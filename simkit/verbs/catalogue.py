"""The models and GPUs that the catalogue holds, with what is known of each."""

from collections.abc import Iterable
from typing import Any

from perfmodels.hardware import Device
from perfmodels.model.params import active_params, kv_bytes_per_token_full, total_params
from perfmodels.units import GB, GIB
from simkit.catalog.evidence import evidence
from simkit.catalog.gpus import gpu, gpu_names
from simkit.catalog.model_lookup import model_names
from simkit.catalog.models import Model, load_model
from simkit.engines.registry import engine_names
from simkit.search.coverage import Evidence, guide_search

Row = dict[str, Any]
_TERA = 1e12


def models(text: str = "") -> list[Row]:
    """Models whose id holds every word of `text`, or the one that an id outside the catalogue is matched to.

    Raises UnknownNameError with the nearest ids where there is none.
    """
    found = [load_model(name) for name in model_names() if _matches(text, [name])]
    return [_model(model) for model in found or [load_model(text)]]


def gpus(text: str = "") -> list[Row]:
    """GPUs whose name, vendor or generation hold every word of `text`, or the one a product name means.

    Raises UnknownNameError with the nearest names where there is none.
    """
    known, measured = [gpu(name) for name in gpu_names()], evidence()
    found = [device for device in known if _matches(text, [device.name, device.vendor, device.generation])]
    return [_gpu(device, measured) for device in found or [gpu(text)]]


def _matches(text: str, names: Iterable[str]) -> bool:
    among = " ".join(names).lower()
    return all(word in among for word in text.lower().split())


def _model(model: Model) -> Row:
    shape, stored = model.shape, model.precision
    return {
        "name": model.name,
        "total_params": total_params(shape),
        "active_params": active_params(shape),
        "kind": shape.architecture_class,
        "kv_bytes_per_token": kv_bytes_per_token_full(shape, stored.kv),
        "max_context_tokens": shape.max_context_tokens,
        "gemm_dtype": stored.gemm,
        "moe_dtype": stored.moe if shape.is_moe else None,
        "kv_dtype": stored.kv,
        "mtp_layers": shape.mtp_layers,
        "notes": list(model.notes),
    }


def _gpu(device: Device, found: Evidence) -> Row:
    runs: dict[str, int] = {}
    for (name, backend, _), count in sorted(found.runs.items()):
        if name == device.name:
            runs[backend] = runs.get(backend, 0) + count
    return {
        "name": device.name,
        "vendor": device.vendor,
        "generation": device.generation,
        "memory_gib": device.memory_bytes / GIB,
        "memory_gb_per_s": device.memory_bytes_per_s / GB,
        "dense_tflops": {name: rate / _TERA for name, rate in device.peak_flop_per_s.items()},
        "gpus_per_node": device.gpus_per_node,
        "link_domain_gpus": device.link_domain_gpus,
        "tdp_w": device.tdp_w,
        "operator_tables": [name for name in engine_names() if (device.name, name) in found.tables],
        "measured_runs": runs,
        "guide_search": guide_search(device.name) or None,
    }
