"""What a Planner configuration must satisfy across fields: Dynamo's rules, and that no secret is written."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from simkit.formats.planner.config import PlannerConfig


class PlannerProblem(NamedTuple):
    """A rule that is broken: the field, what is wrong, what to do."""

    field: str
    problem: str
    remedy: str


def planner_problems(config: PlannerConfig) -> list[PlannerProblem]:
    """Every rule that the configuration breaks."""
    return [problem for rule in _RULES for problem in rule(config)]


def _secrets(config: PlannerConfig) -> Iterator[PlannerProblem]:
    """A ConfigMap is no place for a secret."""
    if config.metric_pulling_prometheus_token:
        yield PlannerProblem(
            "metric_pulling_prometheus_token",
            "would put a secret into a ConfigMap",
            "mount the token and name its path in metric_pulling_prometheus_token_file",
        )
    if config.plugin_registration.auth.static_secrets:
        yield PlannerProblem(
            "plugin_registration.auth.static_secrets",
            "would put secrets into a ConfigMap",
            "mount a configuration from a Secret with spec.overrides.dgd",
        )
    for index, plugin in enumerate(config.scheduling.external_plugins):
        if plugin.auth_token:
            field = f"scheduling.external_plugins[{index}].auth_token"
            remedy = "mount a configuration from a Secret with spec.overrides.dgd"
            yield PlannerProblem(field, "would put a secret into a ConfigMap", remedy)


def _endpoints(config: PlannerConfig) -> Iterator[PlannerProblem]:
    given = {"prefill": config.prefill_min_endpoint, "decode": config.decode_min_endpoint}
    forbidden = {"prefill": ("decode",), "decode": ("prefill",), "agg": ("prefill", "decode")}
    for role in forbidden.get(config.mode, ()):
        if given[role] is not None:
            problem = f"does not go with mode {config.mode!r}, which scales no {role} engines of their own"
            yield PlannerProblem(f"{role}_min_endpoint", problem, "give min_endpoint instead")


def _budgets(config: PlannerConfig) -> Iterator[PlannerProblem]:
    least, most = config.min_gpu_budget, config.max_gpu_budget
    if 0 <= most < least:
        problem = f"{least} is above max_gpu_budget {most}"
        yield PlannerProblem("min_gpu_budget", problem, "lower it, or -1 for no floor")


def _power(config: PlannerConfig) -> Iterator[PlannerProblem]:
    if not config.enable_power_awareness:
        return
    if config.total_gpu_power_limit is None:
        remedy = "give the watts that all GPUs together may draw"
        yield PlannerProblem("total_gpu_power_limit", "required with enable_power_awareness", remedy)
    if config.environment != "kubernetes":
        problem = f"needs environment 'kubernetes', got {config.environment!r}"
        yield PlannerProblem("enable_power_awareness", problem, "turn it off, or run on Kubernetes")
    if config.mode == "agg":
        problem = "does not go with mode 'agg'"
        yield PlannerProblem("enable_power_awareness", problem, "turn it off, or deploy disaggregated")


def _global_planner(config: PlannerConfig) -> Iterator[PlannerProblem]:
    if config.environment == "global-planner" and not config.global_planner_namespace:
        problem = "required with environment 'global-planner'"
        yield PlannerProblem("global_planner_namespace", problem, "name the namespace it runs in")


def _thresholds(config: PlannerConfig) -> Iterator[PlannerProblem]:
    """Target `load` has no thresholds of its own."""
    if config.optimization_target != "load":
        return
    pairs = {
        "prefill": ("prefill_scale_up_queue_tokens", "prefill_scale_down_queue_tokens"),
        "decode": ("decode_scale_up_kv_rate", "decode_scale_down_kv_rate"),
    }
    roles = {"prefill": ("prefill",), "disagg": ("prefill", "decode")}.get(config.mode, ("decode",))
    for role in roles:
        up, down = pairs[role]
        values = getattr(config, up), getattr(config, down)
        for name, value in zip((up, down), values, strict=True):
            if value is None:
                yield PlannerProblem(name, "required with optimization_target 'load'", "give the threshold")
        if None not in values and values[0] <= values[1]:
            problem = f"{values[0]:g} must be above {down}, which is {values[1]:g}"
            yield PlannerProblem(up, problem, "leave room between the two, or the pool will flap")


def _scaling(config: PlannerConfig) -> Iterator[PlannerProblem]:
    if not (config.scales_by_load or config.scales_by_throughput):
        problem = "neither throughput nor load scaling is on"
        remedy = "turn on enable_throughput_scaling or enable_load_scaling"
        yield PlannerProblem("enable_throughput_scaling", problem, remedy)
    fast, slow = config.load_adjustment_interval_seconds, config.throughput_adjustment_interval_seconds
    if config.scales_by_load and config.scales_by_throughput and fast >= slow:
        problem = f"{fast} s must be shorter than throughput_adjustment_interval_seconds, {slow} s"
        yield PlannerProblem("load_adjustment_interval_seconds", problem, "shorten it; it is the fast loop")
    tick = config.scale_interval_s
    uneven = [value for value in config.intervals_s if not _divides(tick, value)]
    if uneven:
        problem = f"{tick:g} s does not divide the interval of {uneven[0]} s"
        remedy = "leave it out, and it follows from the intervals"
        yield PlannerProblem("scheduling.scale_interval_seconds", problem, remedy)


def _divides(part: float, whole: float) -> bool:
    times = whole / part
    return round(times) >= 1 and math.isclose(times, round(times), rel_tol=1e-9)


def _samples(config: PlannerConfig) -> Iterator[PlannerProblem]:
    if math.isqrt(config.fpm_sample_bucket_size) ** 2 != config.fpm_sample_bucket_size:
        problem = f"must be a perfect square, got {config.fpm_sample_bucket_size}"
        yield PlannerProblem("fpm_sample_bucket_size", problem, "write 4, 9, 16, 25, ...")


def _perf_model(config: PlannerConfig) -> Iterator[PlannerProblem]:
    if config.ais_perf_model is None:
        return
    wanted = {"disagg": ("prefill", "decode"), "agg": ("aggregated",)}.get(config.mode, (config.mode,))
    for role in wanted:
        if role not in config.ais_perf_model.roles:
            problem = f"required with mode {config.mode!r}"
            yield PlannerProblem(f"ais_perf_model.roles.{role}", problem, "add it, or remove ais_perf_model")
    for role, settings in config.ais_perf_model.roles.items():
        if settings.get("worker_type", role) != role:
            problem = f"is {settings['worker_type']!r}, which contradicts its role"
            yield PlannerProblem(f"ais_perf_model.roles.{role}.worker_type", problem, f"write {role}")


_RULES: tuple[Callable[[PlannerConfig], Iterator[PlannerProblem]], ...] = (
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
