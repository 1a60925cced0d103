"""Which engine runs what where, as far as the engines' and Dynamo's own documents say."""

from typing import Literal

from perfmodels.hardware import Device
from perfmodels.model.dtypes import FP8_WEIGHTS, Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.draft import Draft
from simkit.core.errors import InputError
from simkit.engines.registry import engine_names, engine_spec

_ORDER = ("volta", "turing", "ampere", "ada", "hopper", "blackwell", "blackwell_ultra", "rubin")
_ADA = _ORDER.index("ada")

LARGE_MODEL_PARAMS = 70e9  # from here on Dynamo's guide wants the weights on a shared volume
# The GPUs whose rapid search Dynamo's guide promises, and those it sends to thorough profiling.
GUIDE_RAPID = ("h100_sxm", "h200_sxm", "a100_sxm", "b200_sxm", "gb200", "l40s")
GUIDE_THOROUGH = ("h100_pcie", "a100_pcie", "l4", "v100_sxm", "v100_pcie", "t4", "mi200", "mi300")


def moe_support(backend: str) -> Literal["full", "partial"]:
    """How far Dynamo supports mixtures of experts on an engine, by its deployment guide."""
    return engine_spec(backend).worker.moe_support


def borrowed_note(backend: str) -> str:
    """A remark where an engine's step times are another engine's; empty where they are its own."""
    lender = engine_spec(backend).fitted_as
    if lender == backend:
        return ""
    return (
        f"{backend}: extrapolated, no operator table and no serving run of its own; factors and operator "
        f"times are {lender}'s: measure before trusting it"
    )


def python_fault(backend: str, version: tuple[int, int]) -> str:
    """Why an engine cannot be started by this Python; empty when it can."""
    if version not in engine_spec(backend).server.no_python:
        return ""
    able = engine_names(lambda spec: version not in spec.server.no_python)
    return (
        f"{engine_spec(backend).label} does not support Python {version[0]}.{version[1]}, which runs here: "
        f"Dynamo's containers bring their own, but for a local start use {', '.join(able)} or another Python"
    )


def mocked_as(backend: str) -> str:
    """What Dynamo's mocker calls the engine. Raises InputError where it does not know it."""
    name = engine_spec(backend).worker.mocked_as
    if name is None:
        known = ", ".join(engine_names(lambda spec: spec.worker.mocked_as is not None))
        raise InputError(f"Dynamo's mocker does not imitate {backend}; take one of {known}, or real engines")
    return name


def mocked_engine(name: str | None) -> str:
    """The engine that Dynamo's mocker imitates under a name; by itself it imitates the first."""
    names = engine_names(lambda spec: name in (None, spec.worker.mocked_as))
    return names[0] if names else engine_spec(str(name)).name


def draft_refusal(backend: str, draft: Draft, plan: ParallelPlan) -> str:
    """Why an engine would not draft under a plan; empty when it would.

    Pipelines are left out for all: engines came to draft in them late, and not by every method.
    """
    if plan.pp > 1:
        return "speculative decoding is not planned across pipeline stages: use tp or replicas"
    return engine_spec(backend).drafts.refusal(draft, plan)


def unsupported(backend: str, device: Device, precision: Precision) -> str:
    """Why the engine cannot serve these formats on this GPU; empty when it can."""
    gpus = engine_spec(backend).gpus
    if device.vendor != "nvidia":
        runs = device.vendor in gpus.other_vendors
        return "" if runs else f"{backend} does not run on {device.vendor} GPUs"
    if device.generation not in _ORDER:
        return ""
    if _before(device, gpus.oldest):
        return f"{backend} needs {gpus.oldest} GPUs or newer; {device.name} is {device.generation}"
    formats = {precision.gemm, precision.moe}
    if "nvfp4" in formats and gpus.nvfp4_from is not None and _before(device, gpus.nvfp4_from):
        oldest = gpus.nvfp4_from.capitalize()
        return f"{backend} runs NVFP4 weights on {oldest} GPUs only; {device.name} is {device.generation}"
    if formats & FP8_WEIGHTS and gpus.fp8_from is not None and _before(device, gpus.fp8_from):
        oldest = gpus.fp8_from.capitalize()
        return f"{backend} runs FP8 weights on {oldest} GPUs or newer; {device.name} is {device.generation}"
    return ""


def _before(device: Device, generation: str) -> bool:
    return _ORDER.index(device.generation) < _ORDER.index(generation)


def fp8_cache(backend: str, device: Device) -> str:
    """Why an engine cannot keep the KV cache in FP8 on this GPU; empty when it can."""
    if device.vendor == "nvidia" and device.generation in _ORDER and _ORDER.index(device.generation) < _ADA:
        return f"{backend}: an FP8 KV cache wants Ada GPUs or newer; {device.name} is {device.generation}"
    return ""
