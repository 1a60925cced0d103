"""Worker arguments read back: ours, a peer's or hand-edited, long names and aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from perfmodels.model.dtypes import Precision, dtype
from perfmodels.parallel import ParallelPlan
from simkit.core.engine import EngineOptions, Role, default_engine
from simkit.core.errors import InputError, unknown_name
from simkit.engines.flag_reader import Flags, read_flags
from simkit.engines.flags import TABLES, FlagTable
from simkit.engines.plan_flags import DP_ATTENTION, plan_from_flags

# --- The engines' names of quantisations, and which number formats they stand for.
# Sources: vLLM's QuantizationMethods, SGLang's QUANTIZATION_CHOICES, TensorRT-LLM's QuantAlgo, each with the
# names of earlier versions. None: the checkpoint's own files say the format.


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


# Dynamo's and the engines' own words; TensorRT-LLM's server calls the two phases context and generation.
_ROLES = {
    "agg": "aggregated", "pd": "aggregated", "prefill_and_decode": "aggregated", "null": "aggregated",
    "none": "aggregated", "context": "prefill", "generation": "decode",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker's arguments say. None: not said. unknown: flags that were passed over."""

    plan: ParallelPlan
    engine: EngineOptions
    kv_dtype: str | None = None
    quantization: str | None = None
    model_name: str | None = None
    model_path: str | None = None
    role: Role | None = None
    settings_file: str | None = None
    unknown: tuple[str, ...] = ()

    @property
    def weight_dtype(self) -> str | None:
        """The number format that `quantization` stands for, where it stands for one."""
        return None if self.quantization is None else weight_format(self.engine.backend, self.quantization)


def parse_worker_args(backend: str, args: Sequence[str], *, moe: bool | None = None) -> WorkerSettings:
    """What a worker's arguments mean: ours, a peer's or hand-edited; long names and aliases.

    Settings that are not given are the engine's defaults. moe: whether the model has routed experts
    (see engine_plans.plan_from_flags).
    """
    return parse_flags(backend, read_flags(args), moe=moe)


def parse_flags(backend: str, flags: Flags, *, moe: bool | None = None) -> WorkerSettings:
    """As parse_worker_args, for flags already read."""
    if backend not in TABLES:
        raise unknown_name("backend", backend, TABLES)
    table = TABLES[backend]
    plan = plan_from_flags(backend, flags, moe=moe)
    return WorkerSettings(
        plan=plan,
        engine=_engine(backend, flags, plan),
        kv_dtype=_read_kv_dtype(flags, table),
        quantization=flags.text(table.quantization),
        model_name=flags.text(table.served_name),
        model_path=flags.text(table.model),
        role=_role(flags, table),
        settings_file=flags.text(("--extra-engine-args",)),
        unknown=tuple(dict.fromkeys(name for name, _ in flags.items if _is_unknown(name, table))),
    )


def _is_unknown(name: str, table: FlagTable) -> bool:
    return name != "-m" and name not in table.known


def _role(flags: Flags, table: FlagTable) -> Role | None:
    old = next((role for name, role in table.legacy_roles if flags.switch((name,))), None)
    return role_named(flags.text(table.role) or old)


def role_named(text: str | None) -> Role | None:
    """The role that --disaggregation-mode names; None when it is not given."""
    name = None if text is None else _ROLES.get(text.lower(), text)
    if name in ("prefill", "decode", "aggregated", None):
        return name  # type: ignore[return-value]
    raise InputError(f"flag --disaggregation-mode: expected prefill, decode or agg, got {text!r}; correct it")


def _engine(backend: str, flags: Flags, plan: ParallelPlan) -> EngineOptions:
    table, base = TABLES[backend], default_engine(backend)
    found: dict[str, Any] = {
        "max_num_seqs": flags.integer(table.max_num_seqs),
        "max_num_batched_tokens": _token_budget(backend, flags, plan),
        "memory_frac": flags.number(table.memory_frac),
        "kv_block_tokens": flags.integer(table.block_tokens),
        "max_model_len": _longest(flags, table),
        "prefix_caching": flags.switch(table.prefix_on, table.prefix_off),
        "cuda_graphs": False if _without_graphs(flags, table) else None,
        "speculative": True if flags.has(table.speculative) else None,
        "poll_steps": _poll_steps(flags, table),
        "hold_steps": flags.integer(table.hold),
    }
    if backend == "sglang":
        found["mixed_steps"] = flags.switch(("--enable-mixed-chunk",)) is True
        seqs = found["max_num_seqs"]
        found["max_num_seqs"] = None if seqs is None else max(seqs // _ranks(flags, plan), 1)
    return replace(base, **{name: value for name, value in found.items() if value is not None})


def _poll_steps(flags: Flags, table: FlagTable) -> int | None:
    """A look at every step is the engine's own way and costs nothing."""
    steps = flags.integer(table.poll)
    return 0 if steps == 1 else steps


def _longest(flags: Flags, table: FlagTable) -> int | None:
    """The longest request; vLLM's `auto` and -1 fit it to the cache, which the estimate does by itself."""
    return None if flags.text(table.max_model_len) in ("auto", "-1") else flags.integer(table.max_model_len)


def _without_graphs(flags: Flags, table: FlagTable) -> bool:
    off = (flags.text(table.graphs) or "").lower() in ("none", "null", "disabled")
    return off or flags.switch(table.eager) is True


def _token_budget(backend: str, flags: Flags, plan: ParallelPlan) -> int | None:
    table = TABLES[backend]
    if backend != "sglang":
        return flags.integer(table.token_budget)
    chunk = flags.text(table.token_budget[:1])
    if chunk is None or chunk.startswith("-"):  # a negative chunk turns chunking off
        return flags.integer(table.token_budget[1:])
    tokens = flags.integer(table.token_budget[:1])
    return None if tokens is None else max(tokens // _ranks(flags, plan), 1)


def _ranks(flags: Flags, plan: ParallelPlan) -> int:
    """Over how many schedulers SGLang shares out what its flags count."""
    return plan.attn_dp if flags.has(DP_ATTENTION) else 1


def _read_kv_dtype(flags: Flags, table: FlagTable) -> str | None:
    text = flags.text(table.kv_dtype)
    return None if text is None else cache_format(text)
