"""Which engine runs on which GPU in which format, as far as the engines' own documents say."""

from perfmodels.device import Device
from perfmodels.dtypes import Precision

_ORDER = ("volta", "turing", "ampere", "ada", "hopper", "blackwell", "blackwell_ultra", "rubin")
_OLDEST = {"vllm": "turing", "sglang": "turing", "trtllm": "ampere"}
_BLACKWELL = _ORDER.index("blackwell")
_ADA = _ORDER.index("ada")
_OTHER_VENDORS = {"amd": ("vllm", "sglang"), "intel": ("vllm",)}


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
