"""What a profile would deploy and measure: told beforehand, nothing created, nothing written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simkit.closed_form.problem import Problem
from simkit.cluster.apply import Applied
from simkit.compare.measurement_plan import Trial, engine_trials, whole_trials
from simkit.core.errors import InputError
from simkit.core.estimate import Recommendation
from simkit.core.request import Request
from simkit.formats.profile_store import ProfileStore
from simkit.measure.profile import (
    ProfileSettings,
    asked_of,
    bench_of,
    contenders_of,
    place_of,
    predicted,
    refuse_many_on_one,
)
from simkit.measure.targets import Rehearsal
from simkit.measure.trials import trial_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedTrial:
    """One deployment of a profile. missing: points not measured yet; skipped: why the budget leaves it out.

    What measurements will show to be hopeless is passed over later: this is the most that can be deployed.
    """

    trial: Trial
    missing: int
    skipped: str = ""
    documents: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    changes: tuple[Applied, ...] = field(default=(), repr=False)

    @property
    def is_deployed(self) -> bool:
        """Whether it would be brought up."""
        return bool(self.missing) and not self.skipped


def rehearsed(request: Request, settings: ProfileSettings, *, ask: bool) -> list[RehearsedTrial]:
    """Every trial of a profile in its order, with what the target would be sent for it.

    ask: have the target say what would change there. Raises InputError where it tells nothing by documents.
    """
    refuse_many_on_one(request, settings)
    store = ProfileStore(settings.folder)
    store.holds(asked_of(request, settings))
    rehearsal = place_of(settings).rehearsal
    if ask and rehearsal is None:
        raise InputError("--dry-run server and --diff ask a cluster; add --target k8s, or --dry-run client")
    problem, first = predicted(request, settings)
    bench = bench_of(store, problem, settings, lambda line: None)
    found = []
    for trial in _trials(problem, first, settings):
        missing = sum(store.get(trial.name, point.name) is None for point in trial.points)
        skipped = bench.beyond(trial, missing) if missing else ""
        bench.measured += 0 if skipped else missing
        one = RehearsedTrial(trial=trial, missing=missing, skipped=skipped)
        found.append(_told(one, rehearsal, (problem, settings), ask=ask))
    return found


def _trials(problem: Problem, first: Recommendation, settings: ProfileSettings) -> Iterator[Trial]:
    request = problem.request
    if request.search_strategy != "thorough":
        if request.auto_apply or settings.apply:
            yield from whole_trials(problem, first.candidates[:1])
        return
    contenders = contenders_of(first, settings)
    yield from whole_trials(problem, [one for one in contenders if one.deployment.mode == "agg"])
    apart = [one for one in contenders if one.deployment.mode == "disagg"]
    yield from engine_trials(problem, apart, "prefill")
    yield from engine_trials(problem, apart, "decode")
    yield from whole_trials(problem, apart)


def _told(
    one: RehearsedTrial,
    rehearsal: Rehearsal | None,
    question: tuple[Problem, ProfileSettings],
    *,
    ask: bool,
) -> RehearsedTrial:
    """The trial with what would be sent, or, if asked, with what would change."""
    if rehearsal is None or not one.is_deployed:
        return one
    problem, settings = question
    place = (problem, one.trial.candidate, trial_folder(settings.folder, one.trial))
    if ask:
        changes = tuple(rehearsal.changes(*place))
        return RehearsedTrial(trial=one.trial, missing=one.missing, changes=changes)
    return RehearsedTrial(trial=one.trial, missing=one.missing, documents=tuple(rehearsal.documents(*place)))
