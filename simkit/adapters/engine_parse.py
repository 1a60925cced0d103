"""Worker arguments read back: ours, a peer's or hand-edited, long names and aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from perfmodels.dtypes import dtype
from perfmodels.parallel import ParallelPlan
from simkit.adapters.engine_flags import TABLES, FlagTable
from simkit.adapters.engine_plans import DP_ATTENTION, plan_from_flags
from simkit.adapters.flag_reader import Flags, read_flags
from simkit.core.engine import EngineOptions, Role, default_engine
from simkit.core.errors import InputError, unknown_name

_WEIGHT_DTYPES: Mapping[str, str] = MappingProxyType({
    "fp8": "fp8", "w8a8_fp8": "fp8", "modelopt": "fp8", "modelopt_fp4": "nvfp4", "mxfp4": "mxfp4",
    "awq": "int4_wo", "awq_marlin": "int4_wo", "gptq": "int4_wo", "gptq_marlin": "int4_wo",
    "w8a8_int8": "int8",
})  # fmt: skip


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
        return None if self.quantization is None else _WEIGHT_DTYPES.get(self.quantization.lower())


def parse_worker_args(backend: str, args: Sequence[str], *, moe: bool | None = None) -> WorkerSettings:
    """What a worker's arguments mean: ours, a peer's or hand-edited; long names and aliases.

    Settings that are not given are the engine's defaults. moe: whether the model has routed experts
    (see engine_plans.plan_from_flags).
    """
    if backend not in TABLES:
        raise unknown_name("backend", backend, TABLES)
    table, flags = TABLES[backend], read_flags(args)
    plan = plan_from_flags(backend, flags, moe=moe)
    role = flags.text(table.role)
    return WorkerSettings(
        plan=plan,
        engine=_engine(backend, flags, plan),
        kv_dtype=_read_kv_dtype(flags, table),
        quantization=flags.text(table.quantization),
        model_name=flags.text(table.served_name),
        model_path=flags.text(table.model),
        role=role_named(role),
        settings_file=flags.text(("--extra-engine-args",)),
        unknown=tuple(dict.fromkeys(name for name, _ in flags.items if _is_unknown(name, table))),
    )


def _is_unknown(name: str, table: FlagTable) -> bool:
    return name != "-m" and name not in table.known


def role_named(text: str | None) -> Role | None:
    """The role that --disaggregation-mode names; None when it is not given."""
    if text in ("prefill", "decode"):
        return text  # type: ignore[return-value]
    if text in (None, "agg", "aggregated", "null", "none"):
        return None if text is None else "aggregated"
    raise InputError(f"flag --disaggregation-mode: expected prefill, decode or agg, got {text!r}; correct it")


def _engine(backend: str, flags: Flags, plan: ParallelPlan) -> EngineOptions:
    table, base = TABLES[backend], default_engine(backend)
    found: dict[str, Any] = {
        "max_num_seqs": flags.integer(table.max_num_seqs),
        "max_num_batched_tokens": _token_budget(backend, flags, plan),
        "memory_frac": flags.number(table.memory_frac),
        "kv_block_tokens": flags.integer(table.block_tokens),
        "max_model_len": flags.integer(table.max_model_len),
        "prefix_caching": flags.switch(table.prefix_on, table.prefix_off),
        "cuda_graphs": False if flags.has(table.eager) else None,
        "speculative": True if flags.has(table.speculative) else None,
    }
    if backend == "sglang":
        found["mixed_steps"] = flags.has(("--enable-mixed-chunk",))
        seqs = found["max_num_seqs"]
        found["max_num_seqs"] = None if seqs is None else max(seqs // _ranks(flags, plan), 1)
    return replace(base, **{name: value for name, value in found.items() if value is not None})


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
    if text is None or text == "auto":
        return None
    try:
        return dtype(text).name
    except KeyError as error:
        raise InputError(f"flag {table.kv_dtype[0]}: {error.args[0]}; correct it") from error
