"""The whole lifecycle without a cluster: predict, deploy, measure, choose, compare, recalibrate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.problem import Problem
from simkit.closed_form.user_calibration import sharpened
from simkit.compare.measurement_plan import Trial, engine_trials, layout_name, whole_trials
from simkit.compare.verdicts import Figures, mean_factor, predicted_figures, with_factors
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.request import Request
from simkit.formats.aiperf_command import as_sent
from simkit.formats.dgdr.read import request_to_document
from simkit.formats.profile_store import ProfileStore
from simkit.io.processes import clean_orphans
from simkit.io.tools import registry
from simkit.measure.profile_verdict import (
    ProfileOutcome,
    as_predicted,
    as_shipped,
    calibrated,
    conclude,
    figures_of,
    judge_of,
)
from simkit.measure.run import Meter, Server
from simkit.measure.targets import Target, target_of
from simkit.measure.trials import (
    Bench,
    Budget,
    Expect,
    TrialResult,
    one_server,
)
from simkit.verbs.recommend import answer

INITIALIZING, PREFILL, DECODE = "Initializing", "SweepingPrefill", "SweepingDecode"
SELECTING, CURVES, GENERATING, DONE = "SelectingConfig", "BuildingCurves", "GeneratingDGD", "Done"
_SEARCHED = 40  # candidates predicted, from which those to deploy are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """How to profile: where, with what, how much.

    server: the one to measure with target url; None starts candidates on `target`. candidates is how many
    whole ones may be deployed by a thorough profile. apply: also deploy and measure where the request
    says autoApply: false.
    """

    folder: Path
    meter: Meter
    server: Server | None = None
    target: str | Target = "local"
    candidates: int = 8
    budget: Budget = field(default_factory=Budget)
    apply: bool = False
    retry_failed: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)


def profile(request: Request, settings: ProfileSettings, say: Callable[[str], None]) -> ProfileOutcome:
    """Profile a request; everything measured is kept in the folder, from which a later call goes on.

    Raises InputError for what cannot be asked together, ExternalError when nothing could be measured.
    """
    refuse_many_on_one(request, settings)
    store = ProfileStore(settings.folder)
    going_on = store.open(asked_of(request, settings))
    if settings.retry_failed:
        store.forget_failures()
    clean_orphans(registry())  # engines of a killed run, even where this one has nothing left to deploy
    store.enter(INITIALIZING, "predicting")
    problem, first = predicted(request, settings)
    say(f"{'resuming' if going_on else 'predicted'}: {first.explanation[0]}")
    bench = bench_of(store, problem, settings, say)
    thorough = request.search_strategy == "thorough"
    engines, wholes = _thorough(bench, problem, first, settings) if thorough else ((), ())
    if not thorough and (request.auto_apply or settings.apply):
        bench.store.enter(SELECTING, "measuring the selected deployment")
        wholes = _wholes(bench, (problem, first), first.candidates[:1], ())
    return conclude(problem, first, (engines, wholes), bench, settings.limits)


def refuse_many_on_one(request: Request, settings: ProfileSettings) -> None:
    """Raise InputError where candidate after candidate is to be deployed on one server that runs."""
    if request.search_strategy == "thorough" and settings.server is not None:
        raise InputError(
            "searchStrategy thorough deploys candidate after candidate, and a URL is one deployment; "
            "use --target local, or searchStrategy rapid"
        )


def predicted(request: Request, settings: ProfileSettings) -> tuple[Problem, Recommendation]:
    """The question under the load that is sent, and its answer before anything is measured."""
    sent = replace(request, workload=as_sent(request.workload, settings.meter.options))
    limit = _SEARCHED if request.search_strategy == "thorough" else 10
    problem = build_problem(sent, SearchOptions(limit=limit))
    return problem, answer(problem)


def asked_of(request: Request, settings: ProfileSettings) -> dict[str, Any]:
    """What must be the same for results to be gone on with."""
    options, slo = settings.meter.options, request.slo
    on = {name: slo.statistic_of(name) for name in slo.bounds}
    return {
        "request": request_to_document(request)["spec"],
        **({"statistics": on} if set(on.values()) - {"mean"} else {}),
        **({"calibration": request.own.sha256} if request.own else {}),
        "modes": list(request.modes),
        "target": _place_name(settings),
        "client": settings.meter.client,
        "requests": options.request_count,
        "seed": options.seed,
        "candidates": settings.candidates,
    }


def bench_of(
    store: ProfileStore, problem: Problem, settings: ProfileSettings, say: Callable[[str], None]
) -> Bench:
    """How candidates are started and measured, and what is then expected of them."""
    place = place_of(settings)
    return Bench(
        store=store,
        meter=settings.meter,
        budget=settings.budget,
        say=say,
        deploy=lambda candidate, folder: place.start(problem, candidate, folder),
        expect=lambda candidate, load: place.expect(problem, candidate, load),
        real_engines=place.real_engines,
    )


def place_of(settings: ProfileSettings) -> Target:
    """Where candidates are brought up."""
    if settings.server is not None:
        return Target(about="a server that runs", start=one_server(settings.server))
    return settings.target if isinstance(settings.target, Target) else target_of(settings.target)


def _place_name(settings: ProfileSettings) -> str:
    if settings.server is not None:
        return settings.server.url
    return settings.target.about if isinstance(settings.target, Target) else settings.target


# --- sweeps ---------------------------------------------------------------------------------------


def contenders_of(first: Recommendation, settings: ProfileSettings) -> tuple[Candidate, ...]:
    """The best layouts, each once; both modes among them where both were found."""
    seen: dict[str, Candidate] = {}
    for candidate in first.candidates:
        seen.setdefault(layout_name(candidate.deployment), candidate)
    ordered = list(seen.values())
    chosen = ordered[: settings.candidates]
    for mode in ("agg", "disagg"):
        other = next((c for c in ordered if c.deployment.mode == mode), None)
        if other is not None and all(c.deployment.mode != mode for c in chosen) and len(chosen) > 1:
            chosen[-1] = other
    return tuple(chosen)


Results = tuple[TrialResult, ...]


def _thorough(
    bench: Bench, problem: Problem, first: Recommendation, settings: ProfileSettings
) -> tuple[Results, Results]:
    """Aggregated candidates as they are; engines of the others alone; then those others as a whole.

    What cannot beat the best measured so far is not deployed, nor are its engines.
    """
    contenders = contenders_of(first, settings)
    bench.store.enter(PREFILL, "aggregated candidates")
    together = [item for item in contenders if item.deployment.mode == "agg"]
    wholes = _wholes(bench, (problem, first), together, ())
    judge, best = judge_of(problem), best_of(problem, wholes)
    apart = [item for item in contenders if item.deployment.mode == "disagg"]
    able = [item for item in apart if not judge.hopeless(item, best)]
    bench.store.enter(PREFILL, "prefill engines")
    engines = [bench.run(trial) for trial in bench.plan(list(engine_trials(problem, able, "prefill")))]
    bench.store.enter(DECODE, "decode engines")
    engines += [bench.run(trial) for trial in bench.plan(list(engine_trials(problem, able, "decode")))]
    bench.store.enter(SELECTING, "disaggregated candidates")
    factors = engine_factors(engines)
    expected = [with_factors(item, problem.request.slo, factors) for item in apart]
    return tuple(engines), _wholes(bench, (problem, first), expected, wholes)


def engine_factors(results: Sequence[TrialResult]) -> dict[str, float]:
    """Measured over predicted of every engine that was measured alone, by its name."""
    found = {}
    for result in results:
        metric = "ttft" if result.trial.kind == "prefill" else "itl"
        points = {point.name: point for point in result.trial.points}
        pairs = [
            (points[name].predicted[metric], getattr(run, metric).mean_s or 0.0)
            for name, run in result.runs.items()
        ]
        factor = mean_factor(pairs)
        if factor is not None:
            found[result.trial.name] = factor
    return found


def _wholes(
    bench: Bench, question: tuple[Problem, Recommendation], candidates: Sequence[Candidate], before: Results
) -> Results:
    """Whole candidates, the most promising first; those that cannot win any more are passed over."""
    problem = question[0]
    judge = judge_of(problem)
    ordered = sorted(candidates, key=lambda item: judge.key(predicted_figures(item)))
    results = list(before)
    for trial in bench.plan(list(whole_trials(problem, ordered))):
        reason = judge.hopeless(_sharper(question, trial, results, bench.expect), best_of(problem, results))
        known = bench.store.get(trial.name, trial.points[0].name) is not None
        passed_over = bool(reason) and not known
        if passed_over:
            bench.pass_over(trial)
        results.append(TrialResult(trial=trial, skipped=reason) if passed_over else bench.run(trial))
    return tuple(results)


def best_of(problem: Problem, results: Sequence[TrialResult]) -> Figures | None:
    """The best figures measured so far."""
    found = [figures for result in results if (figures := figures_of(result)) is not None]
    return min(found, key=judge_of(problem).key, default=None)


def _sharper(
    question: tuple[Problem, Recommendation], trial: Trial, results: Sequence[TrialResult], expect: Expect
) -> Candidate:
    """A candidate in the light of those measured before it: one run alone says little of others."""
    problem, first = question
    measured = [result for result in results if result.run is not None]
    own = calibrated(question, measured, expect) if len(measured) > 1 else None
    if own is None:
        return trial.candidate
    load = trial.points[0].workload
    said = as_shipped(problem, as_predicted(first, trial), load)
    return sharpened(said, load, problem.request.slo, own)
