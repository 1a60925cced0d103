"""DynamoGraphDeploymentRequest v1beta1, field for field as the CRD of Dynamo 1.6.1 has it.

Latencies are milliseconds here, as users write them; simkit.formats.dgdr.read turns them into seconds.
Rules that span fields are in simkit.formats.dgdr.rules, so that all faults come out together.
"""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from simkit.formats.engine_choice import EngineOrAuto
from simkit.formats.faults import LABEL_PATTERN, NAME_PATTERN, VERSION_PATTERN

API_VERSION = "nvidia.com/v1beta1"
KIND = "DynamoGraphDeploymentRequest"
DEFAULT_TTFT_MS, DEFAULT_ITL_MS = 2000.0, 30.0  # the profiler's, not the CRD's
DEFAULT_ISL, DEFAULT_OSL = 4000, 1000
NO_SLA = "no SLA given: nothing is judged; Dynamo's profiler defaults ttft 2000 ms, itl 30 ms lead the choice"

Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
Budget = Annotated[int, Field(gt=0, le=1_000_000)]  # beyond any cluster; the CRD stops at 2^31 - 1
Tokens = Annotated[int, Field(gt=0, lt=10**9)]
Load = Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, lt=1e10, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Mapping = dict[str, Any]


class _Model(BaseModel):
    """A block with a fixed set of keys; every optional key may also be null, as in Kubernetes."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=False
    )


class Metadata(_Model):
    """Name and labels; what a cluster adds (uid, resourceVersion, ...) is ignored."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(max_length=253, pattern=NAME_PATTERN)]
    namespace: Annotated[str, Field(max_length=63, pattern=LABEL_PATTERN)] | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class ModelCacheFields(_Model):
    """A volume claim that holds the weights."""

    pvc_name: Annotated[str, Field(max_length=253, pattern=NAME_PATTERN)] | None = None
    pvc_model_path: Text | None = None
    pvc_mount_path: Text | None = None


class HardwareFields(_Model):
    """The GPUs to plan for."""

    gpu_sku: Text | None = None
    vram_mb: Positive | None = None
    total_gpus: Budget | None = None
    num_gpus_per_node: Count | None = Field(default=None, alias="numGpusPerNode")
    interconnect: str | None = None
    rdma: bool | None = None


class WorkloadFields(_Model):
    """Request lengths in tokens and the load."""

    isl: Tokens | None = None
    osl: Tokens | None = None
    concurrency: Load | None = None
    request_rate: Load | None = None


class Sla(_Model):
    """Latency targets in milliseconds."""

    ttft: Milliseconds | None = None
    itl: Milliseconds | None = None
    e2e_latency: Milliseconds | None = Field(default=None, alias="e2eLatency")
    optimization_type: Literal["latency", "throughput"] | None = None


class Overrides(_Model):
    """Changes to the profiling job and to the generated deployment."""

    profiling_job: Mapping | None = None
    trust_remote_code: bool | None = None
    dgd: Mapping | None = None


class Switch(_Model):
    """A feature that is on or off."""

    enabled: bool | None = None


class Features(_Model):
    """Optional parts of the platform. planner is handed to the Planner as it is."""

    planner: Mapping | None = None
    kv_router: Switch | None = None
    mocker: Switch | None = None


class Spec(_Model):
    """What to deploy, on what, for which load and targets."""

    model: Text
    backend: EngineOrAuto | None = None
    image: Text | None = None
    runtime_version_override: Annotated[str, Field(pattern=VERSION_PATTERN)] | None = None
    model_cache: ModelCacheFields | None = None
    hardware: HardwareFields | None = None
    workload: WorkloadFields | None = None
    sla: Sla | None = None
    overrides: Overrides | None = None
    features: Features | None = None
    search_strategy: Literal["rapid", "thorough"] | None = None
    auto_apply: bool | None = None


class Dgdr(_Model):
    """The whole request. status, which the operator writes, is ignored."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: Spec
    status: Any = None


@cache
def known_keys() -> dict[str, tuple[str, ...]]:
    """The keys each block may hold, by the block's path."""
    found: dict[str, tuple[str, ...]] = {}
    _collect(Dgdr, "", found)
    return found


def _collect(model: type[BaseModel], path: str, found: dict[str, tuple[str, ...]]) -> None:
    found[path] = tuple(field.alias or name for name, field in model.model_fields.items())
    for name, field in model.model_fields.items():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                _collect(part, f"{path}.{field.alias or name}".lstrip("."), found)
