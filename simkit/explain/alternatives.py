"""Several GPUs or engines side by side, in words: which is best by what was asked for, and by how much."""

from collections.abc import Sequence

from simkit.core.estimate import Alternative, Candidate
from simkit.core.request import Request, objective_of
from simkit.core.words import amount, gpus, milliseconds
from simkit.search.picking import SURE_SHARE

_DECIDES = {
    "fewest_gpus": "the fewest GPUs for the load",
    "throughput": "output tokens/s",
    "goodput": "requests/s that keep the SLA",
    "latency": "request latency",
    "cost": "the cost of output tokens",
}


def alternative_name(item: Alternative, among: Sequence[Alternative]) -> str:
    """What tells it from the others: the GPU, the engine, or both."""
    names = {"gpu": item.gpu, "backend": item.backend}
    apart = [names[key] for key in names if len({getattr(other, key) for other in among}) > 1]
    return " ".join(apart or [item.gpu])


def comparison_words(found: Sequence[Alternative], request: Request) -> str:
    """Which is first and how the others differ from it; found is best first."""
    first, best, objective = found[0], found[0].candidate, objective_of(request)
    if best is None:
        return ""
    name = alternative_name(first, found)
    head = f"Of {len(found)} asked about, {name} is best by {_DECIDES[objective]}, {_value(best, objective)}"
    head += "" if best.estimate.in_domain else " (an extrapolation)"
    if not best.meets_sla:
        head = f"None of the {len(found)} asked about holds what was asked; {name} comes nearest"
    others = [f"{alternative_name(item, found)} {_beside(item, best, objective)}" for item in found[1:]]
    return f"{head}; {'; '.join(others)}."


def _beside(item: Alternative, best: Candidate, objective: str) -> str:
    other = item.candidate
    if other is None:
        return f"cannot run ({item.refusal})"
    value = _value(other, objective)
    if best.meets_sla and not other.meets_sla:
        return "misses the SLA" if not other.estimate.overloaded else "does not sustain the load"
    if other.tied:
        doubt = "" if other.estimate.in_domain else ", an extrapolation"
        return f"ties within the noise of predictions ({value}{doubt})"
    chances = [candidate.sla_probability for candidate in (other, best)]
    if None not in chances and (chances[0] or 0.0) < SURE_SHARE * (chances[1] or 0.0):
        return f"with {value} holds the SLA at {chances[0]:.0%} only"
    return f"with {value}"


def _value(item: Candidate, objective: str) -> str:
    estimate = item.estimate
    if objective == "fewest_gpus":
        return gpus(item.deployment.num_gpus)
    if objective == "latency":
        return milliseconds(estimate.e2e.mean_s)
    if objective == "goodput":
        return f"{amount(estimate.goodput_per_s or 0.0)} requests/s"
    if objective == "cost":
        return f"{amount(estimate.cost_per_million_output_tokens or 0.0)} a million tokens"
    return f"{estimate.output_tokens_per_s:,.0f} tokens/s"
