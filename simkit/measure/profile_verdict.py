"""What a profile concludes: the winner, a calibration from its runs, all candidates ranked again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.problem import Problem
from simkit.closed_form.user_calibration import observation, sharpened
from simkit.compare.comparison import Comparison, compare, predicted_of
from simkit.compare.measurement_plan import Trial, layout_name, loaded
from simkit.compare.verdicts import Figures, Judge, measured_figures, predicted_figures
from simkit.core.errors import ExternalError
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.measured import Run
from simkit.core.request import objective_of
from simkit.core.user_calibration import OwnCalibration, calibration_of
from simkit.core.workload import Workload
from simkit.measure.trials import Bench, Expect, TrialResult

READY, DEPLOYED = "Ready", "Deployed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOutcome:
    """What a profile found.

    final is the recommendation after measuring, best first; changed says in words what measuring changed.
    phase is where it ended: Ready (written, not deployed) or Deployed (measured as a whole).
    """

    problem: Problem
    first: Recommendation
    final: Recommendation
    engines: tuple[TrialResult, ...]
    wholes: tuple[TrialResult, ...]
    run: Run | None
    comparison: Comparison | None
    own: OwnCalibration | None
    changed: tuple[str, ...]
    savings: tuple[str, ...]
    phase: str
    meets_sla: bool
    measured: int
    resumed: int


def judge_of(problem: Problem) -> Judge:
    """What counts for this request."""
    return Judge(slo=problem.request.slo, objective=objective_of(problem.request))


def conclude(
    problem: Problem,
    first: Recommendation,
    results: tuple[tuple[TrialResult, ...], tuple[TrialResult, ...]],
    bench: Bench,
    limits: Mapping[str, float],
) -> ProfileOutcome:
    """The outcome of what was measured. Raises ExternalError when everything that was tried failed."""
    engines, wholes = results
    measured = [result for result in wholes if result.run is not None]
    if not measured and any(result.failures for result in wholes):
        raise ExternalError(f"nothing could be measured: {_why_nothing(wholes)}")
    own = calibrated((problem, first), measured, bench.expect) if bench.real_engines else None
    final, winner = _ranked(problem, first, measured, own)
    run = winner.run if winner else None
    load = winner.trial.points[0].workload if winner else problem.request.workload
    before = bench.expect(as_predicted(first, winner.trial), load) if winner else first.selected
    comparison = compare(predicted_of(before.estimate, load), run, limits) if run else None
    figures = measured_figures(run, final.selected.deployment.num_gpus) if run else None
    return ProfileOutcome(
        problem=problem,
        first=first,
        final=final,
        engines=engines,
        wholes=wholes,
        run=run,
        comparison=comparison,
        own=own,
        changed=_changes(first, final, own),
        savings=_savings(wholes),
        phase=DEPLOYED if run else READY,
        meets_sla=figures.holds(problem.request.slo) if figures else final.selected.meets_sla,
        measured=bench.measured,
        resumed=bench.found,
    )


def _why_nothing(wholes: Sequence[TrialResult]) -> str:
    reasons = [
        f"{result.trial.name}: {next(iter(result.failures.values()), result.skipped)}" for result in wholes
    ]
    return "; ".join(reasons[:3])


def as_predicted(first: Recommendation, trial: Trial) -> Candidate:
    """A trial's candidate before anything was measured."""
    return next(item for item in first.candidates if layout_name(item.deployment) == trial.name)


def as_shipped(problem: Problem, candidate: Candidate, load: Workload) -> Candidate:
    """The candidate without the calibration that was asked with: what runs of one's own are held against."""
    request = problem.request
    if request.own is None:
        return candidate
    asked = replace(problem, request=replace(request, own=None, workload=load))
    return deployment_candidate(asked, candidate.deployment)


def calibrated(
    question: tuple[Problem, Recommendation], measured: Sequence[TrialResult], expect: Expect
) -> OwnCalibration | None:
    """A calibration from the measured trials and the runs that were asked with; None without a trial."""
    problem, first = question
    found = []
    for result in measured:
        if result.run is not None:
            load = result.trial.points[0].workload
            said = as_shipped(problem, as_predicted(first, result.trial), load)
            found.append(observation(load, expect(said, load), result.run))
    before = problem.request.own.observations if problem.request.own else ()
    return calibration_of([*before, *found]) if found else None


def _ranked(
    problem: Problem,
    first: Recommendation,
    measured: Sequence[TrialResult],
    own: OwnCalibration | None,
) -> tuple[Recommendation, TrialResult | None]:
    """All candidates again: the measured ones by what was measured, the rest by sharpened predictions.

    The selected one was measured, if any was: nothing is recommended on a hope. own is None where mocked
    engines were measured: those say nothing of GPUs.
    """
    slo, workload, judge = problem.request.slo, problem.request.workload, judge_of(problem)
    winner = min(
        (result for result in measured if figures_of(result) is not None),
        key=lambda result: judge.key(_needed(figures_of(result))),
        default=None,
    )
    if winner is None:
        return first, None
    after = list(first.candidates)
    if own is not None:
        loads = [loaded(workload, item) for item in after]
        after = [
            sharpened(as_shipped(problem, item, load), load, slo, own)
            for item, load in zip(after, loads, strict=True)
        ]
    name = winner.trial.name
    selected = next(item for item in after if layout_name(item.deployment) == name)
    rest = sorted(
        (item for item in after if item is not selected), key=lambda item: judge.key(predicted_figures(item))
    )
    meets = _needed(figures_of(winner)).holds(slo)
    chosen = replace(selected, meets_sla=meets)
    return replace(first, candidates=(chosen, *rest), meets_sla=meets), winner


def figures_of(result: TrialResult) -> Figures | None:
    """What a trial was measured to do; None where it has no run."""
    return measured_figures(result.run, result.trial.num_gpus) if result.run else None


def _needed(figures: Figures | None) -> Figures:
    if figures is None:
        raise ValueError("a measured candidate without figures")
    return figures


def _changes(first: Recommendation, final: Recommendation, own: OwnCalibration | None) -> tuple[str, ...]:
    """What measuring changed, in words."""
    if own is None:
        return ()
    before, after = first.selected, final.selected
    same = layout_name(before.deployment) == layout_name(after.deployment)
    lines = [
        f"the selected deployment stays {layout_name(after.deployment)}"
        if same
        else f"{layout_name(after.deployment)} is selected instead of {layout_name(before.deployment)}"
    ]
    again = next(c for c in first.candidates if layout_name(c.deployment) == layout_name(after.deployment))
    for label, metric in (("TTFT", "ttft"), ("ITL", "itl")):
        old, new = getattr(again.estimate, metric), getattr(after.estimate, metric)
        lines.append(
            f"{label} of it: {_band(old)} before measuring, {_band(new)} after {len(own.observations)} runs"
        )
    old_p, new_p = again.estimate.sla_probability, after.estimate.sla_probability
    if old_p is not None and new_p is not None:
        lines.append(f"probability that the SLA holds: {old_p:.0%} before, {new_p:.0%} after")
    return tuple(lines)


def _band(latency: Any) -> str:
    mean, low, high = (1e3 * value for value in (latency.mean_s, latency.lo_s, latency.hi_s))
    return f"{mean:,.3g} ms [{low:,.3g} - {high:,.3g}]"


def _savings(wholes: Sequence[TrialResult]) -> tuple[str, ...]:
    """Deployments that were not needed."""
    skipped = [result for result in wholes if result.skipped]
    if not skipped:
        return ()
    gpus = sum(result.trial.num_gpus for result in skipped)
    return (f"{len(skipped)} of {len(wholes)} candidates were not deployed, which saved {gpus} GPUs' time",)


def workload_of(outcome: ProfileOutcome) -> Workload:
    """The workload the selected deployment was judged under."""
    return loaded(outcome.problem.request.workload, outcome.final.selected)
