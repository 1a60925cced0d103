"""Worker arguments read back: ours, a peer's or hand-edited, long names and aliases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.adapters.engine_flags import TABLES, FlagTable
from simkit.adapters.engine_plans import DP_ATTENTION, plan_from_flags
from simkit.adapters.flag_reader import Flags, read_flags
from simkit.adapters.quantization import cache_format, weight_format
from simkit.core.engine import EngineOptions, Role, default_engine
from simkit.core.errors import InputError, unknown_name

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
