"""Worker arguments of Dynamo's runtimes from a pool of engines, drafts included."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.draft import Draft, draft_refusal
from simkit.core.engine import EngineOptions, Role, default_engine
from simkit.core.errors import InputError
from simkit.engines.flags import TABLES, FlagTable
from simkit.engines.plan_flags import plan_flags
from simkit.engines.releases import NEWEST

# --- Speculative decoding as the engines' own flags.
# Sources: the speculative-decoding pages of vLLM (one JSON of method, model and num_speculative_tokens),
# SGLang (one flag per size; the chain of drafts that is predicted has a top-k of one) and TensorRT-LLM 1.3
# (speculative_config.decoding_type and what goes with it).


_NGRAM_SIZE = 4  # longest n-gram that is looked up in the prompt


def draft_flags(backend: str, draft: Draft, plan: ParallelPlan) -> list[str]:
    """The flags that make an engine draft so.

    Raises InputError for plans under which it would not start.
    """
    reason = draft_refusal(backend, draft, plan)
    if reason:
        raise InputError(reason)
    return _WRITERS[backend](draft)


def _vllm(draft: Draft) -> list[str]:
    method = "eagle3" if draft.method == "eagle" else draft.method
    config: dict[str, str | int] = {"method": method, "num_speculative_tokens": draft.tokens}
    if draft.model:
        config["model"] = draft.model
    if draft.method == "ngram":
        config["prompt_lookup_max"] = _NGRAM_SIZE
    return ["--speculative-config", json.dumps(config, separators=(",", ":"))]


def _sglang(draft: Draft) -> list[str]:
    algorithm = {"mtp": "EAGLE", "eagle": "EAGLE3", "ngram": "NGRAM"}[draft.method]
    flags = ["--speculative-algorithm", algorithm, "--speculative-num-draft-tokens", str(draft.queries)]
    if draft.model:
        flags += ["--speculative-draft-model-path", draft.model]
    if draft.method != "ngram":
        flags += ["--speculative-num-steps", str(draft.tokens), "--speculative-eagle-topk", "1"]
    return flags


def _trtllm(draft: Draft) -> list[str]:
    settings: dict[str, str | int] = {
        "decoding_type": {"mtp": "MTP", "eagle": "Eagle3", "ngram": "NGram"}[draft.method]
    }
    if draft.method == "mtp":
        settings["num_nextn_predict_layers"] = draft.tokens
    else:
        settings["max_draft_len"] = draft.tokens
    if draft.model:
        settings["speculative_model"] = draft.model
    if draft.method == "ngram":
        settings["max_matching_ngram_size"] = _NGRAM_SIZE
    return [
        part for key, value in settings.items() for part in (f"--trtllm.speculative_config.{key}", str(value))
    ]


_WRITERS: Mapping[str, Callable[[Draft], list[str]]] = MappingProxyType(
    {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}
)


# --- Worker arguments of Dynamo's runtimes from a pool of engines.
# Only what was predicted is written: the plan and EngineOptions. max_num_seqs and
# max_num_batched_tokens belong to one scheduler, so to one attention data-parallel rank; SGLang counts
# them over all ranks and is given the product.


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker is told beside its plan. model_path is the model's name when nothing is cached."""

    model_name: str
    model_path: str
    precision: Precision = field(default_factory=Precision)
    trust_remote_code: bool = False
    kv_events: bool = False  # tell the router which blocks are cached
    kv_roles: tuple[str, str] = NEWEST.kv_roles  # vLLM's, of prefill and of decode
    nixl_backend: str | None = None  # what carries the cache; None: UCX
    switches: tuple[str, ...] = ()  # what else the release needs, as for a Planner's metrics


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
        *_SETTING_WRITERS[engine.backend](engine, role, context),
    ]
    if engine.draft is not None:
        flags += draft_flags(engine.backend, engine.draft, pool.plan)
    flags += [name for name in context.switches if name not in flags]
    if role != "aggregated":
        flags += [table.role[0], role]
    return flags


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
    ]
    if engine.memory_frac is not None:
        flags += [table.memory_frac[0], f"{engine.memory_frac:g}"]
    for names, steps in ((table.poll, engine.poll_steps), (table.hold, engine.hold_steps)):
        if names and steps:
            flags += [names[0], str(steps)]
    if engine.max_model_len is not None:
        flags += [table.max_model_len[0], str(engine.max_model_len)]
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
        flags += ["--kv-transfer-config", _transfer_config(role, context)]
    return flags


def _transfer_config(role: Role, context: WorkerContext) -> str:
    side = context.kv_roles[0 if role == "prefill" else 1]
    config: dict[str, Any] = {"kv_connector": "NixlConnector", "kv_role": side}
    if context.nixl_backend:
        config["kv_connector_extra_config"] = {"backends": [context.nixl_backend]}
    return json.dumps(config, separators=(",", ":"))


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


_SETTING_WRITERS: Mapping[str, Callable[[EngineOptions, Role, WorkerContext], list[str]]] = MappingProxyType(
    {"vllm": _vllm_flags, "sglang": _sglang_flags, "trtllm": _trtllm_flags}
)
