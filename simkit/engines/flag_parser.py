"""Worker arguments read back: ours, a peer's or hand-edited, long names and aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from perfmodels.model.dtypes import Precision, dtype
from perfmodels.parallel import ParallelPlan
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError, unknown_name
from simkit.engines.flag_reader import read_flags
from simkit.engines.flags import Flags, FlagTable
from simkit.engines.plan_flags import plan_from_flags
from simkit.engines.registry import default_engine, engine_spec
from simkit.engines.spec import EngineSpec

# --- The engines' names of quantisations, and which number formats they stand for.


# These leave everything but routed experts as it is.
_EXPERTS_ONLY = frozenset(
    {"mxfp4", "gpt_oss_mxfp4", "experts_int8", "mxfp_w4a8", "quark_int4fp8_moe", "w4afp8"}
)
_MOST_BYTES = 2**50
_BY_CHECKPOINT = ("modelopt",)  # the producer; which of its formats it is the checkpoint says
_SIXTEEN_BITS = 1.9
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
    known = engine_spec(backend).formats.quantizations
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
    (fp8 with block scales, a mixture). Raises InputError where it is stored in another one: engines
    quantise nothing twice.
    """
    quantised = min(dtype(name).bytes_per_element for name in (stored.gemm, stored.moe)) < _SIXTEEN_BITS
    if method is None or found is None or (quantised and method.lower() in _BY_CHECKPOINT):
        return stored
    size = dtype(found).bytes_per_element
    if quantised and not _alike(stored.moe, size) and not _alike(stored.gemm, size):
        raise InputError(
            f"--quantization {method[:40]}: the checkpoint is stored in {stored.moe} already, and the engine "
            "would not start; drop the flag, or name a checkpoint in 16 bits"
        )
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
    spec = engine_spec(backend)
    table = spec.flags
    plan = plan_from_flags(backend, flags, moe=moe)
    return WorkerSettings(
        plan=plan,
        engine=_engine(backend, flags, plan),
        kv_dtype=_read_kv_dtype(flags, spec),
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
    table, base, ranks = engine_spec(backend).flags, default_engine(backend), 1
    if flags.has(table.shared_attention):  # limits are written for all ranks together
        ranks = plan.attn_dp
    found: dict[str, Any] = {
        "max_num_seqs": _rank_share(flags.integer(table.max_num_seqs), ranks),
        "max_num_batched_tokens": _token_budget(flags, table, ranks),
        "memory_frac": flags.number(table.memory_frac),
        "kv_block_tokens": flags.integer(table.block_tokens),
        "max_model_len": _longest(flags, table),
        "prefix_caching": flags.switch(table.prefix_on, table.prefix_off),
        "cuda_graphs": False if _without_graphs(flags, table) else None,
        "speculative": True if flags.has(table.speculative) else None,
        "poll_steps": _poll_steps(flags, table),
        "hold_steps": flags.integer(table.hold),
        "cache_bytes": flags.integer(table.cache_bytes, _MOST_BYTES),
        "drafting": engine_spec(backend).drafts.named(flags) or None,
    }
    block = found["kv_block_tokens"] or base.kv_block_tokens
    found["cache_tokens"] = _cache_tokens(flags, table, block)
    if table.mixed:
        found["mixed_steps"] = flags.switch(table.mixed) is True
    return replace(base, **{name: value for name, value in found.items() if value is not None})


def _cache_tokens(flags: Flags, table: FlagTable, block: int) -> int | None:
    """The size of the cache where it is set, in tokens or in blocks."""
    blocks = flags.integer(table.cache_blocks)
    return flags.integer(table.cache_tokens, _MOST_BYTES) if blocks is None else blocks * block


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


def _token_budget(flags: Flags, table: FlagTable, ranks: int) -> int | None:
    chunk = flags.text(table.token_budget)
    # A negative chunk turns chunking off.
    if table.whole_budget and (chunk is None or chunk.startswith("-")):
        return flags.integer(table.whole_budget)
    return _rank_share(flags.integer(table.token_budget), ranks)


def _rank_share(value: int | None, ranks: int) -> int | None:
    return value if value is None or ranks == 1 else max(value // ranks, 1)


def _read_kv_dtype(flags: Flags, spec: EngineSpec) -> str | None:
    """The format that the engine's own name stands for, if it is one; else that of any engine's name."""
    text = flags.text(spec.flags.kv_dtype)
    own = [kv for kv, name in spec.formats.cache_names.items() if name == text]
    if own:
        return own[0] if len(own) == 1 else None
    return None if text is None else cache_format(text)
