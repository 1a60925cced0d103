"""What the user promises: latency bounds, and what to prefer among those that hold them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simkit.core.errors import InputError, unknown_name

STATISTICS = ("mean", "p50", "p75", "p90", "p95", "p99")
PERCENTILES = tuple(int(name.removeprefix("p")) for name in STATISTICS if name != "mean")


def known_statistic(name: str, known: Iterable[str] = STATISTICS) -> str:
    """The name, if a bound can be one on it. Raises InputError."""
    if name not in known:
        raise unknown_name("SLA statistic", name, known, f"expected one of {', '.join(known)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Bounds on latencies in seconds; None is no bound.

    statistic is what a bound is on that names none of its own (`ttft_statistic` ...): the mean or a
    percentile. assumed: the request gave no bounds, and these are the defaults of Dynamo's profiler: they
    lead the search, and nothing is judged by them.
    """

    ttft_s: float | None = None
    itl_s: float | None = None
    e2e_s: float | None = None
    statistic: str = "mean"
    ttft_statistic: str | None = None
    itl_statistic: str | None = None
    e2e_statistic: str | None = None
    assumed: bool = False

    def __post_init__(self) -> None:
        for name in (self.statistic, self.ttft_statistic, self.itl_statistic, self.e2e_statistic):
            if name is not None:
                known_statistic(name)
        for name in ("ttft_s", "itl_s", "e2e_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e7:
                raise InputError(f"sla.{name} must be a positive time, got {value} s")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by metric name."""
        found = {name: getattr(self, name) for name in ("ttft_s", "itl_s", "e2e_s")}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def judged(self) -> bool:
        """Whether a bound was asked for: defaults judge nothing."""
        return bool(self.bounds) and not self.assumed

    def statistic_of(self, name: str) -> str:
        """What a bound (ttft_s, itl_s, e2e_s) is on: its own statistic, else the one for all."""
        own: str | None = getattr(self, f"{name.removesuffix('_s')}_statistic")
        return own or self.statistic

    def with_bound(self, name: str, value_s: float | None) -> "Slo":
        """The same with one bound changed, or dropped; name as in `bounds`."""
        changed: dict[str, Any] = {name: value_s}
        return replace(self, **changed)

    def with_statistics(self, own: Mapping[str, str], for_all: str | None = None) -> "Slo":
        """The same with the statistics of single bounds (by ttft, itl, e2e), and the one of the others."""
        named: dict[str, Any] = {f"{name}_statistic": statistic for name, statistic in own.items()}
        return replace(self, statistic=for_all or self.statistic, **named)
