"""Several GPUs or engines as one question: each is answered as if asked alone, then the best is taken."""

from collections.abc import Sequence
from dataclasses import replace

from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.problem import Problem
from simkit.core.errors import InputError, SimkitError, UnknownNameError
from simkit.core.estimate import Alternative, Recommendation
from simkit.core.request import Request
from simkit.explain.alternatives import comparison_words
from simkit.explain.answer import explanation
from simkit.io.threads import one_thread
from simkit.search.alternatives import SinglePick, best_first
from simkit.search.candidates import candidates_of
from simkit.search.search import RankedLayouts, ranked_layouts, recommendation
from simkit.verbs.recommend import dressed

# A request and why it cannot be answered.
Refusal = tuple[Request, SimkitError]


@one_thread()
def best_alternative(
    requests: Sequence[Request], options: SearchOptions | None = None
) -> tuple[Problem, Recommendation]:
    """The best answer of several requests that differ in GPU and engine, and the problem behind it.

    Its alternatives hold the pick of each, best first, those that cannot run last. Raises the first's error
    where none can, UnknownNameError where a name is not known, InputError where nodes of different sizes
    leave open how many GPUs each has.
    """
    picks: list[SinglePick] = []
    searched: list[RankedLayouts] = []
    refused: list[Refusal] = []
    for request in requests:
        try:
            problem = build_problem(request, options)
            found = ranked_layouts(problem)
            picks.append(_pick(problem, found))
            searched.append(found)
        except UnknownNameError:
            raise
        except SimkitError as error:
            refused.append((request, error))
    if not picks:
        raise refused[0][1]
    _check_comparable(requests, picks)
    order, tied = best_first(picks)
    ordered = [picks[i] for i in order]
    ordered[0] = replace(ordered[0], answer=_whole(ordered[0].problem, searched[order[0]]))
    return ordered[0].problem, _side_by_side(ordered, tied, refused)


def _pick(problem: Problem, found: RankedLayouts) -> SinglePick:
    """One problem's pick and its row; what else an answer holds is worked out for the best alone."""
    row, chance = found.first
    (first,) = candidates_of(problem, found.rows[:1])
    answer = Recommendation(
        request=problem.request, candidates=(first,), pareto=(), rejected=(), meets_sla=first.meets_sla
    )
    return SinglePick(problem=problem, answer=dressed(answer, problem), row=row, chance=chance)


def _whole(problem: Problem, found: RankedLayouts) -> Recommendation:
    """The answer as `answer` gives it."""
    bare = recommendation(problem, found)
    return dressed(replace(bare, explanation=explanation(bare)), problem)


def _check_comparable(requests: Sequence[Request], picks: Sequence[SinglePick]) -> None:
    sizes = {pick.problem.total_gpus for pick in picks}
    if len(sizes) > 1 and not requests[0].hardware.total_gpus:
        nodes = " and ".join(str(size) for size in sorted(sizes))
        raise InputError(
            f"--gpu: nodes of {nodes} GPUs, so one node of each does not compare; give --total-gpus"
        )


def _side_by_side(
    picks: Sequence[SinglePick], tied: Sequence[bool], refused: Sequence[Refusal]
) -> Recommendation:
    found = [
        Alternative(
            gpu=pick.answer.request.hardware.gpu or "",
            backend=pick.answer.request.backend,
            candidate=replace(pick.answer.selected, tied=tie),
            wins=pick is picks[0],
            gpu_hour_price=pick.answer.request.gpu_hour_price,
        )
        for pick, tie in zip(picks, tied, strict=True)
    ]
    found += [
        Alternative(
            gpu=request.hardware.gpu or "",
            backend=request.backend,
            candidate=None,
            refusal=str(error),
            gpu_hour_price=request.gpu_hour_price,
        )
        for request, error in refused
    ]
    best = picks[0].answer
    words = comparison_words(found, best.request)
    return replace(best, alternatives=tuple(found), explanation=(words, *best.explanation))
