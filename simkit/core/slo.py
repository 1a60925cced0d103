"""What the user promises: latency bounds, and what to prefer among those that hold them."""

from dataclasses import dataclass

from simkit.core.errors import InputError, unknown_name

STATISTICS = ("mean", "p50", "p90", "p99")


def known_statistic(name: str) -> str:
    """The name, if a bound can be one on it. Raises InputError."""
    if name not in STATISTICS:
        raise unknown_name("SLA statistic", name, STATISTICS)
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Bounds on latencies in seconds; None is no bound. statistic is what is bound: mean, p50, p90 or p99.

    assumed: the request gave no bounds, and these are the defaults of Dynamo's profiler.
    """

    ttft_s: float | None = None
    itl_s: float | None = None
    e2e_s: float | None = None
    statistic: str = "mean"
    assumed: bool = False

    def __post_init__(self) -> None:
        known_statistic(self.statistic)
        for name in ("ttft_s", "itl_s", "e2e_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e7:
                raise InputError(f"sla.{name} must be a positive time, got {value} s")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by metric name."""
        found = {name: getattr(self, name) for name in ("ttft_s", "itl_s", "e2e_s")}
        return {name: value for name, value in found.items() if value is not None}

    def with_bound(self, name: str, value_s: float | None) -> "Slo":
        """The same with one bound changed, or dropped; name as in `bounds`."""
        bounds: dict[str, float | None] = {**self.bounds, name: value_s}
        return Slo(
            ttft_s=bounds.get("ttft_s"),
            itl_s=bounds.get("itl_s"),
            e2e_s=bounds.get("e2e_s"),
            statistic=self.statistic,
        )
