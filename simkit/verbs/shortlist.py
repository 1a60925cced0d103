"""Two fidelities: the closed form over everything, then a simulation of the best candidates."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from simkit.closed_form.estimates import means_of
from simkit.closed_form.one_deployment import SingleEstimate
from simkit.closed_form.problem import Problem
from simkit.core.errors import InputError, SimkitError
from simkit.core.estimate import Candidate, Finalists, Recommendation
from simkit.core.words import layout, milliseconds
from simkit.explain.answer import explanation, moved_words
from simkit.io.threads import one_thread
from simkit.search.engine_search import preference_of
from simkit.search.picking import Preference
from simkit.search.shortlist import reranked, with_ties
from simkit.verbs.recommend import dressed, searched
from simkit.verbs.shortlist_run import Finalist, simulated_candidate

# --- Two fidelities: the closed form over everything, then a simulation of the best candidates.
# Best first, until all asked for are simulated, time is up, or an interrupt: what was simulated is kept.


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How long one may go on: budget_s from `started_s` on, None for as long as it takes."""

    budget_s: float | None = None
    clock: Callable[[], float] = time.monotonic
    started_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.budget_s is not None and not 0 < self.budget_s < 1e7:
            raise InputError(f"--time-budget must be a positive time in seconds, got {self.budget_s:g}")

    def over(self, needed_s: float = 0.0) -> bool:
        """Whether something that takes so long would end too late."""
        return self.budget_s is not None and self.clock() - self.started_s + needed_s >= self.budget_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistOptions:
    """How many of the best candidates to simulate (None: all listed), and the seed of what chance decides."""

    count: int | None = None
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class _Round:
    """Candidates in the order of the closed form, as far as they were simulated."""

    candidates: list[Candidate]
    wanted: int
    found: dict[int, SingleEstimate] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    stopped: str = ""

    def pending(self) -> int | None:
        """The next position to simulate; None when done.

        Past those asked for it goes on while none of the simulated holds the SLA and others might.
        """
        tried = len(self.found) + len(self.failed)
        held = any(item.simulated and item.meets_sla for item in self.candidates)
        hopeful = any(item.meets_sla for item in self.candidates[tried:])
        more = tried < self.wanted or (not held and hopeful)
        return tried if tried < len(self.candidates) and more else None

    def add(self, position: int, finalist: Finalist) -> None:
        """Replace the other candidate by the simulated one."""
        self.candidates[position] = finalist.candidate
        self.found[position] = finalist.closed_form


def with_finalists(
    problem: Problem,
    rec: Recommendation,
    options: FinalistOptions,
    watch: Watch,
    say: Callable[[str], None] = lambda text: None,
) -> Recommendation:
    """The recommendation with its best candidates simulated and put in order again.

    An interrupt (Ctrl-C) ends it with what was simulated so far; `finalists.stopped` says so.
    """
    wanted = len(rec.candidates) if options.count is None else min(options.count, len(rec.candidates))
    course = _Round(candidates=list(rec.candidates), wanted=wanted)
    try:
        _simulate(problem, course, options, watch, say)
    except KeyboardInterrupt:
        course.stopped = "interrupted"
    return _decided(problem, rec, course, options)


def _simulate(
    problem: Problem, course: _Round, options: FinalistOptions, watch: Watch, say: Callable[[str], None]
) -> None:
    least_s = 0.0
    while (position := course.pending()) is not None:
        if watch.over(least_s):
            course.stopped = "time budget"
            return
        began_s, candidate = watch.clock(), course.candidates[position]
        try:
            course.add(position, simulated_candidate(problem, candidate, options.seed))
        except SimkitError as error:
            course.failed.append(f"{_name(candidate)} could not be simulated: {error}")
            continue
        took_s = watch.clock() - began_s
        least_s = min(least_s or took_s, took_s)  # the first may have compiled the simulator
        say(_progress(course, position))


def _decided(
    problem: Problem, rec: Recommendation, course: _Round, options: FinalistOptions
) -> Recommendation:
    preference = preference_of(problem, problem.request.workload.osl_tokens)
    order = reranked(course.candidates, preference)
    before, best = course.candidates[0], order[0]
    moved = moved_words(before, best, problem.request.slo, preference)
    ranked = _with_ties(problem, order, preference) if moved else tuple(order)
    found = replace(
        rec,
        candidates=ranked,
        meets_sla=best.meets_sla,
        relaxations=() if best.meets_sla else rec.relaxations,
        bottlenecks=_bottlenecks(course, best) if moved else rec.bottlenecks,
        finalists=Finalists(
            asked=max(course.wanted, len(course.found) + len(course.failed)),
            simulated=len(course.found),
            seed=options.seed,
            stopped=course.stopped,
            moved=moved,
            failed=tuple(course.failed),
        ),
    )
    return replace(found, explanation=explanation(found))


def _with_ties(problem: Problem, order: list[Candidate], preference: Preference) -> tuple[Candidate, ...]:
    return with_ties(order, [means_of(item.estimate).log_sds["e2e"] for item in order], preference)


def _bottlenecks(course: _Round, best: Candidate) -> dict[str, str]:
    """The costliest operator of each phase."""
    position = next(i for i, item in enumerate(course.candidates) if item is best)
    closed = course.found.get(position)
    found: dict[str, str] = {}
    for line in closed.by_operator if closed else ():
        if line.phase in ("prefill", "decode"):
            found.setdefault(line.phase, f"{line.operator} ({line.share:.0%} of a step)")
    return found


def _progress(course: _Round, position: int) -> str:
    item = course.candidates[position]
    found, estimate = item.simulated, item.estimate
    if found is None:
        return ""
    latencies = ", ".join(
        f"{label} {milliseconds(now.mean_s)} (closed form {milliseconds(before.mean_s)})"
        for label, now, before in (("TTFT", found.ttft, estimate.ttft), ("ITL", found.itl, estimate.itl))
    )
    verdict = "" if found.sla_probability is None else (", holds" if found.meets_sla else ", misses the SLA")
    return (
        f"simulated {position + 1} of {max(course.wanted, position + 1)}: {_name(item)}: {latencies}{verdict}"
    )


def _name(item: Candidate) -> str:
    return f"{item.deployment.backend} {layout(item.deployment)}"


# --- A recommendation in stages: the closed form, saved, then finalists for as long as there is time.


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
