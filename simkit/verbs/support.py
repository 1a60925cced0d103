"""GPUs, engines and kinds of model: Dynamo's support, and which measurements our predictions rest on."""

from dataclasses import dataclass

from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision
from simkit.catalog.engine_models import served_precision
from simkit.catalog.evidence import evidence
from simkit.catalog.gpus import gpu as load_gpu
from simkit.catalog.gpus import gpu_names
from simkit.catalog.models import load_model
from simkit.catalog.operators import relatives
from simkit.core.errors import unknown_name
from simkit.engines.registry import engine_names
from simkit.engines.support import moe_support
from simkit.formats.dgdr.skus import GPU_SKUS
from simkit.search.coverage import FAMILIES, Coverage, coverage, guide_search


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportMatrix:
    """The cells asked for; model is empty where all kinds of models are listed.

    guide: by GPU, `rapid`, `thorough` or empty, as Dynamo's guide has it; in_dgdr: GPUs whose name a
    DGDR may hold.
    """

    cells: tuple[Coverage, ...]
    guide: dict[str, str]
    in_dgdr: frozenset[str]
    model: str = ""


def support(gpu: str | None = None, backend: str | None = None, model: str | None = None) -> SupportMatrix:
    """The matrix, whole or for one GPU, engine or model.

    Raises UnknownNameError with the nearest names.
    """
    if backend is not None and backend not in engine_names():
        raise unknown_name("backend", backend, engine_names(), f"expected one of {', '.join(engine_names())}")
    devices = [load_gpu(gpu)] if gpu is not None else _all_devices()
    found = load_model(model) if model is not None else None
    families = FAMILIES if found is None else (found.shape.architecture_class,)
    stored = Precision() if found is None else found.precision
    cells = [
        coverage(device, relatives(device), (name, family), served_precision(stored, name), evidence())
        for device in devices
        for name in (engine_names() if backend is None else (backend,))
        for family in families
    ]
    return SupportMatrix(
        cells=tuple(cells),
        guide={device.name: guide_search(device.name) for device in devices},
        in_dgdr=frozenset(device.name for device in devices if device.name in GPU_SKUS),
        model="" if found is None else found.name,
    )


def support_document(matrix: SupportMatrix) -> dict[str, object]:
    """The matrix as the JSON that programs read."""
    return {
        "guide": {
            "gpus": matrix.guide,
            "moe": {name: moe_support(name) for name in engine_names()},
            "dense": dict.fromkeys(engine_names(), "full"),
        },
        "dgdr_gpus": sorted(matrix.in_dgdr),
        "model": matrix.model or None,
        "cells": [
            {
                "gpu": cell.gpu,
                "backend": cell.backend,
                "family": cell.family,
                "basis": cell.basis,
                "measured_runs": cell.runs,
                "operators_without_table": list(cell.missing),
                "reason": cell.reason,
            }
            for cell in matrix.cells
        ],
    }


def _all_devices() -> list[Device]:
    return [load_gpu(name) for name in gpu_names()]
