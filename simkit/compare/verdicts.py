"""Measured candidates ranked, and which of the others can still win."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simkit.compare.measurement_plan import engine_name
from simkit.core.deployment import Disaggregated
from simkit.core.estimate import Candidate, Latency, holds, with_latencies
from simkit.core.measured import Run
from simkit.core.slo import Slo
from simkit.core.workload import Workload

# --- Disaggregated candidates corrected by what their engines were measured to take, each alone.


def mean_factor(pairs: list[tuple[float, float]]) -> float | None:
    """Geometric mean of measured over predicted; None without pairs."""
    logs = [math.log(measured / predicted) for predicted, measured in pairs if measured > 0 and predicted > 0]
    return math.exp(sum(logs) / len(logs)) if logs else None


def with_factors(
    candidate: Candidate, workload: Workload, slo: Slo, factors: Mapping[str, float]
) -> Candidate:
    """The candidate with TTFT times its prefill engine's factor and ITL times its decode engine's.

    factors are by engine name; what has none stays. Aggregated candidates stay as they are.
    """
    deployment = candidate.deployment
    if not isinstance(deployment, Disaggregated):
        return candidate
    backend = deployment.backend
    prefill = factors.get(engine_name("prefill", deployment.prefill.plan, backend), 1.0)
    decode = factors.get(engine_name("decode", deployment.decode.plan, backend), 1.0)
    estimate = candidate.estimate
    ttft, itl = _scaled(estimate.ttft, prefill), _scaled(estimate.itl, decode)
    decodes = max(workload.osl_tokens * (1.0 - workload.length_spread / 2.0) - 1.0, 0.0)
    e2e = Latency(**{name: getattr(ttft, name) + decodes * getattr(itl, name) for name in Latency.__slots__})
    gain = 1.0 if workload.request_rate_per_s is not None else estimate.e2e.mean_s / e2e.mean_s
    changed = with_latencies(estimate, (ttft, itl, e2e), gain)
    return replace(candidate, estimate=changed, meets_sla=holds(changed, slo))


def _scaled(latency: Latency, factor: float) -> Latency:
    return Latency(**{name: getattr(latency, name) * factor for name in Latency.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a candidate is judged by: mean latencies [s], output tokens/s and GPUs."""

    ttft_s: float
    itl_s: float
    e2e_s: float
    output_tokens_per_s: float
    num_gpus: int

    @property
    def per_gpu(self) -> float:
        """Output tokens/s per GPU."""
        return self.output_tokens_per_s / self.num_gpus

    def holds(self, slo: Slo) -> bool:
        """Whether every bound is kept."""
        return all(getattr(self, name) <= bound for name, bound in slo.bounds.items())

    def violation(self, slo: Slo) -> float:
        """Worst latency over its bound."""
        return max((getattr(self, name) / bound for name, bound in slo.bounds.items()), default=0.0)


def measured_figures(run: Run, num_gpus: int) -> Figures | None:
    """The figures of a run; None where it lacks a latency."""
    ttft, itl, e2e = run.ttft.mean_s, run.itl.mean_s, run.e2e.mean_s
    if ttft is None or itl is None or e2e is None or run.output_tokens_per_s is None:
        return None
    return Figures(
        ttft_s=ttft, itl_s=itl, e2e_s=e2e, output_tokens_per_s=run.output_tokens_per_s, num_gpus=num_gpus
    )


def predicted_figures(candidate: Candidate) -> Figures:
    """The figures as expected."""
    estimate = candidate.estimate
    return Figures(
        ttft_s=estimate.ttft.mean_s,
        itl_s=estimate.itl.mean_s,
        e2e_s=estimate.e2e.mean_s,
        output_tokens_per_s=estimate.output_tokens_per_s,
        num_gpus=candidate.deployment.num_gpus,
    )


def hoped_figures(candidate: Candidate) -> Figures:
    """The best its 90 % intervals allow: latencies at their lower ends, throughput as much higher."""
    estimate = candidate.estimate
    gain = estimate.e2e.mean_s / estimate.e2e.lo_s if estimate.e2e.lo_s > 0 else math.inf
    return Figures(
        ttft_s=estimate.ttft.lo_s,
        itl_s=estimate.itl.lo_s,
        e2e_s=estimate.e2e.lo_s,
        output_tokens_per_s=estimate.output_tokens_per_s * gain,
        num_gpus=candidate.deployment.num_gpus,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The order of preference: the SLA first, then the objective (fewest_gpus, throughput, latency)."""

    slo: Slo
    objective: str

    def key(self, figures: Figures) -> tuple[float, ...]:
        """Smaller is better."""
        if not figures.holds(self.slo):
            return (1.0, figures.violation(self.slo))
        if self.objective == "latency":
            return (0.0, figures.e2e_s, figures.num_gpus)
        if self.objective == "fewest_gpus":
            return (0.0, float(figures.num_gpus), -figures.per_gpu)
        return (0.0, -figures.per_gpu, figures.e2e_s)

    def hopeless(self, candidate: Candidate, best: Figures | None) -> str:
        """Why a candidate cannot beat the best one measured, even at the good end of its intervals.

        Empty where it can.
        """
        if best is None:
            return ""
        hoped = hoped_figures(candidate)
        if self.key(hoped) < self.key(best):
            return ""
        if not hoped.holds(self.slo):
            return "misses the SLA even at the good end of its intervals"
        if self.objective == "fewest_gpus" and hoped.num_gpus > best.num_gpus:
            return f"takes {hoped.num_gpus} GPUs, and {best.num_gpus} were measured to be enough"
        if self.objective == "latency":
            return f"at best {hoped.e2e_s:.3g} s end to end, and {best.e2e_s:.3g} s was measured"
        return f"at best {hoped.per_gpu:,.0f} tokens/s per GPU, and {best.per_gpu:,.0f} were measured"
