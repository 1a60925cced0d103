"""A pool of engines as worker arguments of Dynamo's runtimes, and arguments read back as a pool.

Only what was predicted is written: the plan and EngineOptions. max_num_seqs and
max_num_batched_tokens belong to one scheduler, so to one attention data-parallel rank; SGLang counts
them over all ranks and is given the product.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from perfmodels.dtypes import Precision, dtype
from perfmodels.parallel import ParallelPlan
from simkit.adapters.engine_flags import TABLES, FlagTable
from simkit.adapters.engine_plans import plan_flags, plan_from_flags
from simkit.adapters.flag_reader import Flags, read_flags
from simkit.core.deployment import Pool
from simkit.core.engine import EngineOptions, Role, default_engine
from simkit.core.errors import InputError, unknown_name

BOOTSTRAP_PORT = 12345
_KV_EVENTS = (
    '{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:20080","enable_kv_cache_events":true}'
)
_SGLANG_KV_EVENTS = '{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:5557"}'
_KV_DTYPES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "vllm": {"bf16": "auto", "fp16": "auto", "fp8": "fp8"},
    "sglang": {"bf16": "auto", "fp16": "auto", "fp8": "fp8_e4m3"},
    "trtllm": {"bf16": "auto", "fp16": "auto", "fp8": "fp8", "nvfp4": "nvfp4"},
})  # fmt: skip
_WEIGHT_DTYPES = MappingProxyType({"modelopt_fp4": "nvfp4", "modelopt": "fp8", "fp8": "fp8", "awq": "int4_wo",
                                   "awq_marlin": "int4_wo", "gptq": "int4_wo", "gptq_marlin": "int4_wo",
                                   "mxfp4": "mxfp4", "w8a8_int8": "int8", "w8a8_fp8": "fp8"})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker is told beside its plan. model_path is the model's name when nothing is cached."""

    model_name: str
    model_path: str
    precision: Precision = field(default_factory=Precision)
    trust_remote_code: bool = False
    kv_events: bool = False  # tell the router which blocks are cached


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


def worker_args(pool: Pool, role: Role, context: WorkerContext) -> list[str]:
    """The arguments after `python3 -m dynamo.<engine>` for one worker of the pool."""
    engine = pool.engine
    _check_expressible(engine, role)
    table = TABLES[engine.backend]
    flags = [
        *(table.model[0], context.model_path),
        *(table.served_name[0], context.model_name),
        *plan_flags(engine.backend, pool.plan),
        *_setting_flags(pool, table),
        *(table.kv_dtype[0], _kv_dtype(engine.backend, context.precision.kv)),
        *_WRITERS[engine.backend](engine, role, context),
    ]
    if role != "aggregated":
        flags += [table.role[0], role]
    return flags


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
        role=_role(role),
        settings_file=flags.text(("--extra-engine-args",)),
        unknown=tuple(dict.fromkeys(name for name, _ in flags.items if _is_unknown(name, table))),
    )


def _is_unknown(name: str, table: FlagTable) -> bool:
    return name != "-m" and name not in table.known


def _role(text: str | None) -> Role | None:
    if text in ("prefill", "decode"):
        return text  # type: ignore[return-value]
    if text in (None, "agg", "aggregated", "null", "none"):
        return None if text is None else "aggregated"
    raise InputError(f"flag --disaggregation-mode: expected prefill, decode or agg, got {text!r}; correct it")


def _check_expressible(engine: EngineOptions, role: Role) -> None:
    """Refuse settings that the engine has no flag for: it would run otherwise than predicted."""
    if engine.speculative:
        raise InputError(
            "engine.speculative: a draft model cannot be written as flags yet; add the engine's speculative "
            "flags by spec.overrides.dgd and predict without it"
        )
    if role == "aggregated" and not engine.mixed_steps and engine.backend != "sglang":
        raise InputError(
            f"engine.mixed_steps: {engine.backend} always mixes prefill chunks with decodes; leave it true"
        )
    if engine.backend == "trtllm" and not engine.cuda_graphs and role != "prefill":
        raise InputError(
            "engine.cuda_graphs: TensorRT-LLM has no flag that turns CUDA graphs off; leave it true"
        )


def _setting_flags(pool: Pool, table: FlagTable) -> list[str]:
    engine, plan = pool.engine, pool.plan
    ranks = plan.attn_dp if engine.backend == "sglang" else 1
    flags = [
        *(table.max_num_seqs[0], str(engine.max_num_seqs * ranks)),
        *(table.token_budget[0], str(engine.max_num_batched_tokens * ranks)),
        *(table.memory_frac[0], f"{engine.memory_frac:g}"),
    ]
    # Left out at the default, because some attention kernels pick a larger block by themselves.
    if engine.kv_block_tokens != default_engine(engine.backend).kv_block_tokens:
        for name in table.block_tokens:
            flags += [name, str(engine.kv_block_tokens)]
    return flags


def _kv_dtype(backend: str, kv: str) -> str:
    names = _KV_DTYPES[backend]
    if kv not in names:
        raise InputError(
            f"{backend} cannot store the KV cache as {kv}; choose one of {', '.join(dict.fromkeys(names))}"
        )
    return names[kv]


def _vllm_flags(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    flags = [] if engine.prefix_caching else ["--no-enable-prefix-caching"]
    flags += [] if engine.cuda_graphs else ["--enforce-eager"]
    flags += ["--trust-remote-code"] if context.trust_remote_code else []
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags += ["--kv-events-config", _KV_EVENTS]
    if role != "aggregated":
        side = "kv_producer" if role == "prefill" else "kv_consumer"
        flags += ["--kv-transfer-config", f'{{"kv_connector":"NixlConnector","kv_role":"{side}"}}']
    return flags


def _sglang_flags(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    # The chunk is shared by all ranks, the prefill limit is each rank's own.
    flags = ["--max-prefill-tokens", str(engine.max_num_batched_tokens)]
    flags += ["--enable-mixed-chunk"] if engine.mixed_steps else []
    flags += [] if engine.prefix_caching else ["--disable-radix-cache"]
    flags += [] if engine.cuda_graphs else ["--disable-cuda-graph"]
    flags += ["--trust-remote-code"] if context.trust_remote_code else []
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags += ["--kv-events-config", _SGLANG_KV_EVENTS]
    if role != "aggregated":
        flags += ["--disaggregation-transfer-backend", "nixl"]
        flags += ["--disaggregation-bootstrap-port", str(BOOTSTRAP_PORT), "--host", "0.0.0.0"]  # noqa: S104
    return flags


def _trtllm_flags(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    """Every kv_cache_config key is dotted: one dotted key makes the runtime drop the plain flags."""
    settings: dict[str, Any] = {
        "kv_cache_config.enable_block_reuse": engine.prefix_caching,
        "enable_chunked_prefill": True,
    }
    if engine.cuda_graphs:
        settings["cuda_graph_config.enable_padding"] = True
        settings["cuda_graph_config.max_batch_size"] = engine.max_num_seqs
    if context.trust_remote_code:
        settings["trust_remote_code"] = True
    if role == "prefill":
        settings["disable_overlap_scheduler"] = True  # not supported on prefill-only workers
    if role != "aggregated":
        settings["cache_transceiver_config.backend"] = "DEFAULT"
    flags = [part for key, value in settings.items() for part in (f"--trtllm.{key}", _text(value))]
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags.append("--publish-kv-events")
    return flags


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_WRITERS: Mapping[str, Callable[[EngineOptions, Role, WorkerContext], list[str]]] = MappingProxyType(
    {"vllm": _vllm_flags, "sglang": _sglang_flags, "trtllm": _trtllm_flags}
)


def _engine(backend: str, flags: Flags, plan: ParallelPlan) -> EngineOptions:
    table, base = TABLES[backend], default_engine(backend)
    found: dict[str, Any] = {
        "max_num_seqs": flags.integer(table.max_num_seqs),
        "max_num_batched_tokens": _token_budget(backend, flags, plan),
        "memory_frac": flags.number(table.memory_frac),
        "kv_block_tokens": flags.integer(table.block_tokens),
        "prefix_caching": flags.switch(table.prefix_on, table.prefix_off),
        "cuda_graphs": False if flags.has(table.eager) else None,
        "speculative": True if flags.has(table.speculative) else None,
    }
    if backend == "sglang":
        found["mixed_steps"] = flags.has(("--enable-mixed-chunk",))
        seqs = found["max_num_seqs"]
        found["max_num_seqs"] = None if seqs is None else max(seqs // plan.attn_dp, 1)
    return replace(base, **{name: value for name, value in found.items() if value is not None})


def _token_budget(backend: str, flags: Flags, plan: ParallelPlan) -> int | None:
    table = TABLES[backend]
    if backend != "sglang":
        return flags.integer(table.token_budget)
    chunk = flags.text(table.token_budget[:1])
    if chunk is None or chunk.startswith("-"):  # a negative chunk turns chunking off
        return flags.integer(table.token_budget[1:])
    return max(flags.integer(table.token_budget[:1]) // plan.attn_dp, 1)  # type: ignore[operator]


def _read_kv_dtype(flags: Flags, table: FlagTable) -> str | None:
    text = flags.text(table.kv_dtype)
    if text is None or text == "auto":
        return None
    try:
        return dtype(text).name
    except KeyError as error:
        raise InputError(f"flag {table.kv_dtype[0]}: {error.args[0]}; correct it") from error
