"""One deployment under several loads: a curve over the requests in flight."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simkit.closed_form.one_deployment import SingleEstimate, deployment_curve
from simkit.core.deployment import Deployment
from simkit.core.request import Request
from simkit.explain.procedures import procedure_words
from simkit.reports.document import candidate_document
from simkit.verbs.estimate import Layouts, model_document, question

Point = tuple[Request, SingleEstimate]


def concurrency_curve(
    request: Request, deployment: Deployment | Layouts, concurrencies: Sequence[float]
) -> list[Point]:
    """What `estimate` says of each number of requests in flight, all evaluated at once, without operators."""
    asked = [
        replace(request, workload=replace(request.workload, concurrency=number, request_rate_per_s=None))
        for number in concurrencies
    ]
    problem, chosen = question(asked[0], deployment)
    found = deployment_curve(problem, chosen, concurrencies)
    return [
        (one, SingleEstimate(candidate=candidate, by_operator=()))
        for one, candidate in zip(asked, found, strict=True)
    ]


def curve_document(points: Sequence[Point], notes: Sequence[str]) -> dict[str, Any]:
    """The JSON of `simkit estimate` with several numbers of requests in flight: a candidate for each."""
    request, first = points[0]
    return {
        "curve": [candidate_document(result.candidate) for _, result in points],
        "model": model_document(request, first.candidate.deployment),
        "procedure": procedure_words(request.workload),
        "notes": list(notes),
    }
