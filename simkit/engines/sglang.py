"""All that is known of SGLang. Flags: the parsers of SGLang 0.5.16 to 0.5.21 and Dynamo 1.6.1's worker."""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.kv_cache import CachePools
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError
from simkit.engines.common import KV_EVENTS_FLAG, PLAIN_FIXED_GIB, QUANTIZATIONS, sizes, version_numbers
from simkit.engines.flags import DP, EP, NEUTRAL, PP, TP, Flags, FlagTable
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
    ServerMetrics,
    WorkerContext,
)

NAME = "sglang"

DEFAULTS = EngineOptions(
    backend=NAME, version="0.5.14", max_num_seqs=512, max_num_batched_tokens=8192,
    memory_frac=None, kv_block_tokens=1, mixed_steps=False,
)  # fmt: skip

# SGLang's own sizes by GPU memory: below so many MiB, prompt tokens per chunk and the largest batch
# with a captured graph (narrow engines, engines of four GPUs or more). Facts: SGLang pull request 10975.
_SIZES = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (float("inf"), 16384, 512, 512),
)


def own_fraction(memory_mib: float, plan: PlanArray) -> FloatArray:
    """The default --mem-fraction-static: what is left after its reserve for activations and graphs."""
    _, chunk, narrow, wide = next(row for row in _SIZES if memory_mib < row[0])
    graphs = np.where(plan.tp * plan.attn_dp < 4, narrow, wide).astype(np.float64)
    reserve = 512.0 + 1.5 * chunk + 2.0 * graphs + plan.tp * plan.attn_dp * plan.pp * 128.0
    per_rank = graphs * plan.attn_dp * np.where(graphs > 300, 4.5, 3.0)
    reserve = reserve + np.where(plan.attn_dp > 1, per_rank, 0.0)
    if memory_mib > 60 * 1024:
        reserve = np.maximum(reserve, 10 * 1024.0)
    fraction: FloatArray = np.round((memory_mib - reserve) / memory_mib, 3)
    return fraction


def cache_pools(engine: EngineOptions) -> CachePools:
    """SGLang fixes the sizes of its pools at start, by flags that nobody sets.

    --mamba-full-memory-ratio 0.9; a running request holds three states where the prefix cache may keep two of
    them. --swa-full-tokens-ratio 0.1 for DeepSeek-V4, whose pools changed with 0.5.13. Sparse latents
    are counted without their scales, though these are stored. Facts: SGLang's pool_configurator.py.
    """
    return CachePools(
        state_ratio=0.9,
        states=3.0 if engine.prefix_caching else 1.0,
        window_ratio=0.1,
        state_rows=8 if engine.draft is None and not engine.speculative else 16,
        unsliced=version_numbers(engine.version) < (0, 5, 13),
        plain_latents=True,
    )


MEMORY = MemoryReserves(
    own_fraction=own_fraction,
    fixed_gib=PLAIN_FIXED_GIB,
    output_share=0.6,  # admits on the prompt and preempts later: near the mean occupancy
    raised_fraction=0.94,
    context_gib=0.6,  # free at start on an H100: 78.5 of 79.2 GiB
    peers_context_gib=0.6,  # communicators; 0.5 to 1.0 in logs of 4090, RTX PRO 6000, H20, H800
    working_inside=False,
    pools=cache_pools,
)

FORMATS = NumberFormats(
    # SGLang's QUANTIZATION_CHOICES, with the names of earlier versions.
    quantizations=MappingProxyType({
        **QUANTIZATIONS, "modelopt": None, "modelopt_fp8": "fp8", "nvfp4_online": "nvfp4", "w8a8_fp8": "fp8",
        "w8a8_int8": "int8", "w4afp8": "w4a8", "mxfp_w4a8": "mxfp4_mxfp8", "auto-round-int8": "int8_wo",
        "qoq": "w4a8", "blockwise_int8": "int8", "quark_mxfp4": "mxfp4", "quark_int4fp8_moe": "w4a8",
        "unquant": "bf16",
    }),
    cache_names=MappingProxyType({"bf16": "auto", "fp16": "auto", "fp8": "fp8_e4m3"}),
    slow_fp8_cache=True,
)  # fmt: skip

FLAGS = FlagTable(
    model=("--model-path", "--model"),
    tp=TP,
    pp=PP,
    dp=DP,
    ep=EP,
    max_num_seqs=("--max-running-requests",),
    token_budget=("--chunked-prefill-size",),
    whole_budget=("--max-prefill-tokens",),
    memory_frac=("--mem-fraction-static",),
    max_model_len=("--context-length", "--max-model-len"),
    block_tokens=("--page-size",),
    kv_dtype=("--kv-cache-dtype",),
    quantization=("--quantization",),
    prefix_off=("--disable-radix-cache",),
    mixed=("--enable-mixed-chunk",),
    shared_attention=("--enable-dp-attention",),
    eager=("--disable-cuda-graph", "--disable-decode-cuda-graph"),
    graphs=("--cuda-graph-backend-decode",),
    elastic=("--elastic-ep-backend",),
    speculative=("--speculative-algorithm", "--speculative-algo"),
    poll=("--scheduler-recv-interval",),
    cache_tokens=("--max-total-tokens",),
    neutral=(
        *NEUTRAL, "--skip-tokenizer-init", "--disaggregation-transfer-backend",
        "--disaggregation-bootstrap-port", "--cuda-graph-bs-decode", "--cuda-graph-bs",
        "--cuda-graph-max-bs", "--cuda-graph-max-bs-decode", "--moe-a2a-backend", "--enable-ep-moe",
        "--enable-deepep-moe",
    ),
)  # fmt: skip
_BOOTSTRAP_PORT = 12345
_KV_EVENTS = '{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:5557"}'


def _settings(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    # The chunk is shared by all ranks, the prefill limit is each rank's own.
    flags = ["--max-prefill-tokens", str(engine.max_num_batched_tokens)]
    flags += ["--enable-mixed-chunk"] if engine.mixed_steps else []
    flags += [] if engine.prefix_caching else ["--disable-radix-cache"]
    flags += [] if engine.cuda_graphs else ["--disable-cuda-graph"]
    flags += ["--trust-remote-code"] if context.trust_remote_code else []
    if context.kv_events and engine.prefix_caching and role != "decode":
        flags += [KV_EVENTS_FLAG, _KV_EVENTS]
    if role != "aggregated":
        flags += ["--disaggregation-transfer-backend", "nixl"]
        flags += ["--disaggregation-bootstrap-port", str(_BOOTSTRAP_PORT), "--host", "0.0.0.0"]  # noqa: S104
    return flags


# --- Plans: the tensor-parallel size is that of the whole attention group.


def _write_plan(plan: ParallelPlan) -> list[str]:
    return [
        *sizes(FLAGS, plan.tp * plan.attn_dp, plan),
        *(FLAGS.dp[0], str(plan.attn_dp)),
        *(FLAGS.shared_attention if plan.attn_dp > 1 else ()),
        *(FLAGS.ep[0], str(plan.ep)),
    ]


def _read_plan(flags: Flags) -> GroupSizes:
    tp, dp = flags.size(FLAGS.tp), flags.size(FLAGS.dp)
    if dp > 1 and flags.has(FLAGS.shared_attention):
        tp = _share(tp, dp)
    ep = flags.size(FLAGS.tp) if _exchanges_tokens(flags) else flags.size(FLAGS.ep)
    return GroupSizes(tp=tp, pp=flags.size(FLAGS.pp), attn_dp=dp, ep=ep)


def _exchanges_tokens(flags: Flags) -> bool:
    """Experts are spread over the whole group when tokens travel to them, whatever --ep-size says."""
    exchange = flags.text(("--moe-a2a-backend",)) or "none"
    return exchange.lower() != "none" or flags.has(("--enable-ep-moe", "--enable-deepep-moe"))


def _share(tp: int, dp: int) -> int:
    if tp % dp:
        raise InputError(
            f"SGLang flags: tensor-parallel size {tp} is not a multiple of data-parallel size {dp}; "
            "with --enable-dp-attention the ranks share the tensor-parallel group"
        )
    return tp // dp


def _apart(flags: Flags, moe: bool) -> int:
    """Ranks share nothing unless they share attention."""
    return 1 if flags.has(FLAGS.shared_attention) else flags.size(FLAGS.dp)


# --- Drafts: one flag per size; the chain of drafts that is predicted has a top-k of one.


def _draft(draft: Draft) -> list[str]:
    algorithm = {"mtp": "EAGLE", "eagle": "EAGLE3", "ngram": "NGRAM"}[draft.method]
    flags = ["--speculative-algorithm", algorithm, "--speculative-num-draft-tokens", str(draft.queries)]
    if draft.model:
        flags += ["--speculative-draft-model-path", draft.model]
    if draft.method != "ngram":
        flags += ["--speculative-num-steps", str(draft.tokens), "--speculative-eagle-topk", "1"]
    return flags


def _draft_refusal(draft: Draft, plan: ParallelPlan) -> str:
    if draft.method == "ngram" and plan.attn_dp > 1:
        return "sglang does not draft by n-grams under data-parallel attention: use mtp or eagle"
    return ""


def _drafting(flags: Flags) -> str:
    """Without a checkpoint of its own a draft is the model's prediction layer."""
    algorithm = (flags.text(FLAGS.speculative) or "").upper()
    own = flags.text(("--speculative-draft-model-path", "--speculative-draft-model"))
    return "mtp" if algorithm in ("EAGLE", "NEXTN", "EAGLE3") and not own else ""


def _arguments(given: Sequence[str], context: WorkerContext, settings: str) -> list[str]:
    return ["serve", *given]


SPEC = EngineSpec(
    name=NAME,
    label="SGLang",
    colour="#d55e00",
    rank=0,  # the only engine with full support for mixtures of experts in Dynamo
    fitted_as=NAME,
    defaults=DEFAULTS,
    memory=MEMORY,
    # It begins with 0.7 and lowers it to 0.14 of that over 600 steps without a preemption.
    scheduling=SchedulerRules(
        reserve_running=0.7 * 0.14, reserve_own=1.0, least_output_first=True, headroom_steps=20
    ),
    formats=FORMATS,
    gpus=GpuSupport(oldest="turing", other_vendors=("amd",), fp8_from="ada", nvfp4_from="blackwell"),
    flags=FLAGS,
    command=CommandLine(settings=_settings),
    plans=PlanRules(write=_write_plan, read=_read_plan, apart=_apart),
    drafts=Drafting(write=_draft, named=_drafting, refusal=_draft_refusal),
    server=OwnServer(
        program="sglang",
        variable="SIMKIT_SGLANG",
        shown=("sglang serve", "python -m sglang.launch_server"),
        arguments=_arguments,
        modules=("sglang.launch_server", "sglang_router.launch_server"),
        commands=(("sglang", "serve"),),
        flags=("--use-sglang-tokenizer",),
        variables=("SGLANG_", "SGL_"),
    ),
    worker=DynamoWorker(
        module="dynamo.sglang",
        image="sglang-runtime",
        mocked_as=NAME,
        component="SGLang",
        compile_env=MappingProxyType({
            "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor",
            "FLASHINFER_WORKSPACE_BASE": "flashinfer",
        }),
        fabric_env=MappingProxyType({"efa": {"SGLANG_DISAGGREGATION_NIXL_BACKEND": "LIBFABRIC"}}),
        moe_support="full",
    ),
    # Every node runs the command with its own values of these.
    multinode=Multinode(
        launch=lambda shape, gpus_per_pod: "dist-init",
        injected=("--dist-init-addr", "--nccl-init-addr", "--nnodes", "--node-rank"),
    ),
    releases=releases_of(NAME),
    metrics=ServerMetrics(
        ttft=("sglang:time_to_first_token_seconds",),
        itl=("sglang:inter_token_latency_seconds",),
        e2e=("sglang:e2e_request_latency_seconds",),
        queue=("sglang:queue_time_seconds",),
        usage=("sglang:token_usage",),
        waiting=("sglang:num_queue_reqs",),
    ),
)  # fmt: skip
