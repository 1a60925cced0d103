"""One measured serving run, whatever tool measured it: one set of definitions, seconds, provenance.

TTFT is request sent to first token. ITL is the per-request mean gap (e2e - TTFT)/(OSL - 1), which vLLM's
and InferenceX's benchmarks call TPOT. ICL is each gap between streamed chunks, which vLLM's benchmark
calls ITL; it is kept apart, because servers may bundle tokens into one chunk.
"""

from dataclasses import dataclass

from simkit.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A latency over requests [s]; None where the tool did not say."""

    mean_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    std_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a run comes from: the tool, its version, the file, and how it was started."""

    tool: str
    path: str
    version: str | None = None
    started: str | None = None
    command: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """Means from the server's own histograms and gauges; None where it exports none.

    Latencies in seconds; kv_usage_frac is the peak share of the cache in use, cached_prompt_frac the
    share of prompt tokens found in it; preemptions counts requests thrown out for want of room.
    """

    ttft_s: float | None = None
    itl_s: float | None = None
    e2e_s: float | None = None
    queue_s: float | None = None
    kv_usage_frac: float | None = None
    cached_prompt_frac: float | None = None
    preemptions: float | None = None
    waiting_peak: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load on one deployment.

    concurrency is set in a closed loop, request_rate_per_s in an open one. client_delay_s is the mean
    from the moment a request was due to the moment it was sent. osl_off_frac is how far the mean output
    length is from the one asked for. notes say what a reader must know before comparing.
    """

    source: Source
    isl_tokens: float
    osl_tokens: float
    concurrency: float | None = None
    request_rate_per_s: float | None = None
    requests_per_slot: float | None = None
    length_spread: float = 0.0
    model: str | None = None
    num_requests: int = 0
    num_errors: int = 0
    duration_s: float | None = None
    ttft: Spread = Spread()
    itl: Spread = Spread()
    icl: Spread = Spread()
    e2e: Spread = Spread()
    output_tokens_per_s: float | None = None
    requests_per_s: float | None = None
    goodput_per_s: float | None = None
    client_delay_s: float | None = None
    osl_off_frac: float | None = None
    server: ServerSide | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("isl_tokens", "osl_tokens"):
            value = getattr(self, name)
            if not 0 < value < 1e9:
                raise InputError(
                    f"{self.source.path}: {name} must be positive and below 1e9, got {value}; "
                    "the file does not describe a generation benchmark"
                )
        if self.num_requests < 0 or self.num_errors < 0:
            raise InputError(f"{self.source.path}: negative request counts; the file is damaged")

    @property
    def error_frac(self) -> float:
        """Failed requests over all requests."""
        total = self.num_requests + self.num_errors
        return self.num_errors / total if total else 0.0
