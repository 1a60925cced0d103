"""Documents that simkit wrote and reads back for pages and comparisons: types and ranges of what is read."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simkit.core.errors import InputError
from simkit.core.slo import STATISTICS
from simkit.formats.faults import first_fault
from simkit.formats.recommendation_model import CandidatePart, DeploymentPart, StoredPart
from simkit.io.reading import Bounds, read_json_object

_Amount = Annotated[float, Field(ge=0, lt=1e15)]
_Above = Annotated[float, Field(gt=0, lt=1e15)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Gpus = Annotated[int, Field(ge=1, le=10**6)]
_Error = Annotated[float, Field(ge=-1, lt=1e15)]


def read_written(path: Path, kind: type[BaseModel], again: str) -> dict[str, Any]:
    """The document of a file, checked. Raises InputError that says what is damaged."""
    bounds = Bounds(most=50_000_000, remedy=again)
    document = read_json_object(path, bounds)
    check_written(document, kind, path, again)
    return document


def check_written(document: Any, kind: type[BaseModel], path: Path, again: str) -> None:
    """Raise InputError for a document that is not of its kind."""
    try:
        kind.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{path}: damaged ({first_fault(error)}); {again}") from error


# --- prediction.json


class BandPart(StoredPart):
    """A predicted mean with its interval, in seconds or per second."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    mean: _Amount
    lo: _Amount | None = None
    hi: _Amount | None = None


class PredictionPart(StoredPart):
    """What benchmark predicted; `about` is the candidate, the JSON of estimate where it was given by hand."""

    about: dict[str, Any]
    workload: dict[str, float | None]
    bands: dict[str, BandPart]


# --- comparison.json


class MetricPart(StoredPart):
    """One metric on both sides."""

    predicted: _Amount
    lo: _Amount | None
    hi: _Amount | None
    measured: _Amount
    error: _Error
    inside: bool | None
    limit: _Amount | None
    within: bool


class ComparisonPart(StoredPart):
    """A benchmark beside its prediction."""

    metrics: dict[str, MetricPart]
    remarks: list[str]
    measured_by: dict[str, str | None]


# --- profile_summary.json


class PointPart(StoredPart):
    """One point of a trial."""

    name: str
    predicted_ms: dict[str, _Amount]
    ttft_ms: _Amount | None
    itl_ms: _Amount | None
    output_tokens_per_s: _Amount | None


class TrialPart(StoredPart):
    """One deployment that was measured, or was to be."""

    name: str
    kind: str
    num_gpus: _Gpus
    skipped: str | None
    failures: dict[str, str]
    points: list[PointPart]


class RowsPart(StoredPart):
    """A table of texts."""

    heads: list[str]
    rows: list[list[str]]


class ProfilePart(StoredPart):
    """What a profile did and found."""

    model: str
    phase: str
    meets_sla: bool
    selected: CandidatePart
    selected_name: str
    points_measured: _Count
    points_resumed: _Count
    engines: list[TrialPart]
    candidates: list[TrialPart]
    changed: list[str]
    savings: list[str]
    sla: dict[str, _Amount]
    comparison: RowsPart = Field(default_factory=lambda: RowsPart(heads=[], rows=[]))
    remarks: list[str] = Field(default_factory=list)


# --- summary.json


class StatisticsPart(StoredPart):
    """One metric over requests, as AIPerf names its statistics."""

    avg: _Amount
    p50: _Amount
    p90: _Amount
    p99: _Amount


class AveragePart(StoredPart):
    """One figure of a run."""

    avg: _Amount


class AboutPart(DeploymentPart):
    """The candidate that was measured: what runs, and what its price was worked out for."""

    concurrency: _Amount | None = None
    output_tokens_per_s: _Amount | None = None
    kv_capacity_tokens: _Amount | None = None
    cost_per_million_output_tokens: _Amount | None = None


class LoadPart(StoredPart):
    """What was sent."""

    words: str


class QueuePart(StoredPart):
    """How long requests waited."""

    mean: _Amount
    p99: _Amount


class ClosedFormPart(StoredPart):
    """Means of the closed form."""

    ttft_ms: _Amount | None
    itl_ms: _Amount | None
    e2e_ms: _Amount | None
    output_tokens_per_s_per_gpu: _Amount | None


class VerdictPart(StoredPart):
    """The SLA's bounds and whether they hold."""

    statistics: dict[str, Literal[STATISTICS]]  # type: ignore[valid-type]
    bounds: dict[Literal["ttft_ms", "itl_ms", "e2e_ms"], _Above]
    met: bool
    missed: dict[Literal["ttft_ms", "itl_ms", "e2e_ms"], _Amount]


class OwnPart(StoredPart):
    """What AIPerf has no name for."""

    model: str
    versions: dict[str, str]
    seed: int
    router: str
    deployment: DeploymentPart
    load: LoadPart
    output_tokens_per_s_per_gpu: _Amount
    in_flight_mean: _Amount
    queue_ms: QueuePart
    prefix_cache_hit_frac: _Share
    kv_used_frac_max: _Amount | None
    preemptions: _Count
    settled: dict[str, _Amount] | None
    closed_form: dict[Literal["benchmark", "steady"], ClosedFormPart]
    believe: str
    sla: VerdictPart
    notes: list[str]


class SummaryPart(StoredPart):
    """A simulated run."""

    time_to_first_token: StatisticsPart | None = None
    inter_token_latency: StatisticsPart | None = None
    request_latency: StatisticsPart | None = None
    output_token_throughput: AveragePart
    request_throughput: AveragePart
    benchmark_duration: AveragePart
    goodput: AveragePart | None = None
    good_request_fraction: AveragePart | None = None
    simkit: OwnPart
