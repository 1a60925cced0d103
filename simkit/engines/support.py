"""Which engine runs what where, as far as the engines' and Dynamo's own documents say."""

from typing import Literal

from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision

_ORDER = ("volta", "turing", "ampere", "ada", "hopper", "blackwell", "blackwell_ultra", "rubin")
_OLDEST = {"vllm": "turing", "sglang": "turing", "trtllm": "ampere"}
_BLACKWELL = _ORDER.index("blackwell")
_ADA = _ORDER.index("ada")
_OTHER_VENDORS = {"amd": ("vllm", "sglang"), "intel": ("vllm",)}

LARGE_MODEL_PARAMS = 70e9  # from here on Dynamo's guide wants the weights on a shared volume
_PARTIAL_MOE = ("vllm", "trtllm")
# The GPUs whose rapid search Dynamo's guide promises, and those it sends to thorough profiling.
GUIDE_RAPID = ("h100_sxm", "h200_sxm", "a100_sxm", "b200_sxm", "gb200", "l40s")
GUIDE_THOROUGH = ("h100_pcie", "a100_pcie", "l4", "v100_sxm", "v100_pcie", "t4", "mi200", "mi300")


def moe_support(backend: str) -> Literal["full", "partial"]:
    """How far Dynamo supports mixtures of experts on an engine, by its deployment guide."""
    return "partial" if backend in _PARTIAL_MOE else "full"


def python_fault(backend: str, version: tuple[int, int]) -> str:
    """Why an engine cannot be started by this Python; empty when it can."""
    if backend != "trtllm" or version != (3, 11):
        return ""
    return (
        "TensorRT-LLM does not support Python 3.11, which runs here: Dynamo's containers bring their own, "
        "but for a local start use vllm, sglang or another Python"
    )


def unsupported(backend: str, device: Device, precision: Precision) -> str:
    """Why the engine cannot serve these formats on this GPU; empty when it can."""
    if device.vendor != "nvidia":
        runs = backend in _OTHER_VENDORS.get(device.vendor, ())
        return "" if runs else f"{backend} does not run on {device.vendor} GPUs"
    if device.generation not in _ORDER:
        return ""
    generation = _ORDER.index(device.generation)
    if generation < _ORDER.index(_OLDEST[backend]):
        return f"{backend} needs {_OLDEST[backend]} GPUs or newer; {device.name} is {device.generation}"
    formats = {precision.gemm, precision.moe}
    if "nvfp4" in formats and generation < _BLACKWELL and backend != "vllm":
        return f"{backend} runs NVFP4 weights on Blackwell GPUs only; {device.name} is {device.generation}"
    if formats & {"fp8", "fp8_block"} and generation < _ADA and backend != "vllm":
        return f"{backend} runs FP8 weights on Ada GPUs or newer; {device.name} is {device.generation}"
    return ""


def fp8_cache(backend: str, device: Device) -> str:
    """Why an engine cannot keep the KV cache in FP8 on this GPU; empty when it can."""
    if device.vendor == "nvidia" and device.generation in _ORDER and _ORDER.index(device.generation) < _ADA:
        return f"{backend}: an FP8 KV cache wants Ada GPUs or newer; {device.name} is {device.generation}"
    return ""
