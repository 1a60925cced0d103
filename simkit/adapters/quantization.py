"""The engines' names of quantisations, and which number formats they stand for.

Sources: vLLM's QuantizationMethods, SGLang's QUANTIZATION_CHOICES, TensorRT-LLM's QuantAlgo, each with the
names of earlier versions. None: the checkpoint's own files say the format.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from perfmodels.dtypes import Precision, dtype
from simkit.core.errors import unknown_name

_COMMON: Mapping[str, str | None] = MappingProxyType({
    "fp8": "fp8", "mxfp8": "fp8", "awq": "int4_wo", "awq_marlin": "int4_wo", "gptq": "int4_wo",
    "gptq_marlin": "int4_wo", "marlin": "int4_wo", "moe_wna16": "int4_wo", "bitsandbytes": "int4_wo",
    "modelopt_fp4": "nvfp4", "modelopt_mixed": None, "petit_nvfp4": "nvfp4", "mxfp4": "mxfp4",
    "compressed-tensors": None, "quark": None, "gguf": None, "auto-round": "int4_wo", "humming": None,
})  # fmt: skip

QUANTIZATIONS: Mapping[str, Mapping[str, str | None]] = MappingProxyType({
    "vllm": {
        **_COMMON, "modelopt": "fp8", "modelopt_mxfp8": "fp8", "ptpc_fp8": "fp8", "fbgemm_fp8": "fp8",
        "deepgemm_fp8": "fp8", "fp8_per_tensor": "fp8", "fp8_per_block": "fp8_block",
        "fp8_per_channel": "fp8", "deepseek_v4_fp8": None, "auto_awq": "int4_wo",
        "auto_gptq": "int4_wo", "gptq_marlin_24": "int4_wo",
        "gptq_bitblas": "int4_wo", "bitblas": "int4_wo", "hqq": "int4_wo", "qqq": "w4a8", "aqlm": None,
        "experts_int8": "int8_wo", "int8_per_channel_weight_only": "int8_wo", "fp_quant": None, "inc": None,
        "torchao": None, "gpt_oss_mxfp4": "mxfp4", "nvfp4_per_token": "nvfp4", "online": None,
    },
    "sglang": {
        **_COMMON, "modelopt": None, "modelopt_fp8": "fp8", "nvfp4_online": "nvfp4", "w8a8_fp8": "fp8",
        "w8a8_int8": "int8", "w4afp8": "w4a8", "mxfp_w4a8": "mxfp4_mxfp8", "auto-round-int8": "int8_wo",
        "qoq": "w4a8", "blockwise_int8": "int8", "quark_mxfp4": "mxfp4", "quark_int4fp8_moe": "w4a8",
        "unquant": "bf16",
    },
    "trtllm": {
        "fp8": "fp8", "fp8_block_scales": "fp8_block", "fp8_per_channel_per_token": "fp8", "nvfp4": "nvfp4",
        "w4a16": "int4_wo", "w4a16_awq": "int4_wo", "w4a16_gptq": "int4_wo", "w4a8_awq": "w4a8",
        "w8a16": "int8_wo", "w8a8_sq_per_channel": "int8", "w4a16_mxfp4": "mxfp4",
        "w4a8_mxfp4_fp8": "mxfp4_mxfp8", "w4a8_mxfp4_mxfp8": "mxfp4_mxfp8", "mixed_precision": None,
        "no_quant": None,
    },
})  # fmt: skip
# These leave everything but routed experts as it is.
_EXPERTS_ONLY = frozenset(
    {"mxfp4", "gpt_oss_mxfp4", "experts_int8", "mxfp_w4a8", "quark_int4fp8_moe", "w4afp8"}
)
_CACHE: Mapping[str, str] = MappingProxyType({
    "fp8_inc": "fp8", "fp8_ds_mla": "fp8", "fp8_per_token_head": "fp8", "mxfp8": "fp8",
    "int8_per_token_head": "int8", "fp4_e2m1": "nvfp4", "fp4_mx_block16": "nvfp4",
})  # fmt: skip
_CACHE_NAMES = (
    "auto", "bf16", "bfloat16", "fp16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2", "nvfp4", "int8", *_CACHE,
)  # fmt: skip


def weight_format(backend: str, method: str) -> str | None:
    """The number format of `--quantization method`; None where the checkpoint says it.

    Raises UnknownNameError with the nearest names.
    """
    known = QUANTIZATIONS[backend]
    if method.lower() in ("none", "null", "auto"):
        return None
    if method.lower() not in known:
        raise unknown_name(f"{backend} quantization", method[:60], known, "correct --quantization")
    return known[method.lower()]


def cache_format(text: str) -> str | None:
    """The number format of a KV cache; None for `auto`. Raises UnknownNameError with the nearest names."""
    name = text.strip().lower()
    if name in ("auto", "none", "null"):
        return None
    try:
        return dtype(_CACHE.get(name, name)).name
    except KeyError:
        raise unknown_name("number format", text[:60], _CACHE_NAMES, "correct --kv-cache-dtype") from None


def with_weights(stored: Precision, method: str | None, found: str | None) -> Precision:
    """The checkpoint's formats as an engine with this quantisation serves them.

    A checkpoint that is already stored in a format of the same size keeps its own, which says more
    (fp8 with block scales, a mixture).
    """
    if method is None or found is None:
        return stored
    size = dtype(found).bytes_per_element
    if method.lower() in _EXPERTS_ONLY:
        return stored if _alike(stored.moe, size) else replace(stored, moe=found)
    if _alike(stored.moe, size) or _alike(stored.gemm, size):
        return stored
    return replace(stored, gemm=found, moe=found)


def _alike(name: str, size: float) -> bool:
    return abs(dtype(name).bytes_per_element / size - 1) < 0.1
