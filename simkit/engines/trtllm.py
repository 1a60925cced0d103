"""All that is known of TensorRT-LLM. Flags: Dynamo 1.6.1's worker and blueprints, trtllm-serve of 1.3."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError
from simkit.engines.common import NGRAM_SIZE, constant_fraction, sizes
from simkit.engines.flags import EP, NEUTRAL, PP, TP, Flags, FlagTable
from simkit.engines.releases import releases_of
from simkit.engines.spec import (
    CommandLine,
    Drafting,
    DynamoWorker,
    EngineSpec,
    GpuSupport,
    GroupSizes,
    MemoryReserves,
    Multinode,
    NumberFormats,
    OwnServer,
    PlanRules,
    SchedulerRules,
    WorkerContext,
)

NAME = "trtllm"

DEFAULTS = EngineOptions(
    backend=NAME, version="1.3.0rc20", max_num_seqs=512, max_num_batched_tokens=8192,
    memory_frac=0.9, kv_block_tokens=32, mixed_steps=True,
)  # fmt: skip

MEMORY = MemoryReserves(
    own_fraction=constant_fraction(0.9),
    # Medians over four start-up logs in data/memory/kv_capacity_reports.csv; with peers 3.8 to 8.9.
    fixed_gib=(((10000,), 3.0, 4.2),),
    output_share=1.0,  # guaranteed no eviction
    of_free=True,
)

FORMATS = NumberFormats(
    # TensorRT-LLM's QuantAlgo, with the names of earlier versions.
    quantizations=MappingProxyType({
        "fp8": "fp8", "fp8_block_scales": "fp8_block", "fp8_per_channel_per_token": "fp8", "nvfp4": "nvfp4",
        "w4a16": "int4_wo", "w4a16_awq": "int4_wo", "w4a16_gptq": "int4_wo", "w4a8_awq": "w4a8",
        "w8a16": "int8_wo", "w8a8_sq_per_channel": "int8", "w4a16_mxfp4": "mxfp4",
        "w4a8_mxfp4_fp8": "mxfp4_mxfp8", "w4a8_mxfp4_mxfp8": "mxfp4_mxfp8", "mixed_precision": None,
        "no_quant": None,
    }),
    cache_names=MappingProxyType({"bf16": "auto", "fp16": "auto", "fp8": "fp8", "nvfp4": "nvfp4"}),
    quantised_cache="fp8",
)  # fmt: skip

_DOTTED = "--trtllm."
_KV = "--trtllm.kv_cache_config."
FLAGS = FlagTable(
    model=("--model-path", "--model"),
    tp=(*TP, "--trtllm.tensor_parallel_size"),
    pp=(*PP, "--trtllm.pipeline_parallel_size"),
    dp=("--enable-attention-dp", "--trtllm.enable_attention_dp"),
    ep=(*EP, "--moe-expert-parallel-size", "--trtllm.moe_expert_parallel_size"),
    max_num_seqs=("--max-batch-size", "--trtllm.max_batch_size"),
    token_budget=("--max-num-tokens", "--trtllm.max_num_tokens"),
    memory_frac=(
        _KV + "free_gpu_memory_fraction", "--free-gpu-memory-fraction",
        "--kv-cache-free-gpu-memory-fraction", "--kv-cache-free-gpu-mem-fraction",
    ),
    max_model_len=("--max-seq-len", "--trtllm.max_seq_len"),
    block_tokens=(_KV + "tokens_per_block", "--kv-block-size"),
    kv_dtype=(
        _KV + "dtype",
        "--kv-cache-dtype",
        "--trtllm.quant_config.kv_cache_quant_algo",
        "--trtllm.kv_cache_dtype",  # before kv_cache_config had it
        "--trtllm.pytorch_backend_config.kv_cache_dtype",
    ),
    quantization=("--trtllm.quant_config.quant_algo",),
    role=("--disaggregation-mode", "--server-role"),
    prefix_on=(_KV + "enable_block_reuse",),
    speculative=("--trtllm.speculative_config.decoding_type",),
    hold=("--trtllm.batch_wait_timeout_iters",),
    cache_tokens=(_KV + "max_tokens",),
    graphs=("--trtllm.cuda_graph_config",),
    neutral=(
        *NEUTRAL, "--publish-kv-events", "--publish-events-and-metrics", "--no-enable-attention-dp",
        "--trtllm.trust_remote_code", "--trtllm.enable_chunked_prefill", "--trtllm.print_iter_log",
        "--trtllm.disable_overlap_scheduler", "--trtllm.cuda_graph_config.enable_padding",
        "--trtllm.cuda_graph_config.max_batch_size", "--trtllm.cache_transceiver_config.backend",
        "--trtllm.cache_transceiver_config.max_tokens_in_buffer",
        "--extra-engine-args", "--override-engine-args", "--trtllm-config", "--trtllm.backend",
        "--trtllm.moe_tensor_parallel_size",
    ),
)  # fmt: skip


def _settings(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
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
    flags = _dotted(settings)
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags.append("--publish-kv-events")
    return flags


def _dotted(settings: Mapping[str, Any]) -> list[str]:
    return [part for key, value in settings.items() for part in (_DOTTED + key, _text(value))]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- Plans: the tensor-parallel size is that of the whole group, which attention data parallelism takes
# whole too.


def _write_plan(plan: ParallelPlan) -> list[str]:
    if plan.tp > 1 and plan.attn_dp > 1:
        raise InputError(
            f"plan {plan.label}: TensorRT-LLM's attention data parallelism takes the whole group of "
            f"{plan.tp * plan.attn_dp} GPUs; use tp 1 with attn_dp {plan.tp * plan.attn_dp}, or attn_dp 1"
        )
    attention = [FLAGS.dp[0]] if plan.attn_dp > 1 else []
    return [*sizes(FLAGS, plan.tp * plan.attn_dp, plan), FLAGS.ep[0], str(plan.ep), *attention]


def _read_plan(flags: Flags) -> GroupSizes:
    group = flags.size(FLAGS.tp)
    spread = flags.switch(FLAGS.dp, ("--no-enable-attention-dp",)) is True
    tp, dp = (1, group) if spread else (group, 1)
    # Where only the split inside an expert is stated, the rest of the group spreads experts.
    inside = flags.size(("--trtllm.moe_tensor_parallel_size",))
    ep = flags.size(FLAGS.ep) if flags.has(FLAGS.ep) else (group // inside if inside > 1 else 1)
    if inside > 1 and inside * ep != group:
        raise InputError(
            f"moe_tensor_parallel_size {inside} x moe_expert_parallel_size {ep} is not the group of {group} "
            "GPUs; make them agree"
        )
    return GroupSizes(tp=tp, pp=flags.size(FLAGS.pp), attn_dp=dp, ep=ep)


def _draft(draft: Draft) -> list[str]:
    """speculative_config.decoding_type and what goes with it."""
    settings: dict[str, str | int] = {
        "decoding_type": {"mtp": "MTP", "eagle": "Eagle3", "ngram": "NGram"}[draft.method]
    }
    settings["num_nextn_predict_layers" if draft.method == "mtp" else "max_draft_len"] = draft.tokens
    if draft.model:
        settings["speculative_model"] = draft.model
    if draft.method == "ngram":
        settings["max_matching_ngram_size"] = NGRAM_SIZE
    return _dotted({f"speculative_config.{key}": value for key, value in settings.items()})


def _drafting(flags: Flags) -> str:
    return "mtp" if (flags.text(FLAGS.speculative) or "").upper() == "MTP" else ""


# --- trtllm-serve has no flag for these: the file that --config names has.

_FILE_KEYS: Mapping[str, str] = MappingProxyType({
    "--tensor-parallel-size": "tensor_parallel_size", "--pipeline-parallel-size": "pipeline_parallel_size",
    "--expert-parallel-size": "moe_expert_parallel_size", "--enable-attention-dp": "enable_attention_dp",
    "--max-batch-size": "max_batch_size", "--max-num-tokens": "max_num_tokens",
    "--max-seq-len": "max_seq_len",
})  # fmt: skip


def _arguments(given: Sequence[str], context: WorkerContext, settings: str) -> list[str]:
    return ["serve", context.model_path, "--config", settings]


def _settings_file(words: Sequence[str]) -> dict[str, object]:
    """The settings nested as the LLM arguments are."""
    document: dict[str, object] = {}
    for place, word in enumerate(words):
        if not word.startswith("--") or word in (FLAGS.model[0], FLAGS.served_name[0]):
            continue
        after = words[place + 1] if place + 1 < len(words) else "--"
        path = word.removeprefix(_DOTTED) if word.startswith(_DOTTED) else _FILE_KEYS.get(word)
        if path is not None:
            _put(document, path.split("."), True if after.startswith("--") else _value(after))
    return document


def _put(document: dict[str, object], path: list[str], value: object) -> None:
    inner = document
    for key in path[:-1]:
        below = inner.setdefault(key, {})
        if isinstance(below, dict):
            inner = below
    inner[path[-1]] = value


def _value(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


SPEC = EngineSpec(
    name=NAME,
    label="TensorRT-LLM",
    colour="#0a9a73",
    rank=1,
    fitted_as=NAME,
    defaults=DEFAULTS,
    memory=MEMORY,
    scheduling=SchedulerRules(reserve_running=1.0, reserve_own=1.0),
    formats=FORMATS,
    gpus=GpuSupport(oldest="ampere", fp8_from="ada", nvfp4_from="blackwell"),
    flags=FLAGS,
    command=CommandLine(
        settings=_settings,
        dotted=_DOTTED,
        json_overrides=("--override-engine-args",),
        draft_prefixes=("--speculative", "--trtllm.speculative_config."),
        chunks_on=("--enable-chunked-prefill", "--trtllm.enable_chunked_prefill"),
        chunked=False,
        files=("--config", "--extra-llm-api-options", "--extra-engine-args", "--trtllm-config"),
        file_wins=True,
    ),
    plans=PlanRules(
        write=_write_plan, read=_read_plan, apart=lambda flags, moe: 1, attention_groups=False
    ),
    drafts=Drafting(write=_draft, named=_drafting),
    server=OwnServer(
        program="trtllm-serve",
        variable="SIMKIT_TRTLLM",
        shown=("trtllm-serve",),
        arguments=_arguments,
        settings=_settings_file,
        modules=("tensorrt_llm.commands.serve",),
        commands=(("trtllm-serve", "serve"),),
        bare=("trtllm-serve",),
        refused=("disaggregated", "disaggregated_mpi_worker", "mm_embedding_serve"),
        launcher="trtllm-llmapi-launch",
        lists_path=True,
        variables=("TRTLLM_", "TLLM_"),
        no_python=((3, 11),),
    ),
    worker=DynamoWorker(
        module="dynamo.trtllm",
        image="tensorrtllm-runtime",
        mocked_as=NAME,
        component="TRTLLM",
        compile_env=MappingProxyType({
            "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor",
            "FLASHINFER_WORKSPACE_BASE": "flashinfer", "TRTLLM_DG_CACHE_DIR": "deep_gemm",
        }),
        fabric_env=MappingProxyType({"efa": {"TRTLLM_NIXL_KVCACHE_BACKEND": "LIBFABRIC"}}),
    ),
    # mpirun on the leader, ssh daemons elsewhere.
    multinode=Multinode(launch=lambda shape, gpus_per_pod: "mpi"),
    releases=releases_of(NAME),
)  # fmt: skip
