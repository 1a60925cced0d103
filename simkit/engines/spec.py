"""What is known of one engine, as one value. All other code reads it instead of comparing engine names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from perfmodels.arrays import FloatArray
from perfmodels.kv_cache import AS_NEEDED, CachePools
from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError
from simkit.engines.flags import Flags, FlagTable, Names
from simkit.engines.releases import NEWEST, EngineReleases

Launch = Literal["distributed executor", "data parallel", "dist-init", "mpi"]
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReserves:
    """How an engine divides a GPU's memory.

    own_fraction: the share it takes where none is set, by the GPU's memory [MiB] and plan; of_free: a share
    of what the weights leave free. raised_fraction: what people set where its own share leaves too little
    for the cache; None: it never does. fixed_gib: context, graphs and buffers, and what peers add to
    them, each up to (not including) a version, the last one open. context_gib is gone before it looks at
    the GPU, peers_context_gib more with peers. compressed_gib: what attention over compressed keys keeps
    beside. working_inside: activations count against the share. output_share: share of the output length
    for which an admitted request must find cache. pools: how the cache is divided.
    """

    own_fraction: Callable[[float, PlanArray], FloatArray]
    fixed_gib: tuple[tuple[tuple[int, ...], float, float], ...]
    output_share: float
    of_free: bool = False
    raised_fraction: float | None = None
    context_gib: float = 0.0
    peers_context_gib: float = 0.0
    compressed_gib: float = 0.0
    working_inside: bool = True
    pools: Callable[[EngineOptions], CachePools] = lambda engine: AS_NEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRules:
    """How an engine's scheduler admits and preempts, for the simulator; docs/simulation.md has the sources.

    reserve_running, reserve_own: shares of the declared output for which there must be cache, of those who
    run and of a newcomer. The other fields: see `sim.policy.SchedulerPolicy`.
    """

    reserve_running: float
    reserve_own: float
    early_prefixes: bool = False
    least_output_first: bool = False
    headroom_steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormats:
    """Quantisations and cache formats by the engine's own names.

    quantizations: the number format that each name stands for, None where the checkpoint's files say it.
    cache_names: what each format of the KV cache is called. quantised_cache: the cache's format that comes
    with a quantised checkpoint; None: the checkpoint says it. slow_fp8_cache: before Blackwell the FP8
    decode kernels are several times slower than the 16-bit ones.
    """

    quantizations: Mapping[str, str | None]
    cache_names: Mapping[str, str]
    quantised_cache: str | None = None
    slow_fp8_cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSupport:
    """Which GPUs an engine runs on: NVIDIA's from a generation on, other vendors', and formats from when.

    fp8_from and nvfp4_from: the generation from which weights in that format run; None: wherever it runs.
    """

    oldest: str
    other_vendors: tuple[str, ...] = ()
    fp8_from: str | None = None
    nvfp4_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSizes:
    """What an engine's flags say of its parallel groups."""

    tp: int
    pp: int
    attn_dp: int
    ep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """Parallel plans as the engine's flags, and back.

    apart: over how many whole engines data parallelism spreads requests, by flags and whether the model has
    routed experts; 1 where its ranks make up one engine. attention_groups: attention may run in several
    tensor-parallel groups.
    """

    write: Callable[[ParallelPlan], list[str]]
    read: Callable[[Flags], GroupSizes]
    apart: Callable[[Flags, bool], int]
    attention_groups: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker is told beside its plan. model_path is the model's name when nothing is cached."""

    model_name: str
    model_path: str
    precision: Precision = field(default_factory=Precision)
    trust_remote_code: bool = False
    kv_events: bool = False  # tell the router which blocks are cached
    kv_roles: tuple[str, str] = NEWEST.kv_roles  # the connector's, of prefill and of decode
    nixl_backend: str | None = None  # what carries the cache; None: UCX
    switches: tuple[str, ...] = ()  # what else the release needs, as for a Planner's metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """How settings are written and read beyond what a FlagTable says.

    settings writes those that have no plain flag. dotted is the prefix of settings that are written as
    paths, json_overrides the flags that give them as one JSON. draft_prefixes begin the flags of a draft.
    chunks_on: the switches that cut prompts into chunks, chunked: whether that is the engine's own way.
    files: the flags that name a settings file; file_wins: it counts more than flags.
    """

    settings: Callable[[EngineOptions, Role, WorkerContext], list[str]]
    dotted: str = ""
    json_overrides: Names = ()
    draft_prefixes: Names = ("--speculative",)
    chunks_on: Names = ("--enable-chunked-prefill",)
    chunked: bool = True
    files: Names = ("--config",)
    file_wins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """Speculative decoding: its flags, why the engine would not draft under a plan ('': it would), and the
    method that flags name ('': none that matters)."""

    write: Callable[[Draft], list[str]]
    named: Callable[[Flags], str] = lambda flags: ""
    refusal: Callable[[Draft, ParallelPlan], str] = lambda draft, plan: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """The engine's own server: how people start it, and how we do.

    shown: its starts in words. modules: started by `python -m`; commands: program and verb; bare: programs
    that start it without one, and refused: verbs of theirs that start something else. image: a pattern of
    the image whose entry point it is. launcher: a program of its own that stands in front. flags: what it
    takes and no prediction depends on. arguments: the words after the program, by a worker's arguments, its
    context and the path of the settings file. settings: that file's content; None: it needs none.
    lists_path: it lists its model by path and by no other name. no_python: versions it does not run on.
    variables: how names of environment variables begin that change the engine.
    """

    program: str
    variable: str
    shown: tuple[str, ...]
    arguments: Callable[[Sequence[str], WorkerContext, str], list[str]]
    settings: Callable[[Sequence[str]], dict[str, object]] | None = None
    modules: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    bare: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    image: str | None = None
    launcher: str | None = None
    flags: Names = ()
    lists_path: bool = False
    variables: Names = ()
    no_python: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoWorker:
    """The engine's worker in Dynamo.

    module is started by `python3 -m`, image the name of its runtime image. mocked_as: what Dynamo's mocker
    and its tables call the engine; None: they do not know it. component is how components were called
    before 1.4 (VllmPrefillWorker). reports_steps: workers send a Planner forward-pass metrics;
    measures_itself: they measure themselves at start where a Planner asks. compile_env: variables that
    say where compiled kernels go, and folders; fabric_env: variables by name of the RDMA fabric.
    moe_support: how far Dynamo's guide supports mixtures of experts.
    """

    module: str
    image: str
    mocked_as: str | None
    component: str | None = None
    reports_steps: bool = False
    measures_itself: bool = False
    compile_env: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    fabric_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moe_support: Literal["full", "partial"] = "partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShape:
    """What decides the launch: the engine, one rank's GPUs, and data-parallel ranks."""

    backend: str
    rank_gpus: int  # tensor times pipeline parallel size of one rank
    ranks: int

    @classmethod
    def of(cls, backend: str, plan: ParallelPlan) -> "EngineShape":
        """The shape of a plan."""
        return cls(backend=backend, rank_gpus=plan.tp * plan.pp, ranks=plan.attn_dp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Multinode:
    """How Dynamo's operator starts the engine over several nodes.

    launch: its way, by shape and GPUs of a pod; problem: why it cannot ('' where it can). injected: flags
    that it writes itself. executor_annotation: annotation that chooses the executor.
    """

    launch: Callable[[EngineShape, int], Launch]
    problem: Callable[[EngineShape, int], str] = lambda shape, gpus_per_pod: ""
    injected: Names = ()
    executor_annotation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetrics:
    """What the engine's server calls its own numbers, in the order of preference; empty: it has none."""

    ttft: Names = ()
    itl: Names = ()
    e2e: Names = ()
    queue: Names = ()
    usage: Names = ()
    waiting: Names = ()
    preemptions: Names = ()
    cached: tuple[tuple[str, str], ...] = ()  # tokens found in the cache, and looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """One engine. Its name is what `--backend` takes.

    rank: who goes first among equal answers. fitted_as: the engine whose fitted factors and operator tables
    its step times are taken from: itself, or another, and then every answer says so.
    """

    name: str
    label: str
    colour: str
    rank: int
    fitted_as: str
    defaults: EngineOptions
    memory: MemoryReserves
    scheduling: SchedulerRules
    formats: NumberFormats
    gpus: GpuSupport
    flags: FlagTable
    command: CommandLine
    plans: PlanRules
    drafts: Drafting
    server: OwnServer
    worker: DynamoWorker
    multinode: Multinode
    releases: EngineReleases
    metrics: ServerMetrics = field(default_factory=ServerMetrics)

    def __post_init__(self) -> None:
        if self.defaults.backend != self.name:
            raise InputError(
                f"engine {self.name!r}: its defaults are those of {self.defaults.backend!r}; make them agree"
            )
