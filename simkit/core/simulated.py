"""What a request-level simulation of a candidate found, beside its closed form."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One latency over the requests that count [s]."""

    mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One candidate under its steady load, request by request.

    requests are those counted. ttft_factor and itl_factor are what measured runs say of the closed form, and
    are in all latencies here as they are in the estimate. violation is the worst bounded latency over
    its bound, 0 without bounds. goodput_per_s: requests a second that keep every bound, None without one.
    doubtful: the closed form was in doubt at this load.
    """

    requests: int
    concurrency: float
    ttft: Spread
    itl: Spread
    e2e: Spread
    request_rate_per_s: float
    output_tokens_per_s: float
    output_tokens_per_s_per_gpu: float
    violation: float
    ttft_factor: float = 1.0
    itl_factor: float = 1.0
    goodput_per_s: float | None = None
    good_frac: float | None = None
    sla_probability: float | None = None
    preemptions: int = 0
    doubtful: bool = False

    @property
    def meets_sla(self) -> bool:
        """Whether every bound holds as simulated."""
        return self.violation <= 1.0

    def bounded_s(self, name: str, statistic: str) -> float:
        """What a bound (ttft_s, itl_s, e2e_s) speaks of: mean, p50, p90 or p99 [s]."""
        spread: Spread = getattr(self, name.removesuffix("_s"))
        value: float = getattr(spread, f"{statistic}_s")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalists:
    """How far the second look went: simulated of `asked` candidates, best first.

    stopped: "" when all were simulated, else "time budget" or "interrupted". moved says in words why the
    first changed, empty where it stands. failed: what could not be simulated and why.
    """

    asked: int
    simulated: int
    seed: int
    stopped: str = ""
    moved: str = ""
    failed: tuple[str, ...] = ()
