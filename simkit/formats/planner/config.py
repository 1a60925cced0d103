"""The Planner's configuration, field for field as Dynamo 1.6.1 has it, with the Planner's own defaults."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from simkit.engines.registry import engine_names
from simkit.formats.engine_choice import EngineName, EngineOrMocker

# --- The Planner's plug-in settings, block for block as its configuration of Dynamo 1.6.1 has them.


Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Stage = Literal["predict", "propose", "reconcile", "constrain"]

_HOLD_POLICIES = ("ACCEPT_WHEN_IDLE", "HOLD_LAST")  # their places are the numbers the schema wants


class SettingsBlock(BaseModel):
    """A block with a fixed set of keys and no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def _hold_policy(value: Any) -> Any:
    """The Planner takes the name as well as the number; the number is what its schema knows."""
    name = value.upper() if isinstance(value, str) else None
    return _HOLD_POLICIES.index(name) if name in _HOLD_POLICIES else value


class ExternalPlugin(SettingsBlock):
    """A plug-in process that the Planner calls."""

    plugin_id: Text
    plugin_type: Stage
    priority: int
    endpoint: Annotated[str, Field(pattern=r"^grpc://")]
    auth_token: str = ""
    protocol_version: str = "1.0"
    version: str = "v1"
    execution_interval_seconds: NotNegative = 0.0
    hold_policy: Annotated[Literal[0, 1], BeforeValidator(_hold_policy)] = 1
    needs: list[str] = Field(default_factory=list)
    requires_produced_fields: list[str] = Field(default_factory=list)
    observation_window_seconds: NotNegative = 0.0


class Gateway(SettingsBlock):
    """Where plug-ins register themselves."""

    enabled: bool = False
    listen: str = "unix:///var/run/dynamo/planner/registry.sock"
    allow_insecure: bool = False


class Scheduling(SettingsBlock):
    """How often the Planner decides. scale_interval_seconds None: follows from the other intervals."""

    tick_max_duration_seconds: Positive = 30.0
    external_plugins: list[ExternalPlugin] = Field(default_factory=list)
    gateway: Gateway = Gateway()
    scale_interval_seconds: Positive | None = None


class Auth(SettingsBlock):
    """Who may register a plug-in."""

    trusted_sources: list[Literal["static_secret", "allow_unauthenticated"]] = Field(default_factory=list)
    static_secrets: dict[str, str] = Field(default_factory=dict)


class Transport(SettingsBlock):
    """The connection to plug-ins."""

    allow_insecure_grpc: bool = False
    request_timeout_seconds: Positive = 5.0
    keepalive_time_ms: int = 30_000
    max_message_size_bytes: int = 10 * 2**20


class InProcessPlugin(SettingsBlock):
    """A plug-in class that the Planner imports."""

    module: Text
    class_: Annotated[str, Field(alias="class", min_length=1)]
    plugin_id: Text
    plugin_type: Stage
    priority: int
    execution_interval_seconds: NotNegative = 0.0
    hold_policy: Literal["ACCEPT_WHEN_IDLE", "HOLD_LAST"] = "ACCEPT_WHEN_IDLE"
    needs: list[str] = Field(default_factory=list)
    requires_produced_fields: list[str] = Field(default_factory=list)
    observation_window_seconds: NotNegative = 0.0
    kwargs: dict[str, Any] = Field(default_factory=dict)


class Admin(SettingsBlock):
    """Who may list plug-ins."""

    mode: Literal["allow_all", "k8s_rbac"] = "allow_all"


class PluginRegistration(SettingsBlock):
    """How plug-ins come to be known."""

    auth: Auth = Auth()
    transport: Transport = Transport()
    protocol_version_min: str = "1.0"
    protocol_version_max: str = "1.0"
    heartbeat_timeout_seconds: Positive = 15.0
    heartbeat_missed_threshold: Annotated[int, Field(ge=1)] = 2
    in_process_plugins: list[InProcessPlugin] = Field(default_factory=list)
    admin: Admin = Admin()


# --- The Planner's configuration, field for field as Dynamo 1.6.1 has it, with the Planner's own defaults.
# Rules that span fields are in planner_rules, so that all faults come out together.


_INT32 = 2**31 - 1
Count = Annotated[int, Field(ge=1, le=_INT32)]
NotNegativeCount = Annotated[int, Field(ge=0, le=_INT32)]
Budget = Annotated[int, Field(ge=-1, le=_INT32)]  # -1: no limit
Port = Annotated[int, Field(ge=0, le=65535)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]


class PickedPlan(SettingsBlock):
    """The layout of one engine in AIConfigurator's terms."""

    tp: Count = 1
    pp: Count = 1
    dp: Count = 1
    moe_tp: Count = 1
    moe_ep: Count = 1


class AicInterpolation(SettingsBlock):
    """What AIConfigurator needs to fill the Planner's performance model at start."""

    hf_id: Text
    system: Text
    backend: EngineName
    isl: Count
    osl: Count
    sweep_max_context_length: Count
    prefill_interpolation_granularity: Count
    decode_interpolation_granularity: Count
    prefill_pick: PickedPlan
    decode_pick: PickedPlan


class AisPerfModel(SettingsBlock):
    """Configurations of the Planner's own estimator, by role."""

    roles: dict[Literal["prefill", "decode", "aggregated"], dict[str, Any]]


class PlannerConfig(SettingsBlock):
    """Everything that can be set. None in a field that the environment sets means not set."""

    pre_deployment_sweeping_mode: Literal["none", "rapid", "thorough"] | None = "rapid"
    environment: Literal["kubernetes", "virtual", "global-planner"] = "kubernetes"
    namespace: Text | None = None
    backend: EngineOrMocker = Field(default_factory=lambda: engine_names()[0])
    mode: Literal["disagg", "prefill", "decode", "agg"] = "disagg"
    optimization_target: Literal["throughput", "latency", "load", "sla"] = "throughput"
    log_dir: str | None = None
    throughput_adjustment_interval_seconds: Count = 180
    max_throughput_scaling_replicas: Count = 8
    max_gpu_budget: Budget = 8
    min_gpu_budget: Budget = -1
    min_endpoint: NotNegativeCount = 1
    prefill_min_endpoint: Count | None = None
    decode_min_endpoint: Count | None = None
    control_api_port: Port = 9086
    decode_engine_num_gpu: Count | None = None
    prefill_engine_num_gpu: Count | None = None
    profile_results_dir: Text = "profiling_results"
    aic_interpolation: AicInterpolation | None = None
    ais_perf_model: AisPerfModel | None = None
    ttft_ms: Positive = 500.0
    itl_ms: Positive = 50.0
    load_predictor: Literal["constant", "arima", "prophet", "kalman"] = "arima"
    load_predictor_log1p: bool = False
    prophet_window_size: Count = 50
    load_predictor_warmup_trace: str | None = None
    kalman_q_level: Finite = 1.0
    kalman_q_trend: Finite = 0.1
    kalman_r: Finite = 10.0
    kalman_min_points: Count = 5
    metric_pulling_prometheus_endpoint: Url | None = None
    metric_pulling_prometheus_token: str | None = None
    metric_pulling_prometheus_token_file: str | None = None
    metric_pulling_prometheus_ssl_verify: bool | None = None
    metric_pulling_prometheus_extra_query_params: dict[str, str] | None = None
    metric_pulling_prometheus_ca_bundle: str | None = None
    metric_pulling_prometheus_request_timeout_seconds: Positive | None = None
    metric_reporting_prometheus_port: Port | None = None
    throughput_metrics_source: Literal["frontend", "router"] = "frontend"
    model_name: str | None = None
    global_planner_namespace: str | None = None
    enable_throughput_scaling: bool = True
    enable_load_scaling: bool = False
    load_adjustment_interval_seconds: Count = 5
    max_num_fpm_samples: Count = 64
    fpm_sample_bucket_size: Count = 16
    load_scaling_down_sensitivity: Annotated[int, Field(ge=0, le=100)] = 80
    prefill_scale_up_queue_tokens: NotNegativeCount | None = None
    prefill_scale_down_queue_tokens: NotNegativeCount | None = None
    decode_scale_up_kv_rate: Percent | None = None
    decode_scale_down_kv_rate: Percent | None = None
    load_min_observations: Count = 5
    speculative_nextn: NotNegativeCount = 0
    advisory: bool = False
    enable_power_awareness: bool = False
    total_gpu_power_limit: Count | None = None
    report_interval_hours: Positive | None = 24.0
    report_output_dir: str = "./planner_reports"
    report_filename: str | None = None
    report_write_gzip_log: bool = True
    live_dashboard_port: Port = 8080
    scheduling: Scheduling = Scheduling()
    plugin_registration: PluginRegistration = PluginRegistration()

    @property
    def scales_by_throughput(self) -> bool:
        """Whether the slow loop, which forecasts demand, runs: only towards an SLA."""
        return self.optimization_target == "sla" and self.enable_throughput_scaling

    @property
    def scales_by_load(self) -> bool:
        """Whether the fast loop, which reads queues and caches, runs; an SLA alone can do without."""
        return self.optimization_target != "sla" or self.enable_load_scaling

    @property
    def intervals_s(self) -> tuple[int, ...]:
        """The intervals in force [s]."""
        fast, slow = self.load_adjustment_interval_seconds, self.throughput_adjustment_interval_seconds
        return (fast, slow) if self.scales_by_throughput else (fast,)

    @property
    def scale_interval_s(self) -> float:
        """How often the Planner decides [s]: as given, or the largest that divides its intervals."""
        return self.scheduling.scale_interval_seconds or float(math.gcd(*self.intervals_s))
