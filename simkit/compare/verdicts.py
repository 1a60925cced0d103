"""Measured candidates ranked, and which of the others can still win."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simkit.closed_form.estimates import corrected
from simkit.compare.measurement_plan import engine_name
from simkit.core.deployment import Disaggregated
from simkit.core.estimate import LATENCIES, Candidate, bounded, holds
from simkit.core.measured import Run
from simkit.core.slo import STATISTICS, Slo

# --- Disaggregated candidates corrected by what their engines were measured to take, each alone.


def mean_factor(pairs: list[tuple[float, float]]) -> float | None:
    """Geometric mean of measured over predicted; None without pairs."""
    logs = [math.log(measured / predicted) for predicted, measured in pairs if measured > 0 and predicted > 0]
    return math.exp(sum(logs) / len(logs)) if logs else None


def with_factors(candidate: Candidate, slo: Slo, factors: Mapping[str, float]) -> Candidate:
    """The candidate with TTFT times its prefill engine's factor and ITL times its decode engine's.

    factors are by engine name; what has none stays. Aggregated candidates stay as they are.
    """
    deployment = candidate.deployment
    if not isinstance(deployment, Disaggregated):
        return candidate
    backend = deployment.backend
    prefill = factors.get(engine_name("prefill", deployment.prefill.plan, backend), 1.0)
    decode = factors.get(engine_name("decode", deployment.decode.plan, backend), 1.0)
    changed = corrected(candidate.estimate, slo, {"ttft": prefill, "itl": decode})
    return replace(candidate, estimate=changed, meets_sla=holds(changed, slo))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a candidate is judged by: latencies [s], output tokens/s, GPUs, requests/s that keep every bound.

    bounded_s: figures of latencies by what a bound may be on, as ("ttft_s", "mean"). A percentile that is
    not known keeps no bound.
    """

    bounded_s: Mapping[tuple[str, str], float]
    output_tokens_per_s: float
    num_gpus: int
    goodput_per_s: float | None = None

    @property
    def e2e_s(self) -> float:
        """Mean request latency."""
        return self.bounded_s["e2e_s", "mean"]

    @property
    def per_gpu(self) -> float:
        """Output tokens/s per GPU."""
        return self.output_tokens_per_s / self.num_gpus

    def holds(self, slo: Slo) -> bool:
        """Whether every bound asked for is kept by the statistic that it is on."""
        return not slo.judged or self.violation(slo) <= 1.0

    def violation(self, slo: Slo) -> float:
        """Worst latency over its bound."""
        ratios = [
            self.bounded_s.get((name, slo.statistic_of(name)), math.inf) / bound
            for name, bound in slo.bounds.items()
        ]
        return max(ratios, default=0.0)


def measured_figures(run: Run, num_gpus: int) -> Figures | None:
    """The figures of a run; None where it lacks a mean latency or its throughput."""
    said = {
        (f"{name}_s", statistic): getattr(getattr(run, name), f"{statistic}_s")
        for name in LATENCIES
        for statistic in STATISTICS
    }
    known = {key: value for key, value in said.items() if value is not None}
    means = all((f"{name}_s", "mean") in known for name in LATENCIES)
    if not means or run.output_tokens_per_s is None:
        return None
    return Figures(
        bounded_s=known,
        output_tokens_per_s=run.output_tokens_per_s,
        num_gpus=num_gpus,
        goodput_per_s=run.goodput_per_s,
    )


def predicted_figures(candidate: Candidate) -> Figures:
    """The figures as expected."""
    estimate = candidate.estimate
    return Figures(
        bounded_s={
            (f"{name}_s", statistic): bounded(estimate, f"{name}_s", statistic)
            for name in LATENCIES
            for statistic in STATISTICS
        },
        output_tokens_per_s=estimate.output_tokens_per_s,
        num_gpus=candidate.deployment.num_gpus,
        goodput_per_s=estimate.goodput_per_s,
    )


def hoped_figures(candidate: Candidate) -> Figures:
    """The best its 90 % intervals allow: latencies at their lower ends, throughput as much higher.

    Percentiles fall with their mean; every request that is served keeps the bounds.
    """
    estimate, expected = candidate.estimate, predicted_figures(candidate)
    latencies = {f"{name}_s": getattr(estimate, name) for name in LATENCIES}
    low = {name: item.lo_s / item.mean_s if item.mean_s > 0 else 1.0 for name, item in latencies.items()}
    gain = 1.0 / low["e2e_s"] if low["e2e_s"] > 0 else math.inf
    return Figures(
        bounded_s={key: value * low[key[0]] for key, value in expected.bounded_s.items()},
        output_tokens_per_s=expected.output_tokens_per_s * gain,
        num_gpus=expected.num_gpus,
        goodput_per_s=None if estimate.goodput_per_s is None else estimate.request_rate_per_s * gain,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The order of preference: the SLA first, then the objective (simkit.core.request.objective_of)."""

    slo: Slo
    objective: str

    def key(self, figures: Figures) -> tuple[float, ...]:
        """Smaller is better."""
        if (violation := figures.violation(self.slo)) > 1.0:
            return (1.0, violation)
        if self.objective == "latency":
            return (0.0, figures.e2e_s, figures.num_gpus)
        if self.objective == "fewest_gpus":
            return (0.0, float(figures.num_gpus), -figures.per_gpu)
        if self.objective == "goodput":
            return (0.0, -(figures.goodput_per_s or 0.0), figures.num_gpus, figures.e2e_s)
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
        if hoped.violation(self.slo) > 1.0:
            return "misses the SLA even at the good end of its intervals"
        return self._why_worse(hoped, best)

    def _why_worse(self, hoped: Figures, best: Figures) -> str:
        if self.objective == "fewest_gpus" and hoped.num_gpus > best.num_gpus:
            return f"takes {hoped.num_gpus} GPUs, and {best.num_gpus} were measured to be enough"
        if self.objective == "latency":
            return f"at best {hoped.e2e_s:.3g} s end to end, and {best.e2e_s:.3g} s was measured"
        if self.objective == "goodput":
            return (
                f"at best {hoped.goodput_per_s or 0.0:,.3g} good requests/s, and "
                f"{best.goodput_per_s or 0.0:,.3g} were measured"
            )
        return f"at best {hoped.per_gpu:,.0f} tokens/s per GPU, and {best.per_gpu:,.0f} were measured"
