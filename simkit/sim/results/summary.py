"""What a run did: distributions of latencies and rates, totals, goodput, and whether the SLA held."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.slo import STATISTICS as OF_BOUNDS
from simkit.core.slo import Slo, known_statistic
from simkit.sim.requests import RequestTimes
from simkit.sim.results.statistics import RELATIVE_ERROR, Distribution, LogHistogram, distribution, in_flight

STATISTICS = (*OF_BOUNDS, "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Counted requests of one run.

    distributions are in SI by name (see `request_metrics`), in_flight by phase, over time. duration_s is
    from the first request sent to the last answer. good_requests keep every bound of the SLA, None
    without one. percentile_error is the relative error of percentiles, 0 where they are exact.
    """

    requests: int
    duration_s: float
    isl_tokens: int
    osl_tokens: int
    cached_tokens: int
    preemptions: int
    distributions: Mapping[str, Distribution]
    in_flight: Mapping[str, Distribution] = field(default_factory=dict)
    good_requests: int | None = None
    percentile_error: float = 0.0

    @property
    def request_rate_per_s(self) -> float:
        """Requests answered per second."""
        return self.requests / self.duration_s

    @property
    def mean_in_flight(self) -> float:
        """Requests in flight on average over the run, by Little's law exactly."""
        return self.distributions["e2e_s"].total / self.duration_s

    @property
    def output_tokens_per_s(self) -> float:
        """Output tokens per second of the whole deployment."""
        return self.osl_tokens / self.duration_s

    @property
    def goodput_per_s(self) -> float | None:
        """Requests per second that keep every bound; None without an SLA."""
        return None if self.good_requests is None else self.good_requests / self.duration_s

    def missed(self, slo: Slo, statistic: str | None = None) -> dict[str, float]:
        """The bounds that the run breaks, by metric, with the value found [s].

        statistic: what those bounds are on that name none of their own, in place of the SLA's.
        """
        on = statistics_of(slo, statistic)
        found = {
            name: self.distributions[name].at(on[name])
            for name in slo.bounds
            if name in self.distributions  # no ITL where every request has one token
        }
        return {name: value for name, value in found.items() if value > slo.bounds[name]}


def statistics_of(slo: Slo, statistic: str | None = None) -> dict[str, str]:
    """What each bound is on; statistic: for those that name none of their own, in place of the SLA's.

    Raises InputError for a statistic that no summary has.
    """
    if statistic is not None:
        known_statistic(statistic, STATISTICS)
    own = {name: getattr(slo, f"{name.removesuffix('_s')}_statistic") for name in slo.bounds}
    return {name: said or statistic or slo.statistic for name, said in own.items()}


def request_metrics(times: RequestTimes) -> dict[str, FloatArray]:
    """Every figure kept per request, arrays [requests]; nan where a request has none.

    queue_s: sent to first scheduled. tps_per_user: 1 / itl. e2e_tps_per_user: output tokens over the whole
    latency. prefill_tps_per_user: prompt tokens over TTFT.
    """
    e2e_s, ttft_s = times.finished_s - times.sent_s, times.ttft_s
    itl_s = times.itl_s
    return {
        "ttft_s": ttft_s,
        "itl_s": itl_s,
        "e2e_s": e2e_s,
        "queue_s": times.start_s - times.sent_s,
        "decode_s": times.finished_s - times.first_token_s,
        "tps_per_user": _ratio(1.0, itl_s),
        "e2e_tps_per_user": _ratio(times.osl_tokens, e2e_s),
        "prefill_tps_per_user": _ratio(times.isl_tokens, ttft_s),
        "isl_tokens": times.isl_tokens.astype(np.float64),
        "osl_tokens": times.osl_tokens.astype(np.float64),
        "cached_tokens": times.cached_tokens.astype(np.float64),
    }


def _ratio(numerator: "FloatArray | np.ndarray | float", denominator: FloatArray) -> FloatArray:
    """Their quotient, nan where it is undefined."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, np.nan), dtype=np.float64)


def good(times: RequestTimes, slo: Slo) -> "np.ndarray":
    """Which requests keep every bound; a request of one token keeps any bound on ITL."""
    kept = np.ones(len(times), dtype=bool)
    values = {"ttft_s": times.ttft_s, "itl_s": times.itl_s, "e2e_s": times.finished_s - times.sent_s}
    for name, bound in slo.bounds.items():
        kept &= ~(values[name] > bound)
    return kept


def summarize(times: RequestTimes, slo: Slo | None = None) -> RunSummary:
    """Exact figures of a run that fits in memory."""
    found = {name: distribution(values) for name, values in request_metrics(times).items()}
    phases = {
        "all": in_flight(times.sent_s, times.finished_s),
        "prefill": in_flight(times.sent_s, times.first_token_s),
        "decode": in_flight(times.first_token_s, times.finished_s),
    }
    return RunSummary(
        requests=len(times),
        duration_s=float(np.max(times.finished_s) - np.min(times.sent_s)),
        isl_tokens=int(np.sum(times.isl_tokens)),
        osl_tokens=int(np.sum(times.osl_tokens)),
        cached_tokens=int(np.sum(times.cached_tokens)),
        preemptions=int(np.sum(times.preemptions)),
        distributions={name: item for name, item in found.items() if item is not None},
        in_flight={name: item for name, item in phases.items() if item is not None},
        good_requests=int(np.sum(good(times, slo))) if slo is not None and slo.bounds else None,
    )


class SummaryBuilder:
    """The same of a run of any length, added in pieces, in constant memory; percentiles by sketch."""

    def __init__(self, slo: Slo | None = None) -> None:
        self._slo = slo if slo is not None and slo.bounds else None
        self._sketches: dict[str, LogHistogram] = {}
        self._sums = dict.fromkeys(("isl_tokens", "osl_tokens", "cached_tokens", "preemptions"), 0)
        self._requests = self._good = 0
        self._first_s, self._last_s = np.inf, -np.inf

    def add(self, times: RequestTimes) -> None:
        """Count these requests."""
        if not len(times):
            return
        for name, values in request_metrics(times).items():
            self._sketches.setdefault(name, LogHistogram()).add(values)
        for name in self._sums:
            self._sums[name] += int(np.sum(getattr(times, name)))
        self._requests += len(times)
        self._good += int(np.sum(good(times, self._slo))) if self._slo else 0
        self._first_s = min(self._first_s, float(np.min(times.sent_s)))
        self._last_s = max(self._last_s, float(np.max(times.finished_s)))

    def summary(self) -> RunSummary:
        """Figures of everything added so far."""
        found = {name: sketch.distribution() for name, sketch in self._sketches.items()}
        return RunSummary(
            requests=self._requests,
            duration_s=self._last_s - self._first_s,
            distributions={name: item for name, item in found.items() if item is not None},
            good_requests=self._good if self._slo else None,
            percentile_error=RELATIVE_ERROR,
            isl_tokens=self._sums["isl_tokens"],
            osl_tokens=self._sums["osl_tokens"],
            cached_tokens=self._sums["cached_tokens"],
            preemptions=self._sums["preemptions"],
        )
