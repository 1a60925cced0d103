"""One measured serving run, whatever tool measured it: one set of definitions, seconds, provenance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simkit.core.errors import ExternalError, InputError
from simkit.core.slo import PERCENTILES

# --- One measured serving run, whatever tool measured it: one set of definitions, seconds, provenance.
# TTFT is request sent to first token. ITL is the per-request mean gap (e2e - TTFT)/(OSL - 1), which vLLM's
# and InferenceX's benchmarks call TPOT. ICL is each gap between streamed chunks, which vLLM's benchmark
# calls ITL; it is kept apart, because servers may bundle tokens into one chunk.


_MOST = 1e15
_AMOUNTS = (
    "concurrency", "request_rate_per_s", "requests_per_slot", "length_spread", "num_requests", "num_errors",
    "duration_s", "output_tokens_per_s", "requests_per_s", "goodput_per_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpread:
    """A latency over requests [s]; None where the tool did not say."""

    mean_s: float | None = None
    p50_s: float | None = None
    p75_s: float | None = None
    p90_s: float | None = None
    p95_s: float | None = None
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
    ttft: MeasuredSpread = MeasuredSpread()
    itl: MeasuredSpread = MeasuredSpread()
    icl: MeasuredSpread = MeasuredSpread()
    e2e: MeasuredSpread = MeasuredSpread()
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
        for name, value in self._quantities():
            if value is not None and not 0 <= value < _MOST:
                raise InputError(
                    f"{self.source.path}: {name} must be from 0 to {_MOST:g}, got {value:g}; "
                    "the file is damaged, measure again"
                )

    def _quantities(self) -> Iterator[tuple[str, float | None]]:
        """What cannot be negative, by name: latencies, loads, rates, and what the server says."""
        for name in ("ttft", "itl", "icl", "e2e", "server"):
            inner = getattr(self, name)
            if inner is not None:
                yield from ((f"{name}.{item}", getattr(inner, item)) for item in inner.__slots__)
        for name in _AMOUNTS:
            yield name, getattr(self, name)
        yield "client_delay_s", None if self.client_delay_s is None else abs(self.client_delay_s)
        yield "osl_off_frac + 1", None if self.osl_off_frac is None else self.osl_off_frac + 1.0

    @property
    def error_frac(self) -> float:
        """Failed requests over all requests."""
        total = self.num_requests + self.num_errors
        return self.num_errors / total if total else 0.0


# --- Single requests as a client saw them, and the run they make up.


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request: times in seconds, token counts; gaps_s between its chunks; error says why it failed."""

    request_id: str
    start_s: float
    end_s: float
    ttft_s: float | None
    e2e_s: float | None
    isl_tokens: float | None
    osl_tokens: float | None
    gaps_s: tuple[float, ...] = ()
    error: str | None = None

    @property
    def itl_s(self) -> float | None:
        """The mean gap of this request; None for fewer than two tokens."""
        if self.ttft_s is None or self.e2e_s is None or not self.osl_tokens or self.osl_tokens < 2:
            return None
        return (self.e2e_s - self.ttft_s) / (self.osl_tokens - 1.0)


def run_of_records(records: Sequence[RequestRecord], source: Source, **load: Any) -> Run:
    """A run put together from its requests; `load` gives concurrency or rate, model and the like.

    Raises ExternalError when no request succeeded.
    """
    good = [item for item in records if not item.error and None not in (item.ttft_s, item.e2e_s)]
    if not good:
        raise ExternalError(
            f"{source.path}: no request succeeded; look at the server's log and repeat the run"
        )
    duration = max(item.end_s for item in good) - min(item.start_s for item in good)
    tokens = sum(item.osl_tokens or 0.0 for item in good)
    return Run(
        source=source,
        isl_tokens=float(np.mean([item.isl_tokens or np.nan for item in good])),
        osl_tokens=tokens / len(good),
        num_requests=len(good),
        num_errors=len(records) - len(good),
        duration_s=duration,
        ttft=spread_of([item.ttft_s for item in good]),
        itl=spread_of([item.itl_s for item in good]),
        icl=spread_of([gap for item in good for gap in item.gaps_s]),
        e2e=spread_of([item.e2e_s for item in good]),
        output_tokens_per_s=tokens / duration if duration > 0 else None,
        requests_per_s=len(good) / duration if duration > 0 else None,
        **load,
    )


def spread_of(values: Sequence[float | None]) -> MeasuredSpread:
    """Mean, percentiles and standard deviation of seconds; those that are None do not count."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return MeasuredSpread()
    found = np.percentile(known, PERCENTILES)
    percentiles = {f"p{q}_s": float(value) for q, value in zip(PERCENTILES, found, strict=True)}
    return MeasuredSpread(mean_s=float(known.mean()), std_s=float(known.std()), **percentiles)
