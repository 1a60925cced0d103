"""What a Planner configuration must satisfy across fields: Dynamo's rules, and that no secret is written."""

import math
from collections.abc import Callable, Iterator

from simkit.core.words import listed
from simkit.engines.registry import engine_names
from simkit.formats.faults import Fault
from simkit.formats.planner.config import (
    PATH,
    Config,
    intervals_s,
    scale_interval_s,
    scales_by_load,
    scales_by_throughput,
)

_Problem = tuple[str, str, str]  # the field, what is wrong, what to do
_FROM_A_SECRET = "mount a configuration from a Secret with spec.overrides.dgd"  # noqa: S105 (words)


def planner_fault(field: str, problem: str, remedy: str) -> Fault:
    """What is wrong with a field of the Planner's configuration."""
    return Fault(path=f"{PATH}.{field}", problem=problem, remedy=remedy)


def planner_problems(config: Config) -> list[Fault]:
    """Every rule that a complete configuration breaks."""
    return [planner_fault(*problem) for rule in _RULES for problem in rule(config)]


def reporting_engines() -> tuple[str, ...]:
    """The engines whose workers report what load-based scaling reads."""
    return engine_names(lambda spec: spec.worker.reports_steps)


def load_scaling_problem(backend: str, field: str = "enable_load_scaling") -> Fault:
    """Load-based scaling asked of an engine that does not report what it reads."""
    able = reporting_engines()
    who = f"{listed(able)} {'reports' if len(able) == 1 else 'report'}"
    problem = f"load-based scaling reads forward-pass metrics, which only {who}, and not {backend}"
    return planner_fault(field, problem, f"set spec.backend to {listed(able, 'or')}, or scale by throughput")


def _secrets(config: Config) -> Iterator[_Problem]:
    """A ConfigMap is no place for a secret."""
    if config.get("metric_pulling_prometheus_token"):
        remedy = "mount the token and name its path in metric_pulling_prometheus_token_file"
        yield "metric_pulling_prometheus_token", "would put a secret into a ConfigMap", remedy
    if config["plugin_registration"]["auth"]["static_secrets"]:
        field = "plugin_registration.auth.static_secrets"
        yield field, "would put secrets into a ConfigMap", _FROM_A_SECRET
    for index, plugin in enumerate(config["scheduling"]["external_plugins"]):
        if plugin["auth_token"]:
            field = f"scheduling.external_plugins[{index}].auth_token"
            yield field, "would put a secret into a ConfigMap", _FROM_A_SECRET


def _endpoints(config: Config) -> Iterator[_Problem]:
    mode = config["mode"]
    forbidden = {"prefill": ("decode",), "decode": ("prefill",), "agg": ("prefill", "decode")}
    for role in forbidden.get(mode, ()):
        if config[f"{role}_min_endpoint"] is not None:
            problem = f"does not go with mode {mode!r}, which scales no {role} engines of their own"
            yield f"{role}_min_endpoint", problem, "give min_endpoint instead"


def _budgets(config: Config) -> Iterator[_Problem]:
    least, most = config["min_gpu_budget"], config["max_gpu_budget"]
    if 0 <= most < least:
        problem = f"{least} is above max_gpu_budget {most}"
        yield "min_gpu_budget", problem, "lower it, or -1 for no floor"


def _power(config: Config) -> Iterator[_Problem]:
    if not config["enable_power_awareness"]:
        return
    if config["total_gpu_power_limit"] is None:
        remedy = "give the watts that all GPUs together may draw"
        yield "total_gpu_power_limit", "required with enable_power_awareness", remedy
    if config["environment"] != "kubernetes":
        problem = f"needs environment 'kubernetes', got {config['environment']!r}"
        yield "enable_power_awareness", problem, "turn it off, or run on Kubernetes"
    if config["mode"] == "agg":
        problem = "does not go with mode 'agg'"
        yield "enable_power_awareness", problem, "turn it off, or deploy disaggregated"


def _global_planner(config: Config) -> Iterator[_Problem]:
    if config["environment"] == "global-planner" and not config["global_planner_namespace"]:
        problem = "required with environment 'global-planner'"
        yield "global_planner_namespace", problem, "name the namespace it runs in"


def _thresholds(config: Config) -> Iterator[_Problem]:
    """Target `load` has no thresholds of its own."""
    if config["optimization_target"] != "load":
        return
    pairs = {
        "prefill": ("prefill_scale_up_queue_tokens", "prefill_scale_down_queue_tokens"),
        "decode": ("decode_scale_up_kv_rate", "decode_scale_down_kv_rate"),
    }
    roles = {"prefill": ("prefill",), "disagg": ("prefill", "decode")}.get(config["mode"], ("decode",))
    for up, down in (pairs[role] for role in roles):
        missing = [name for name in (up, down) if config[name] is None]
        for name in missing:
            yield name, "required with optimization_target 'load'", "give the threshold"
        if not missing and config[up] <= config[down]:
            problem = f"{config[up]:g} must be above {down}, which is {config[down]:g}"
            yield up, problem, "leave room between the two, or the pool will flap"


def _scaling(config: Config) -> Iterator[_Problem]:
    by_load, by_throughput = scales_by_load(config), scales_by_throughput(config)
    if not (by_load or by_throughput):
        remedy = "turn on enable_throughput_scaling or enable_load_scaling"
        yield "enable_throughput_scaling", "neither throughput nor load scaling is on", remedy
    fast, slow = (config[f"{loop}_adjustment_interval_seconds"] for loop in ("load", "throughput"))
    if by_load and by_throughput and fast >= slow:
        problem = f"{fast} s must be shorter than throughput_adjustment_interval_seconds, {slow} s"
        yield "load_adjustment_interval_seconds", problem, "shorten it; it is the fast loop"
    tick = scale_interval_s(config)
    uneven = [value for value in intervals_s(config) if not _divides(tick, value)]
    if uneven:
        problem = f"{tick:g} s does not divide the interval of {uneven[0]} s"
        remedy = "leave it out, and it follows from the intervals"
        yield "scheduling.scale_interval_seconds", problem, remedy


def _divides(part: float, whole: float) -> bool:
    times = whole / part
    return round(times) >= 1 and math.isclose(times, round(times), rel_tol=1e-9)


def _samples(config: Config) -> Iterator[_Problem]:
    size = config["fpm_sample_bucket_size"]
    if math.isqrt(size) ** 2 != size:
        yield "fpm_sample_bucket_size", f"must be a perfect square, got {size}", "write 4, 9, 16, 25, ..."


def _perf_model(config: Config) -> Iterator[_Problem]:
    mode, model = config["mode"], config["ais_perf_model"]
    if model is None:
        return
    for role in {"disagg": ("prefill", "decode"), "agg": ("aggregated",)}.get(mode, (mode,)):
        if role not in model["roles"]:
            remedy = "add it, or remove ais_perf_model"
            yield f"ais_perf_model.roles.{role}", f"required with mode {mode!r}", remedy
    for role, settings in model["roles"].items():
        if settings.get("worker_type", role) != role:
            problem = f"is {settings['worker_type']!r}, which contradicts its role"
            yield f"ais_perf_model.roles.{role}.worker_type", problem, f"write {role}"


_RULES: tuple[Callable[[Config], Iterator[_Problem]], ...] = (
    _secrets,
    _endpoints,
    _budgets,
    _power,
    _global_planner,
    _thresholds,
    _scaling,
    _samples,
    _perf_model,
)
