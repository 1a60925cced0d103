"""The Planner's plug-in settings, block for block as its configuration of Dynamo 1.6.1 has them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Stage = Literal["predict", "propose", "reconcile", "constrain"]

_HOLD_POLICIES = ("ACCEPT_WHEN_IDLE", "HOLD_LAST")  # their places are the numbers the schema wants


class Block(BaseModel):
    """A block with a fixed set of keys and no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


def _hold_policy(value: Any) -> Any:
    """The Planner takes the name as well as the number; the number is what its schema knows."""
    name = value.upper() if isinstance(value, str) else None
    return _HOLD_POLICIES.index(name) if name in _HOLD_POLICIES else value


class ExternalPlugin(Block):
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


class Gateway(Block):
    """Where plug-ins register themselves."""

    enabled: bool = False
    listen: str = "unix:///var/run/dynamo/planner/registry.sock"
    allow_insecure: bool = False


class Scheduling(Block):
    """How often the Planner decides. scale_interval_seconds None: follows from the other intervals."""

    tick_max_duration_seconds: Positive = 30.0
    external_plugins: list[ExternalPlugin] = Field(default_factory=list)
    gateway: Gateway = Gateway()
    scale_interval_seconds: Positive | None = None


class Auth(Block):
    """Who may register a plug-in."""

    trusted_sources: list[Literal["static_secret", "allow_unauthenticated"]] = Field(default_factory=list)
    static_secrets: dict[str, str] = Field(default_factory=dict)


class Transport(Block):
    """The connection to plug-ins."""

    allow_insecure_grpc: bool = False
    request_timeout_seconds: Positive = 5.0
    keepalive_time_ms: int = 30_000
    max_message_size_bytes: int = 10 * 2**20


class InProcessPlugin(Block):
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


class Admin(Block):
    """Who may list plug-ins."""

    mode: Literal["allow_all", "k8s_rbac"] = "allow_all"


class PluginRegistration(Block):
    """How plug-ins come to be known."""

    auth: Auth = Auth()
    transport: Transport = Transport()
    protocol_version_min: str = "1.0"
    protocol_version_max: str = "1.0"
    heartbeat_timeout_seconds: Positive = 15.0
    heartbeat_missed_threshold: Annotated[int, Field(ge=1)] = 2
    in_process_plugins: list[InProcessPlugin] = Field(default_factory=list)
    admin: Admin = Admin()
