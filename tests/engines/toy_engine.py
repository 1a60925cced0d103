"""A fourth engine, as anyone would add one: all that is known of it is this module's SPEC.

It differs from the others wherever it can, so that a fallback to one of them shows.
"""

from perfmodels.parallel import ParallelPlan
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.engines.common import constant_fraction
from simkit.engines.flags import Flags, FlagTable
from simkit.engines.releases import EngineReleases
from simkit.engines.spec import (
    CommandLine,
    Drafting,
    DynamoWorker,
    EngineShape,
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

NAME = "toy"
FLAGS = FlagTable(
    model=("--toy-model",),
    tp=("--toy-tp",),
    pp=("--toy-pp",),
    dp=("--toy-dp",),
    ep=("--toy-ep",),
    max_num_seqs=("--toy-seqs",),
    token_budget=("--toy-budget",),
    memory_frac=("--toy-memory",),
    max_model_len=("--toy-length",),
    block_tokens=("--toy-block",),
    kv_dtype=("--toy-cache",),
    served_name=("--toy-name",),
    role=("--toy-role", "--disaggregation-mode"),
    prefix_off=("--toy-no-prefix",),
    eager=("--toy-eager",),
    speculative=("--toy-draft",),
    poll=("--toy-poll",),
    hold=("--toy-hold",),
    neutral=("--trust-remote-code", "--toy-events"),
)


def _settings(engine: EngineOptions, role: Role, context: WorkerContext) -> list[str]:
    flags = [] if engine.prefix_caching else ["--toy-no-prefix"]
    flags += [] if engine.cuda_graphs else ["--toy-eager"]
    flags += ["--trust-remote-code"] if context.trust_remote_code else []
    return [*flags, "--toy-events"] if context.kv_events and role != "decode" else flags


def _write_plan(plan: ParallelPlan) -> list[str]:
    pairs = ((FLAGS.tp, plan.tp), (FLAGS.pp, plan.pp), (FLAGS.dp, plan.attn_dp), (FLAGS.ep, plan.ep))
    return [word for names, size in pairs for word in (names[0], str(size))]


def _read_plan(flags: Flags) -> GroupSizes:
    sizes = (flags.size(names) for names in (FLAGS.tp, FLAGS.pp, FLAGS.dp, FLAGS.ep))
    return GroupSizes(**dict(zip(("tp", "pp", "attn_dp", "ep"), sizes, strict=True)))


def _draft(draft: Draft) -> list[str]:
    return ["--toy-draft", f"{draft.method}/{draft.tokens}"]


def _draft_refusal(draft: Draft, plan: ParallelPlan) -> str:
    return "toy drafts by n-grams only" if draft.method != "ngram" else ""


def _launch_problem(shape: EngineShape, gpus_per_pod: int) -> str:
    if shape.rank_gpus <= gpus_per_pod or shape.ranks == 1:
        return ""
    return "toy's ranks do not span nodes; choose smaller ones"


SPEC = EngineSpec(
    name=NAME,
    label="Toy",
    colour="#777777",
    rank=3,
    fitted_as="trtllm",
    defaults=EngineOptions(backend=NAME, version="7.0", max_num_seqs=384, memory_frac=0.8, kv_block_tokens=8),
    memory=MemoryReserves(
        own_fraction=constant_fraction(0.8), fixed_gib=(((10000,), 3.0, 0.5),), output_share=0.7
    ),
    scheduling=SchedulerRules(reserve_running=0.2, reserve_own=0.9, headroom_steps=3),
    formats=NumberFormats(
        quantizations={"toy8": "fp8"}, cache_names={"bf16": "plain", "fp16": "plain", "fp8": "small"}
    ),
    gpus=GpuSupport(oldest="ampere", fp8_from="ada", nvfp4_from="blackwell"),
    flags=FLAGS,
    command=CommandLine(settings=_settings, draft_prefixes=("--toy-draft",)),
    plans=PlanRules(write=_write_plan, read=_read_plan, apart=lambda flags, moe: 1),
    drafts=Drafting(write=_draft, refusal=_draft_refusal),
    server=OwnServer(
        program="toy",
        variable="SIMKIT_TOY",
        shown=("toy run",),
        arguments=lambda given, context, settings: ["run", *given],
        commands=(("toy", "run"),),
    ),
    worker=DynamoWorker(module="dynamo.toy", image="toy-runtime", mocked_as=None),
    multinode=Multinode(
        launch=lambda shape, gpus_per_pod: "mpi", problem=_launch_problem, injected=("--toy-rank",)
    ),
    releases=EngineReleases(versions={"1.4": "6.8", "1.5": "6.9", "1.6": "7.1"}),
    metrics=ServerMetrics(ttft=("toy:first_token_seconds",), waiting=("toy:waiting",)),
)
