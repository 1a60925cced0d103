"""What a report shows of a recommendation beyond its document: other loads, and where a step's time goes."""

from dataclasses import replace
from typing import Any

from simkit.closed_form.one_deployment import deployment_curve, estimate_deployment
from simkit.closed_form.problem import Problem
from simkit.core.errors import InfeasibleError
from simkit.core.estimate import Candidate, Recommendation
from simkit.io.threads import one_thread
from simkit.reports.document import candidate_document, plain
from simkit.reports.labels import layout_label
from simkit.reports.views.recommendation import CloserLook
from simkit.verbs.estimate import operator_document
from simkit.verbs.shortlist_run import under_own_load

Document = dict[str, Any]

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
_CURVES = 3
_KEPT = ("output_tokens_per_s_per_gpu", "sla_probability", "meets_sla", "in_domain")


@one_thread()
def closer_look(problem: Problem, rec: Recommendation) -> CloserLook:
    """Curves of the pick and its runners-up, and the operators of the pick."""
    selected = rec.selected
    asked = under_own_load(problem.request, selected.estimate.concurrency)
    loaded = replace(problem, request=asked)
    curves, notes = [], []
    for rank in compared(rec):
        try:
            curves.append(_curve(loaded, rec.candidates[rank], rank + 1))
        except InfeasibleError as error:
            notes.append(f"#{rank + 1} has no figures at other loads: {error}")
    lines = estimate_deployment(loaded, selected.deployment).by_operator
    return CloserLook(
        curves=tuple(curves),
        operators=tuple(plain([operator_document(line) for line in lines])),
        notes=tuple(notes),
    )


def compared(rec: Recommendation) -> list[int]:
    """Positions of the pick, the best of other engines or modes, then the next in rank; few in all.

    What ties with the pick has its curve, too, for all that predictions can tell.
    """
    kinds: dict[tuple[str, str], int] = {}
    others = [rec.chosen, *(i for i in range(len(rec.candidates)) if i != rec.chosen)]
    for i in others:
        deployment = rec.candidates[i].deployment
        kinds.setdefault((deployment.backend, deployment.mode), i)
    first = list(kinds.values())
    return [*first, *(i for i in others if i not in first and not rec.candidates[i].tied)][:_CURVES]


def _curve(problem: Problem, candidate: Candidate, rank: int) -> Document:
    """One deployment from half to four times the load of the question."""
    workload = problem.request.workload
    rate = workload.request_rate_per_s
    asked = rate if rate is not None else workload.concurrency or 1.0
    loads = {
        factor: factor * asked if rate is not None or factor == 1.0 else float(max(round(factor * asked), 1))
        for factor in FACTORS
    }
    found = deployment_curve(problem, candidate.deployment, list(loads.values()))
    first = candidate_document(candidate)
    return {
        "rank": rank,
        "backend": first["backend"],
        "mode": first["mode"],
        "layout": layout_label(first),
        "unit": "requests/s" if rate is not None else "requests in flight",
        "asked": asked,
        "points": [
            _point(factor, load, item) for (factor, load), item in zip(loads.items(), found, strict=True)
        ],
    }


def _point(factor: float, load: float, candidate: Candidate) -> Document:
    whole = candidate_document(candidate)
    means = {name: {end: whole[name][end] for end in ("mean", "lo", "hi")} for name in ("ttft_ms", "itl_ms")}
    return {"factor": factor, "load": load, **means, **{name: whole[name] for name in _KEPT}}
