"""What a deployment does under a load: the numbers every verb reports, as estimated and as simulated."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from perfmodels.uncertainty.intervals import Errors
from simkit.core.deployment import Deployment
from simkit.core.request import Request
from simkit.core.slo import Slo

# --- What a request-level simulation of a candidate found, beside its closed form.


# Names of the three latencies: fields of an Estimate, and with _s those of an Slo.
LATENCIES = ("ttft", "itl", "e2e")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One latency over the requests that count [s]."""

    mean_s: float
    p50_s: float
    p75_s: float
    p90_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One candidate under its steady load, request by request.

    requests are those counted. violation is the worst bounded latency over its bound, 0 without bounds.
    goodput_per_s: requests a second that keep every bound, None without one. doubtful: the closed form was in
    doubt at this load. Cost and energy are as in an Estimate, at the simulated throughput.
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
    goodput_per_s: float | None = None
    good_frac: float | None = None
    sla_probability: float | None = None
    preemptions: int = 0
    doubtful: bool = False
    cost_per_million_output_tokens: float | None = None
    max_energy_j_per_output_token: float | None = None

    @property
    def meets_sla(self) -> bool:
        """Whether every bound holds as simulated."""
        return self.violation <= 1.0

    def bounded_s(self, name: str, statistic: str) -> float:
        """What a bound (ttft_s, itl_s, e2e_s) speaks of: its mean or a percentile [s]."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One latency in seconds: mean, percentiles over requests, and a 90 % interval for the mean."""

    mean_s: float
    p50_s: float
    p75_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    lo_s: float
    hi_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the figures of an estimate are made of: means over requests, and past errors of such predictions.

    in_flight and requests_per_s are over the whole deployment; waiting_s is the part of TTFT spent queueing,
    batch the sequences of a lane, prefill_share the share of engine time that goes to prompts. offered: the
    rate was given, else the requests in flight. errors and log_sds are by metric (ttft, itl, e2e): how wide
    errors are, in units of how unsure the prediction itself is.
    """

    ttft_s: float
    itl_s: float
    waiting_s: float
    batch: float
    prefill_share: float
    in_flight: float
    requests_per_s: float
    osl_tokens: float
    num_gpus: float
    saturated: bool
    offered: bool
    errors: Mapping[str, Errors]
    log_sds: Mapping[str, float]

    @property
    def decodes(self) -> float:
        """Tokens of a request after the first."""
        return max(self.osl_tokens - 1.0, 0.0)

    @property
    def e2e_s(self) -> float:
        """Request latency."""
        return self.ttft_s + self.decodes * self.itl_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One deployment under one load.

    concurrency is the requests in flight over all replicas; memory_bytes is per GPU of the
    pool that decodes, by part; sla_probability is None when no bound was asked for. The
    cost is in the unit of the price given, None without one; the energy is what the GPUs would take at
    their rated power, an upper bound, None where that is not known. goodput_per_s counts the requests that
    keep every bound by themselves, None without bounds. overloaded: the load cannot be sustained; doubtful:
    the order of events decides at it, so that a simulation says more. notes say both in words. means: what
    all this was made of, None where it was not worked out here.
    """

    concurrency: float
    ttft: Latency
    itl: Latency
    e2e: Latency
    output_tokens_per_s: float
    output_tokens_per_s_per_gpu: float
    tokens_per_s_per_user: float
    request_rate_per_s: float
    memory_bytes: Mapping[str, float]
    kv_capacity_tokens: float
    sla_probability: float | None
    in_domain: bool
    bottleneck: str
    cost_per_million_output_tokens: float | None = None
    max_energy_j_per_output_token: float | None = None
    goodput_per_s: float | None = None
    notes: tuple[str, ...] = ()
    overloaded: bool = False
    doubtful: bool = False
    means: Means | None = None


def bounded(estimate: Estimate, name: str, statistic: str) -> float:
    """What a bound (ttft_s, itl_s, e2e_s) speaks of: the mean of a latency, or a percentile [s]."""
    latency: Latency = getattr(estimate, name.removesuffix("_s"))
    value: float = getattr(latency, f"{statistic}_s")
    return value


def holds(estimate: Estimate, slo: Slo) -> bool:
    """Whether the load is sustained and every bound asked for holds, each for its own statistic."""
    asked = slo.bounds if slo.judged else {}
    kept = all(bounded(estimate, name, slo.statistic_of(name)) <= bound for name, bound in asked.items())
    return kept and not estimate.overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment and its estimate; tied marks one that predictions cannot tell from the selected one.

    Where it was simulated, meets_sla is what the simulation says.
    """

    deployment: Deployment
    estimate: Estimate
    meets_sla: bool
    tied: bool = False
    simulated: Simulated | None = None

    @property
    def sla_probability(self) -> float | None:
        """As simulated where it was, else as estimated."""
        return self.simulated.sla_probability if self.simulated else self.estimate.sla_probability

    def bounded_s(self, name: str, statistic: str) -> float:
        """What a bound speaks of, as simulated where it was [s]."""
        if self.simulated:
            return self.simulated.bounded_s(name, statistic)
        return bounded(self.estimate, name, statistic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why some configurations were left out, how many, and the one that came nearest."""

    reason: str
    count: int
    nearest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """What would be chosen after a change of the question; candidate is None where nothing would run.

    loosened: the bound (ttft_s, itl_s, e2e_s) that was given more room, None where something else changed.
    """

    change: str
    candidate: Candidate | None
    loosened: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A bound (ttft_s, itl_s, e2e_s) out of reach, and the least that can be held beside the others."""

    bound: str
    asked_s: float
    needed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The pick of one GPU and engine of several asked about, as if asked alone; wins: it is the best of all.

    Without a candidate, refusal says why nothing runs. gpu_hour_price: None where none was given.
    """

    gpu: str
    backend: str
    candidate: Candidate | None
    refusal: str = ""
    wins: bool = False
    gpu_hour_price: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer to a Request: candidates best first, and why the rest are not among them.

    candidates holds the selected one first; expected_best is the one that would be if every prediction
    came true, which the selected one need not be: it is chosen to hold the SLA. pareto holds the front
    of output tokens per second per GPU against tokens per second per user, knee the position in it
    from which both fall off; fronts hold that of every engine and mode by itself. trade_offs say what a
    little more would buy, relaxations which bound an unreachable SLA would have to give up; bottlenecks
    name the costliest operator of each phase. finalists says which candidates were simulated too, None
    where none was asked for. alternatives hold one entry for each GPU and engine where several were asked
    about: the rest is the winner's own answer. chosen is the position of the candidate that the user
    selected: meets_sla, bottlenecks and most_rate_per_s, at which it is still expected to hold the SLA, are
    its own; the last is None where no rate was asked for.
    """

    request: Request
    candidates: tuple[Candidate, ...]
    pareto: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    meets_sla: bool
    explanation: tuple[str, ...] = ()
    expected_best: Candidate | None = None
    knee: int | None = None
    fronts: tuple[tuple[Candidate, ...], ...] = ()
    trade_offs: tuple[TradeOff, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    bottlenecks: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    finalists: Finalists | None = None
    alternatives: tuple[Alternative, ...] = ()
    chosen: int = 0
    most_rate_per_s: float | None = None

    @property
    def selected(self) -> Candidate:
        """The configuration to deploy."""
        return self.candidates[self.chosen]

    @property
    def unchosen(self) -> "Recommendation":
        """The same with the search's own pick selected."""
        return replace(self, chosen=0, meets_sla=self.candidates[0].meets_sla) if self.chosen else self
