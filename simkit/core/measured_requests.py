"""Single requests as a client saw them, and the run they make up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simkit.core.errors import ExternalError
from simkit.core.measured import Run, Source, Spread


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


def spread_of(values: Sequence[float | None]) -> Spread:
    """Mean, percentiles and standard deviation of seconds; those that are None do not count."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return Spread()
    p50, p90, p99 = (float(q) for q in np.percentile(known, (50, 90, 99)))
    return Spread(mean_s=float(known.mean()), p50_s=p50, p90_s=p90, p99_s=p99, std_s=float(known.std()))
