"""What a report shows of a recommendation beyond its document: other loads, and where a step's time goes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simkit.closed_form.one_deployment import deployment_curve, estimate_deployment
from simkit.closed_form.problem import Problem
from simkit.core.deployment import Deployment
from simkit.core.errors import InfeasibleError, InputError
from simkit.core.estimate import Candidate, Recommendation
from simkit.formats.recommendations import deployment_of, request_of
from simkit.io.threads import one_thread
from simkit.reports.document import candidate_document, plain
from simkit.reports.labels import layout_label
from simkit.reports.views.recommendation import CloserLook
from simkit.verbs.estimate import operator_document, question
from simkit.verbs.shortlist_run import under_own_load

Document = Mapping[str, Any]

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
CURVES = 3
_KEPT = ("output_tokens_per_s_per_gpu", "sla_probability", "meets_sla", "in_domain")
_DRIFT = 0.01  # an artifact's figures further than this from today's are said to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A candidate by its rank, and how to ask about it under the load of the pick."""

    rank: int
    document: Document
    ask: Callable[[], tuple[Problem, Deployment]]


def closer_look(problem: Problem, rec: Recommendation) -> CloserLook:
    """Curves of the pick and its runners-up, and the operators of the pick."""
    asked = under_own_load(problem.request, rec.selected.estimate.concurrency)
    loaded = replace(problem, request=asked)
    documents = [candidate_document(item) for item in rec.candidates]
    return _look(
        [
            Compared(
                rank=i + 1,
                document=documents[i],
                ask=lambda i=i: (loaded, rec.candidates[i].deployment),  # type: ignore[misc]
            )
            for i in compared(documents, rec.chosen)
        ]
    )


def closer_look_again(document: Document) -> CloserLook:
    """The same of a recommendation that was written earlier, with a note where its figures are others now."""
    chosen = (document.get("selected_row") or 1) - 1
    listed = document["candidates"]
    selected = listed[chosen]
    asked = under_own_load(request_of(document), selected["concurrency"])
    found = _look(
        [
            Compared(
                rank=i + 1,
                document=listed[i],
                ask=lambda i=i: question(asked, deployment_of(listed[i])),  # type: ignore[misc]
            )
            for i in compared(listed, chosen)
        ]
    )
    return replace(found, notes=(*found.notes, *_drift(selected, found.curves)))


def compared(candidates: Sequence[Document], chosen: int) -> list[int]:
    """Positions of the pick, the best of other engines or modes, then the next in rank; few in all.

    What ties with the pick has its curve, too, for all that predictions can tell.
    """
    kinds: dict[tuple[str, str], int] = {}
    others = [chosen, *(i for i in range(len(candidates)) if i != chosen)]
    for i in others:
        kinds.setdefault((candidates[i]["backend"], candidates[i]["mode"]), i)
    first = list(kinds.values())
    return [*first, *(i for i in others if i not in first and not candidates[i]["tied"])][:CURVES]


@one_thread()
def _look(items: Sequence[Compared]) -> CloserLook:
    curves, notes = [], []
    operators: Any = ()
    for item in items:
        try:
            problem, deployment = item.ask()
            curves.append(_curve(problem, deployment, item))
            if item is items[0]:
                lines = estimate_deployment(problem, deployment).by_operator
                operators = tuple(plain([operator_document(line) for line in lines]))
        except (InputError, InfeasibleError) as error:
            notes.append(f"#{item.rank} has no figures at other loads: {error}")
    return CloserLook(curves=tuple(curves), operators=operators, notes=tuple(notes))


def _curve(problem: Problem, deployment: Deployment, item: Compared) -> Document:
    """One deployment from half to four times the load of the question."""
    workload = problem.request.workload
    rate = workload.request_rate_per_s
    asked = rate if rate is not None else workload.concurrency or 1.0
    loads = {
        factor: factor * asked if rate is not None or factor == 1.0 else float(max(round(factor * asked), 1))
        for factor in FACTORS
    }
    found = deployment_curve(problem, deployment, list(loads.values()))
    return {
        "rank": item.rank,
        "backend": item.document["backend"],
        "mode": item.document["mode"],
        "layout": layout_label(item.document),
        "unit": "requests/s" if rate is not None else "requests in flight",
        "asked": asked,
        "points": [
            _point(factor, load, one) for (factor, load), one in zip(loads.items(), found, strict=True)
        ],
    }


def _point(factor: float, load: float, candidate: Candidate) -> Document:
    whole = candidate_document(candidate)
    means = {name: {end: whole[name][end] for end in ("mean", "lo", "hi")} for name in ("ttft_ms", "itl_ms")}
    return {"factor": factor, "load": load, **means, **{name: whole[name] for name in _KEPT}}


def _drift(selected: Document, curves: Sequence[Document]) -> list[str]:
    """A note where the pick's TTFT or ITL at its own load is not what the artifact says."""
    for point in (p for curve in curves[:1] for p in curve["points"] if p["factor"] == 1.0):
        for metric in ("ttft_ms", "itl_ms"):
            before, now = selected[metric]["mean"], point[metric]["mean"]
            if before and now and abs(now / before - 1.0) > _DRIFT:
                name = metric.removesuffix("_ms").upper()
                change = f"{now / before - 1.0:+.0%}"
                return [
                    f"predicted again today, {name} is {change} against what was written: loads are of today"
                ]
    return []
