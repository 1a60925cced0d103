"""Stored number formats from `quantization_config` (Hugging Face) and `hf_quant_config` (ModelOpt)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.hf_config import text_config
from perfmodels.model.hf_fields import EXPERT_COUNTS, Config, first

# Exclusion lists name attention as a whole (`layers.*.self_attn*`) or by its projections; a list
# that names only a sparse-attention indexer leaves the rest quantised.
_WHOLE_ATTENTION = re.compile(r"(self_attn|\.attn)[.*]*$")
_PROJECTION = re.compile(r"(self_attn|attn|mixer)\.(q|k|v|qkv|q_a|q_b|kv_b|o)_proj")
_ATTENTION = re.compile(r"attn|mixer\.(q|k|v|o)_proj")
_EXPERTS = re.compile(r"experts|mlp|ffn")


def precision_from_config(config: Config, hf_quant: Config | None = None) -> Precision:
    """Formats the checkpoint is stored in; bfloat16 where nothing says otherwise."""
    quant = config.get("quantization_config") or text_config(config).get("quantization_config") or {}
    producer = (hf_quant or {}).get("quantization") or {}
    if not isinstance(quant, Mapping) or not isinstance(producer, Mapping):
        raise ValueError(f"quantization settings must be a mapping, got {quant or producer!r}")
    gemm, moe = _weight_formats(quant, producer)
    if "fp4" in str(text_config(config).get("expert_dtype")) and dtype(moe).bytes_per_element > 1:
        moe = "mxfp4"  # DeepSeek-V4 keeps its experts in FP4 beside FP8 dense layers
    is_moe = bool(first(text_config(config), EXPERT_COUNTS))
    if not is_moe:
        gemm = moe  # a dense model's weights are mostly feed-forward
    if is_moe and gemm == moe and _attention_excluded(quant, producer):
        gemm = "bf16"
    return Precision(gemm=gemm, moe=moe, kv=_cache_format(quant, producer))


def _cache_format(quant: Config, producer: Config) -> str:
    scheme = producer.get("kv_cache_quant_algo") or quant.get("kv_cache_scheme") or ""
    if isinstance(scheme, Mapping):
        return "fp8" if scheme.get("num_bits") == 8 else "bf16"
    return "fp8" if "FP8" in str(scheme).upper() else "bf16"


def _weight_formats(quant: Config, producer: Config) -> tuple[str, str]:
    """(attention and dense layers, experts)."""
    algorithm = str(producer.get("quant_algo") or quant.get("quant_algo") or "").upper()
    if algorithm == "MIXED_PRECISION":
        return _mixed_formats(quant, producer)
    method = str(quant.get("quant_method") or "").lower()
    found = _algorithm_format(algorithm) if algorithm or not method else _method_format(method, quant)
    if found == "fp8" and quant.get("weight_block_size"):
        found = "fp8_block"
    return found, found


# Weights of so many bits, decoded into 16-bit arithmetic.
_BITS = {4: "int4_wo", 8: "int8_wo"}
_INTEGER_METHODS = (
    "awq",
    "gptq",
    "auto-round",
    "auto_round",
    "intel/auto-round",
    "awq_marlin",
    "gptq_marlin",
)


_METHODS = {
    "eetq": "int8_wo", "mxfp4": "mxfp4", "fp8": "fp8", "mxfp8": "mxfp8", "fbgemm_fp8": "fp8",
    "fbgemm-fp8": "fp8", "modelopt": "fp8", "modelopt_fp4": "nvfp4", "modelopt_mixed": "bf16",
}  # fmt: skip


def _method_format(method: str, quant: Config) -> str:
    """The format of weights by `quant_method`. Raises ValueError for a method that is not known."""
    if method == "compressed-tensors":
        return _compressed_tensors_format(quant)
    if method in _INTEGER_METHODS:
        return _integer_format(method, quant.get("bits") or quant.get("w_bit") or 4)
    if method == "bitsandbytes":
        return "int8_wo" if quant.get("load_in_8bit") else "int4_wo"
    if method in ("quark", "torchao"):
        weights = (quant.get("global_quant_config") or {}).get("weight") or {}
        name = weights.get("dtype") if method == "quark" else quant.get("quant_type")
        return _named_format(str(name), quant, fp4="mxfp4" if method == "quark" else "nvfp4")
    if method not in _METHODS:
        raise ValueError(f"quantization_config.quant_method {method!r} is not known")
    return _METHODS[method]


def _integer_format(method: str, bits: Any) -> str:
    if str(bits).isdigit() and int(bits) in _BITS:
        return _BITS[int(bits)]
    raise ValueError(f"quantization_config of {method} has {bits!r} bits; 4 and 8 are known")


def _named_format(text: str, quant: Config, *, fp4: str) -> str:
    """A format from its name in Quark (`fp8_e4m3`) or torchao (`Int4WeightOnlyConfig`)."""
    name = text.lower().replace("_", "")
    if "fp4" in name or "float4" in name:
        return fp4
    if "fp8" in name or "float8" in name:
        return "fp8"
    if "int8" in name:
        whole = "dynamicactivation" in name or quant.get("input_tensors") or "int8dq" in name
        return "int8" if whole else "int8_wo"
    if "int4" in name or "uint4" in name:
        return "int4_wo"
    raise ValueError(f"quantization_config names {text!r}, which is not a known format of weights")


_ALGORITHMS = (
    ("MXFP4", "mxfp4"), ("FP4", "nvfp4"), ("MXFP8", "mxfp8"), ("FP8", "fp8"), ("W4A16", "int4_wo"),
)  # fmt: skip


def _algorithm_format(algorithm: str) -> str:
    return next((found for name, found in _ALGORITHMS if name in algorithm.upper()), "bf16")


def _mixed_formats(quant: Config, producer: Config) -> tuple[str, str]:
    """Formats layer by layer (`quantized_layers`), read off the first of each kind."""
    layers = quant.get("quantized_layers") or producer.get("quantized_layers") or {}
    attention = _first_format(layers, _ATTENTION) or ("fp8" if quant.get("quant_method") == "fp8" else "bf16")
    experts = _first_format(layers, _EXPERTS) or _algorithm_format(str(quant.get("moe_quant_algo") or ""))
    if "fp8" in (attention, experts) and quant.get("weight_block_size"):
        attention = "fp8_block" if attention == "fp8" else attention
    return attention, experts


def _first_format(layers: Config, pattern: re.Pattern[str]) -> str | None:
    named = sorted(name for name in layers if pattern.search(name))
    by_expert = [name for name in named if "experts" in name and "shared" not in name] or named
    return _algorithm_format(str(layers[by_expert[0]].get("quant_algo", ""))) if by_expert else None


def _compressed_tensors_format(quant: Config) -> str:
    if "mxfp4" in str(quant.get("format")):
        return "mxfp4"
    for group in (quant.get("config_groups") or {}).values():
        weights, activations = group.get("weights") or {}, group.get("input_activations")
        bits, kind = int(weights.get("num_bits") or 16), weights.get("type")
        if bits == 4:
            return "nvfp4" if kind == "float" else ("w4a8" if activations else "int4_wo")
        if bits == 8:
            return "fp8" if kind == "float" else ("int8" if activations else "int8_wo")
    return "bf16"


def weights_per_scale(config: Config) -> int | None:
    """How many 4-bit integer weights share one scale, where a compressed-tensors checkpoint says it."""
    quant = config.get("quantization_config") or text_config(config).get("quantization_config") or {}
    groups = (quant.get("config_groups") or {}).values() if isinstance(quant, Mapping) else ()
    kinds = [group.get("weights") or {} for group in groups]
    sizes = [kind.get("group_size") for kind in kinds if kind.get("type") == "int"]
    return next((size for size in sizes if isinstance(size, int) and size > 0), None)


def _attention_excluded(quant: Config, producer: Config) -> bool:
    lists: tuple[Iterable[Any], ...] = tuple(
        source.get(key) or ()
        for source in (quant, producer)
        for key in ("modules_to_not_convert", "ignore", "exclude_modules")
    )
    names = [str(item) for items in lists for item in items]
    return any(_WHOLE_ATTENTION.search(name) or _PROJECTION.search(name) for name in names)
