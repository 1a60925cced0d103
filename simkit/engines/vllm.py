"""All that is known of vLLM. Flags: the parsers of vLLM 0.26 to 0.31 and Dynamo 1.6.1's worker."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError
from simkit.engines.common import (
    KV_EVENTS_FLAG,
    NGRAM_SIZE,
    QUANTIZATIONS,
    constant_fraction,
    json_field,
    json_text,
    sizes,
)
from simkit.engines.flags import DP, NEUTRAL, PP, TP, Flags, FlagTable
from simkit.engines.releases import releases_of
from simkit.engines.spec import (
    CommandLine,
    Drafting,
    DynamoWorker,
    EngineShape,
    EngineSpec,
    GpuSupport,
    GroupSizes,
    Launch,
    MemoryReserves,
    Multinode,
    NumberFormats,
    OwnServer,
    PlanRules,
    SchedulerRules,
    ServerMetrics,
    WorkerContext,
)

NAME = "vllm"

DEFAULTS = EngineOptions(
    backend=NAME, version="0.24.0", max_num_seqs=512, max_num_batched_tokens=8192,
    memory_frac=0.92, kv_block_tokens=16, mixed_steps=True,
)  # fmt: skip

# Medians over the start-up logs in data/memory/kv_capacity_reports.csv; docs/memory.md shows the spread.
MEMORY = MemoryReserves(
    own_fraction=constant_fraction(0.92),
    fixed_gib=(
        ((0, 11, 1), 2.0, 0.4),
        ((0, 17, 0), 4.6, 0.4),
        ((0, 21, 0), 1.3, 1.8),
        ((10000,), 2.2, 1.8),  # CUDA graphs count against the budget from 0.21
    ),
    compressed_gib=6.0,  # three logs of DeepSeek-V4: 5.6 to 6.6 beyond what other models take
    output_share=0.6,  # admits on the prompt and preempts later: near the mean occupancy
)

FORMATS = NumberFormats(
    # vLLM's QuantizationMethods, with the names of earlier versions.
    quantizations=MappingProxyType({
        **QUANTIZATIONS, "modelopt": "fp8", "modelopt_mxfp8": "mxfp8", "ptpc_fp8": "fp8", "fbgemm_fp8": "fp8",
        "deepgemm_fp8": "fp8", "fp8_per_tensor": "fp8", "fp8_per_block": "fp8_block",
        "fp8_per_channel": "fp8", "deepseek_v4_fp8": None, "auto_awq": "int4_wo",
        "auto_gptq": "int4_wo", "gptq_marlin_24": "int4_wo",
        "gptq_bitblas": "int4_wo", "bitblas": "int4_wo", "hqq": "int4_wo", "qqq": "w4a8", "aqlm": None,
        "experts_int8": "int8_wo", "int8_per_channel_weight_only": "int8_wo", "fp_quant": None, "inc": None,
        "torchao": None, "gpt_oss_mxfp4": "mxfp4", "nvfp4_per_token": "nvfp4", "online": None,
    }),
    cache_names=MappingProxyType({"bf16": "auto", "fp16": "auto", "fp8": "fp8"}),
)  # fmt: skip

FLAGS = FlagTable(
    model=("--model",),
    tp=TP,
    pp=PP,
    dp=DP,
    ep=("--enable-expert-parallel", "-ep"),
    max_num_seqs=("--max-num-seqs",),
    token_budget=("--max-num-batched-tokens",),
    memory_frac=("--gpu-memory-utilization",),
    max_model_len=("--max-model-len",),
    block_tokens=("--block-size",),
    kv_dtype=("--kv-cache-dtype",),
    quantization=("--quantization", "-q"),
    prefix_on=("--enable-prefix-caching",),
    prefix_off=("--no-enable-prefix-caching",),
    eager=("--enforce-eager",),
    speculative=(
        "--speculative-config",
        "--speculative-model",
        "--num-speculative-tokens",
        "-sc",
        "--spec-method",
        "--spec-model",
        "--spec-tokens",
    ),
    cache_blocks=("--num-gpu-blocks-override",),
    cache_bytes=("--kv-cache-memory-bytes", "--kv-cache-memory"),
    elastic=("--enable-elastic-ep",),
    legacy_roles=(("--is-prefill-worker", "prefill"), ("--is-decode-worker", "decode")),
    neutral=(*NEUTRAL, "--kv-transfer-config", "--no-enable-log-requests", "--async-scheduling"),
)
_KV_EVENTS = (
    '{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:20080","enable_kv_cache_events":true}'
)


def _settings(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    flags = [] if engine.prefix_caching else ["--no-enable-prefix-caching"]
    flags += [] if engine.cuda_graphs else ["--enforce-eager"]
    flags += ["--trust-remote-code"] if context.trust_remote_code else []
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags += [KV_EVENTS_FLAG, _KV_EVENTS]
    if role != "aggregated":
        flags += ["--kv-transfer-config", _transfer_config(role, context)]
    return flags


def _transfer_config(role: Role, context: WorkerContext) -> str:
    side = context.kv_roles[0 if role == "prefill" else 1]
    config: dict[str, Any] = {"kv_connector": "NixlConnector", "kv_role": side}
    if context.nixl_backend:
        config["kv_connector_extra_config"] = {"backends": [context.nixl_backend]}
    return json_text(config)


# --- Plans: the tensor-parallel size is that of one data-parallel rank; experts are spread over the whole
# group or not at all.


def _write_plan(plan: ParallelPlan) -> list[str]:
    if plan.ep > 1 and plan.moe_tp > 1:
        raise InputError(
            f"plan {plan.label}: vLLM spreads experts over all {plan.tp * plan.attn_dp} GPUs or none; "
            f"use ep {plan.tp * plan.attn_dp} with moe_tp 1, or ep 1"
        )
    expert = [FLAGS.ep[0]] if plan.ep > 1 else []
    return [*sizes(FLAGS, plan.tp, plan), FLAGS.dp[0], str(plan.attn_dp), *expert]


def _read_plan(flags: Flags) -> GroupSizes:
    tp, dp = flags.size(FLAGS.tp), flags.size(FLAGS.dp)
    ep = tp * dp if flags.switch(FLAGS.ep) else 1
    return GroupSizes(tp=tp, pp=flags.size(FLAGS.pp), attn_dp=dp, ep=ep)


def _apart(flags: Flags, moe: bool) -> int:
    """Ranks share the experts, so nothing in a dense model."""
    return 1 if moe else flags.size(FLAGS.dp)


def _draft(draft: Draft) -> list[str]:
    """One JSON of method, model and number of tokens, as in the documentation's page on the subject."""
    method = "eagle3" if draft.method == "eagle" else draft.method
    config: dict[str, str | int] = {"method": method, "num_speculative_tokens": draft.tokens}
    if draft.model:
        config["model"] = draft.model
    if draft.method == "ngram":
        config["prompt_lookup_max"] = NGRAM_SIZE
    return ["--speculative-config", json_text(config)]


def _drafting(flags: Flags) -> str:
    """Families call their own prediction layers deepseek_mtp and the like."""
    method = flags.text(("--spec-method",)) or json_field(flags.text(FLAGS.speculative[:1]), "method")
    return "mtp" if method.lower().endswith("mtp") else ""


def _arguments(given: Sequence[str], context: WorkerContext, settings: str) -> list[str]:
    place = list(given).index(FLAGS.model[0])
    return ["serve", context.model_path, *given[:place], *given[place + 2 :]]


# --- Over several nodes: Ray or its own executor where one rank is larger than a node, else data-parallel
# ranks that find each other by address.


def _launch(shape: EngineShape, gpus_per_pod: int) -> Launch:
    return "distributed executor" if shape.rank_gpus > gpus_per_pod else "data parallel"


def _launch_problem(shape: EngineShape, gpus_per_pod: int) -> str:
    if _launch(shape, gpus_per_pod) == "distributed executor":
        if shape.ranks == 1:
            return ""
        return (
            f"vLLM cannot combine {shape.ranks} data-parallel ranks with ranks of {shape.rank_gpus} GPUs "
            f"that span nodes of {gpus_per_pod}; keep each rank within a node, or one rank per engine"
        )
    if gpus_per_pod % shape.rank_gpus:
        return (
            f"vLLM's data-parallel ranks of {shape.rank_gpus} GPUs do not fill nodes of {gpus_per_pod}; "
            "choose a rank size that divides a node"
        )
    return ""


SPEC = EngineSpec(
    name=NAME,
    label="vLLM",
    colour="#2b84c2",
    rank=2,
    fitted_as=NAME,
    defaults=DEFAULTS,
    memory=MEMORY,
    scheduling=SchedulerRules(reserve_running=0.0, reserve_own=0.0, early_prefixes=True),
    formats=FORMATS,
    gpus=GpuSupport(oldest="turing", other_vendors=("amd", "intel")),
    flags=FLAGS,
    command=CommandLine(settings=_settings),
    plans=PlanRules(write=_write_plan, read=_read_plan, apart=_apart),
    drafts=Drafting(write=_draft, named=_drafting),
    server=OwnServer(
        program="vllm",
        variable="SIMKIT_VLLM",
        shown=("vllm serve", "python -m vllm.entrypoints.openai.api_server"),
        arguments=_arguments,
        modules=("vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server"),
        commands=(("vllm", "serve"), ("vllm.entrypoints.cli.main", "serve")),
        image=r"(?:[^\s:]*/)?vllm-openai[\w.-]*(?:[:@]\S*)?",
        flags=("--use-vllm-tokenizer",),
        variables=("VLLM_",),
    ),
    worker=DynamoWorker(
        module="dynamo.vllm",
        image="vllm-runtime",
        mocked_as=NAME,
        component="Vllm",
        reports_steps=True,
        measures_itself=True,
    ),
    multinode=Multinode(
        launch=_launch,
        problem=_launch_problem,
        injected=(
            "--nnodes", "--node-rank", "--master-addr", "--master-port", "--headless",
            "--distributed-executor-backend", "--data-parallel-address", "--data-parallel-size-local",
            "--data-parallel-start-rank", "--data-parallel-rpc-port",
        ),
        executor_annotation="nvidia.com/vllm-distributed-executor-backend",
    ),
    releases=releases_of(NAME),
    metrics=ServerMetrics(
        ttft=("vllm:time_to_first_token_seconds",),
        # The first is the per-request mean, as ours.
        itl=("vllm:request_time_per_output_token_seconds", "vllm:inter_token_latency_seconds"),
        e2e=("vllm:e2e_request_latency_seconds",),
        queue=("vllm:request_queue_time_seconds",),
        usage=("vllm:kv_cache_usage_perc",),
        waiting=("vllm:num_requests_waiting",),
        preemptions=("vllm:num_preemptions",),
        cached=(("vllm:prefix_cache_hits", "vllm:prefix_cache_queries"),),
    ),
)  # fmt: skip
