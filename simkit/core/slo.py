"""What the user promises: latency bounds, and what to prefer among those that hold them."""

from dataclasses import dataclass

from simkit.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Bounds on mean latencies in seconds; None is no bound."""

    ttft_s: float | None = None
    itl_s: float | None = None
    e2e_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("ttft_s", "itl_s", "e2e_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e7:
                raise InputError(f"sla.{name} must be a positive time, got {value} s")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by metric name."""
        found = {name: getattr(self, name) for name in ("ttft_s", "itl_s", "e2e_s")}
        return {name: value for name, value in found.items() if value is not None}
