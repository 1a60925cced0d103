"""A recommendation in stages: the closed form, saved, then finalists for as long as there is time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from simkit.core.metrics import Recommendation
from simkit.core.problem import Problem
from simkit.io.threads import one_thread
from simkit.verbs.finalists import FinalistOptions, Watch, with_finalists
from simkit.verbs.recommend import dressed, searched


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What is done with each stage: save gets the best so far, before it is looked at again; say a line."""

    save: Callable[[Recommendation], object] = lambda rec: None
    say: Callable[[str], None] = lambda text: None


def recommend_in_stages(
    problem: Problem, finalists: FinalistOptions | None, watch: Watch, stages: Stages
) -> Recommendation:
    """The best so far within the time given: engines one after the other, then finalists, best first.

    One engine is always searched, in all of its layouts. finalists None: the closed form alone. An interrupt
    during the finalists keeps what is there. The last stage is returned and not saved.
    """
    found = _searched(problem, watch)
    if finalists is None or finalists.count == 0:
        return dressed(found, problem)
    stages.save(dressed(found, problem))
    stages.say(f"closed form: {found.explanation[0]}")
    return dressed(with_finalists(problem, found, finalists, watch, stages.say), problem)


@one_thread()
def _searched(problem: Problem, watch: Watch) -> Recommendation:
    """The closed form; a warning names the engines for which there was no time."""
    skipped: list[str] = []

    def skip(backend: str) -> bool:
        if watch.over():
            skipped.append(backend)
        return watch.over()

    found = searched(problem, skip)
    if not skipped:
        return found
    warning = (
        f"--time-budget was spent before {', '.join(skipped)} could be searched: give more for all engines"
    )
    return replace(found, request=replace(found.request, warnings=(*found.request.warnings, warning)))
