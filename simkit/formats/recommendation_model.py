"""The shape of a recommendation.json: types and ranges of whatever is read back of it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from perfmodels.parallel import ParallelPlan

_Amount = Annotated[float, Field(ge=0, lt=1e18)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1, le=10**6)]
_Length = Annotated[float, Field(gt=0, lt=1e9)]


class StoredPart(BaseModel):
    """Keys that are not named here may stand there too: other versions have had others."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class LatencyPart(StoredPart):
    """Milliseconds; null where the load cannot be sustained."""

    mean: _Amount | None
    p50: _Amount | None = None
    p75: _Amount | None = None
    p90: _Amount | None = None
    p95: _Amount | None = None
    p99: _Amount | None = None
    lo: _Amount | None
    hi: _Amount | None


class PlanPart(StoredPart):
    """How an engine is split."""

    model_config = ConfigDict(strict=True, extra="forbid")

    tp: _Count = 1
    pp: _Count = 1
    attn_dp: _Count = 1
    moe_tp: _Count = 1
    ep: _Count = 1

    @model_validator(mode="after")
    def _can_be(self) -> "PlanPart":
        """Its sizes go together. Raises ValueError where they do not."""
        ParallelPlan(**self.model_dump())
        return self


class DraftPart(StoredPart):
    """How tokens are drafted."""

    method: str
    tokens: _Count
    acceptance: _Share
    model: str | None = None


class EnginePart(StoredPart):
    """Settings of an engine."""

    version: str | None = None
    max_num_seqs: _Count | None = None
    max_num_batched_tokens: Annotated[int, Field(ge=1, le=10**9)] | None = None
    memory_frac: _Share | None = None
    gemm_dtype: str
    moe_dtype: str
    kv_dtype: str
    speculative: DraftPart | None = None


class PoolPart(StoredPart):
    """Engines of one role."""

    workers: _Count
    plan: PlanPart
    engine: EnginePart


class DeploymentPart(StoredPart):
    """What runs: a plan and an engine, or two pools."""

    backend: str
    mode: Literal["agg", "disagg"]
    num_gpus: _Count
    replicas: _Count
    plan: PlanPart | None = None
    engine: EnginePart | None = None
    prefill: PoolPart | None = None
    decode: PoolPart | None = None

    @model_validator(mode="after")
    def _says_its_pools(self) -> Self:
        """In the way of its mode. Raises ValueError where it does not."""
        whole, apart = ("plan", "engine"), ("prefill", "decode")
        needed, other = (whole, apart) if self.mode == "agg" else (apart, whole)
        if any(getattr(self, name) is None for name in needed) or self.model_fields_set & set(other):
            raise ValueError(f"a deployment of mode {self.mode} has {' and '.join(needed)}, and nothing else")
        return self


class CandidatePart(DeploymentPart):
    """One deployment and what it gives."""

    concurrency: _Amount | None = None
    ttft_ms: LatencyPart
    itl_ms: LatencyPart
    e2e_ms: LatencyPart
    output_tokens_per_s: _Amount | None
    output_tokens_per_s_per_gpu: _Amount | None
    tokens_per_s_per_user: _Amount | None = None
    request_rate_per_s: _Amount | None
    goodput_per_s: _Amount | None = None
    memory_gib: dict[str, float] = Field(default_factory=dict)
    kv_capacity_tokens: _Amount | None
    sla_probability: _Share | None = None
    in_domain: bool | None = None
    bottleneck: str
    cost_per_million_output_tokens: _Amount | None = None
    max_energy_j_per_output_token: _Amount | None = None
    meets_sla: bool | None = None
    tied: bool | None = None
    notes: list[str] = Field(default_factory=list)


class HardwarePart(StoredPart):
    """The GPUs that were asked for."""

    gpu: str
    total_gpus: _Count | None = None
    gpus_per_node: _Count | None = None
    vram_mb: _Amount | None = None


class WorkloadPart(StoredPart):
    """The load that was asked for."""

    isl_tokens: _Length
    osl_tokens: _Length
    concurrency: _Length | None = None
    request_rate_per_s: _Length | None = None
    requests_per_slot: _Length | None = None
    length_spread: _Share = 0.0
    prefix_hit: _Share = 0.0


class RequestPart(StoredPart):
    """The question."""

    model: str
    backend: str = "auto"
    hardware: HardwarePart
    workload: WorkloadPart
    sla: dict[str, _Amount | None]
    sla_statistic: str = "mean"
    sla_statistics: dict[str, str] | None = None
    sla_assumed: bool = False
    gpu_hour_price: _Amount | None = None
    modes: list[str] = Field(default_factory=list)
    search_strategy: str | None = None
    optimization: str | None = None
    tuning: dict[str, Any] = Field(default_factory=dict)
    source: str | None = None
    warnings: list[str] = Field(default_factory=list)


class FrontPoint(StoredPart):
    """One point of a front."""

    layout: str
    num_gpus: _Count
    concurrency: _Amount | None = None
    output_tokens_per_s_per_gpu: _Amount | None
    tokens_per_s_per_user: _Amount | None
    sla_probability: _Share | None = None
    meets_sla: bool | None = None
    in_domain: bool | None = None
    ttft_ms: LatencyPart
    itl_ms: LatencyPart


class FrontPart(StoredPart):
    """The front of one engine and mode."""

    backend: str
    mode: str
    points: list[FrontPoint]


class RejectedPart(StoredPart):
    """Plans that were not possible, by reason."""

    reason: str
    count: int
    nearest: str | None = None


class TradeOffPart(StoredPart):
    """What one change would do."""

    change: str
    text: str
    candidate: CandidatePart | None = None


class RelaxationPart(StoredPart):
    """What a bound would have to be."""

    bound: str
    asked_ms: _Amount
    needed_ms: _Amount | None


class AlternativePart(StoredPart):
    """The best of another GPU or engine."""

    gpu: str
    backend: str
    wins: bool = False
    refusal: str | None = None
    candidate: CandidatePart | None = None
    gpu_hour_price: _Amount | None = None


class FinalistsPart(StoredPart):
    """How far the second look went."""

    asked: int
    simulated: int
    stopped: str = ""
    moved: str = ""
    failed: list[str] = Field(default_factory=list)


class RecommendationPart(StoredPart):
    """The whole document; what older versions did not write may be missing."""

    request: RequestPart
    selected: CandidatePart
    selected_row: _Count | None = None
    expected_best: CandidatePart | None = None
    candidates: list[CandidatePart] = Field(default_factory=list)
    pareto: list[CandidatePart] = Field(default_factory=list)
    knee: CandidatePart | None = None
    fronts: list[FrontPart] = Field(default_factory=list)
    rejected: list[RejectedPart] = Field(default_factory=list)
    meets_sla: bool | None = None
    explanation: list[str] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)
    bottlenecks: dict[str, str] = Field(default_factory=dict)
    finalists: FinalistsPart | None = None
    trade_offs: list[TradeOffPart] = Field(default_factory=list)
    relaxations: list[RelaxationPart] = Field(default_factory=list)
    most_request_rate_per_s: float | None = None
    alternatives: list[AlternativePart] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
