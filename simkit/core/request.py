"""What the user asks for, whatever document or flags it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from simkit.core.draft import Draft
from simkit.core.errors import InputError, unknown_name
from simkit.core.slo import Slo
from simkit.core.workload import Workload

if TYPE_CHECKING:
    from simkit.core.user_calibration import OwnCalibration

# --- What a request says about the engines' own settings; what it leaves open is searched.


KV_CHOICES = ("auto", "bf16", "fp8", "both")
# Token budgets of a step that are searched: small ones delay decoding less, large ones use the GPU better.
TOKEN_BUDGETS = (2048, 4096, 8192, 16384)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Engine settings asked for.

    max_num_seqs: most requests that an engine runs at once. max_num_batched_tokens: its token budget, None:
    searched. kv_dtype: auto (as the checkpoint and engine have it), bf16, fp8, or both to search. draft: also
    search with speculative decoding.
    """

    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_dtype: str = "auto"
    draft: Draft | None = None

    def __post_init__(self) -> None:
        if self.kv_dtype not in KV_CHOICES:
            raise unknown_name("KV cache format", self.kv_dtype, KV_CHOICES)
        for name in ("max_num_seqs", "max_num_batched_tokens"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1_000_000:
                raise InputError(f"{name} must be from 1 to 1,000,000, got {value}")
        seqs, budget = self.max_num_seqs, self.max_num_batched_tokens
        if seqs is not None and budget is not None and seqs > budget:
            raise InputError(
                f"max_num_seqs {seqs} exceeds max_num_batched_tokens {budget}: a step must have a token for "
                "every request; raise the second or lower the first"
            )

    @property
    def budgets(self) -> tuple[int, ...]:
        """Token budgets to try beside the engine's own; none where one is asked for."""
        return TOKEN_BUDGETS if self.max_num_batched_tokens is None else ()


MOST_GPUS = 1024  # tried where as many GPUs as the load needs are asked for

SearchStrategy = Literal["rapid", "thorough"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The cluster as given. None: not given, taken from the GPU's catalogue entry or discovery.

    as_needed: as many GPUs as the load takes, in place of a number; in an answer total_gpus says how many.
    """

    gpu: str | None = None
    total_gpus: int | None = None
    gpus_per_node: int | None = None
    vram_mb: float | None = None
    interconnect: str | None = None
    rdma: bool | None = None
    as_needed: bool = False

    def __post_init__(self) -> None:
        for name in ("total_gpus", "gpus_per_node", "vram_mb"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"hardware.{name} must be positive, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCache:
    """A volume that already holds the weights."""

    pvc_name: str
    pvc_model_path: str | None = None
    pvc_mount_path: str = "/opt/model-cache"


Orchestrator = Literal["grove", "lws"]
ORCHESTRATORS: tuple[Orchestrator, ...] = ("grove", "lws")
VLLM_EXECUTORS = ("ray", "mp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """What a DGDR has no field for: how the cluster schedules, stores and connects pods.

    None: left to Dynamo's operator. model_bytes sizes the cache volume and the start-up probe.
    """

    orchestrator: Orchestrator | None = None
    kai_queue: str | None = None
    vllm_executor: str | None = None  # ray or mp, for engines over several nodes
    node_selector: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()
    compilation_cache: str | None = None  # a claim that holds compiled kernels
    rdma_resource: str | None = None  # the device plugin's resource, where it is not the usual one
    model_cache_job: bool = False  # also write the claim and the Job that fills it
    storage_class: str | None = None
    profiling_job: bool = False  # also write the Job that would profile on the cluster
    model_bytes: float | None = None

    def __post_init__(self) -> None:
        if self.orchestrator is not None and self.orchestrator not in ORCHESTRATORS:
            raise unknown_name("orchestrator", self.orchestrator, ORCHESTRATORS)
        if self.vllm_executor is not None and self.vllm_executor not in VLLM_EXECUTORS:
            raise unknown_name("vLLM executor", self.vllm_executor, VLLM_EXECUTORS)
        if self.kai_queue and self.orchestrator == "lws":
            raise InputError(
                "a KAI queue goes with Grove, LeaderWorkerSet schedules by Volcano; drop --kai-queue or lws"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What goes through to the DGD untouched by the search."""

    name: str = "simkit"
    namespace: str | None = None
    image: str | None = None
    runtime_version_override: str | None = None
    model_cache: ModelCache | None = None
    planner: Mapping[str, Any] | None = None  # None: no planner
    kv_router: bool = False
    mocker: bool = False
    trust_remote_code: bool = False
    tolerations: tuple[Mapping[str, Any], ...] = ()
    profiling_job: Mapping[str, Any] | None = None
    dgd_override: Mapping[str, Any] | None = None
    cluster: ClusterOptions = field(default_factory=ClusterOptions)


def asks_for_load_scaling(given: Mapping[str, Any]) -> bool:
    """Whether load-based scaling is asked for by name, rather than implied by a static target."""
    return given.get("optimization_target") == "load" or given.get("enable_load_scaling") is True


OBJECTIVES = ("throughput", "latency", "goodput", "cost")


def known_objective(name: str) -> str:
    """The name, if a search can prefer by it. Raises InputError."""
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES, f"known are {', '.join(OBJECTIVES)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Model, engines, hardware, workload, SLA and deployment options: one question."""

    model: str
    backend: str = "auto"  # or the name of an engine
    hardware: Hardware = field(default_factory=Hardware)
    workload: Workload = field(default_factory=Workload)
    slo: Slo = field(default_factory=Slo)
    modes: tuple[str, ...] = ("agg", "disagg")
    search_strategy: SearchStrategy = "rapid"
    optimization: str | None = None  # latency | throughput | goodput | cost
    tuning: Tuning = field(default_factory=Tuning)
    auto_apply: bool = True
    own: "OwnCalibration | None" = None  # runs of one's own that predictions are corrected by
    gpu_hour_price: float | None = None  # in any currency; costs come in the same
    deploy: DeployOptions = field(default_factory=DeployOptions)
    source: str = "flags"
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.model:
            raise InputError("model must not be empty; give a Hugging Face id or a path to a config.json")
        if self.gpu_hour_price is not None and not 0 < self.gpu_hour_price < 1e6:
            raise InputError(f"the price of a GPU hour must be positive, got {self.gpu_hour_price:g}")
        if self.optimization == "goodput" and not self.slo.bounds:
            raise InputError(
                "goodput counts requests that keep the SLA, and none was given; add --ttft, --itl or "
                "--e2e-latency"
            )
        if self.optimization == "cost" and self.gpu_hour_price is None:
            raise InputError(
                "cost needs the price of a GPU hour; add --gpu-hour-price 2.5, or h100_sxm=2.5,b200_sxm=5 "
                "where several GPUs are asked about"
            )
        if self.search_strategy == "thorough" and self.backend == "auto":
            raise InputError(
                "searchStrategy 'thorough' cannot run with backend 'auto': each engine is really "
                "deployed; set backend to the name of one engine"
            )


def is_loaded(request: Request) -> bool:
    """Whether a load is given; else the search chooses one."""
    workload = request.workload
    return workload.concurrency is not None or workload.request_rate_per_s is not None


def objective_of(request: Request) -> str:
    """What counts after the SLA: fewest GPUs under a given load, else throughput; or what was asked for."""
    if request.optimization in ("latency", "goodput", "cost"):
        return request.optimization
    return "fewest_gpus" if is_loaded(request) else "throughput"
