"""A user's own runs: made into a calibration, and which to measure next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perfmodels.uncertainty.user_runs import FEATURES, Places, doubt_left, log_features, most_telling
from simkit.catalog.problems import SearchOptions, build_problem
from simkit.catalog.runs import MEASURED, meant_columns, read_table, refuse_seconds, with_measured_numbers
from simkit.closed_form.estimates import doubt_of
from simkit.closed_form.one_deployment import deployment_candidate
from simkit.closed_form.problem import Problem
from simkit.closed_form.user_calibration import features_of
from simkit.compare.measurement_plan import layout_name, loaded
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate
from simkit.core.request import Request
from simkit.core.user_calibration import PRIORS, Observation, OwnCalibration, calibration_of
from simkit.core.words import amount
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions, profile_command
from simkit.formats.user_calibration import observations_of_table, read_own
from simkit.verbs.evaluate import with_predictions
from simkit.verbs.recommend import answer

OWN = "own_calibration.json"
_LOADS = (0.25, 0.5, 1.0, 2.0, 4.0)
_TARGETS = 6
_FAR_OFF = 100.0  # times a prediction, either way


def own_calibration(places: Sequence[Path]) -> OwnCalibration:
    """One calibration from tables of runs, profile folders and earlier calibrations."""
    found: list[Observation] = []
    for place in places:
        file = place / OWN if place.is_dir() else place
        found += read_own(file).observations if file.suffix == ".json" else _of_table(file)
    return calibration_of(found)


def _of_table(path: Path) -> list[Observation]:
    frame = read_table(path)
    missing = [name for name in MEASURED if name not in frame.columns]
    if missing:
        hint = meant_columns(missing, frame)
        raise InputError(
            f"{path}: column {', '.join(missing)} missing{hint}; measured means are what calibrates"
        )
    frame = with_measured_numbers(frame)
    refuse_seconds(frame)
    joined = with_predictions(frame)
    found = observations_of_table(joined)
    if not found:
        reason = next((text for text in joined["error"] if text), "no measured means")
        raise InputError(f"{path}: none of its {len(joined)} rows can be used ({reason})")
    _refuse_far_off(path, found)
    return found


def _refuse_far_off(path: Path, found: Sequence[Observation]) -> None:
    """Raise InputError for a run so far off its prediction that it is of something else."""
    for item in found:
        for metric, ratio in item.log_ratios.items():
            if abs(ratio) > np.log(_FAR_OFF):
                raise InputError(
                    f"{path}: run {item.source}: {metric.upper()} is {amount(np.exp(ratio))} times what is "
                    "predicted, which no cluster explains: is it in milliseconds, and of this model, GPU "
                    "and load? Correct the row, or leave it out"
                )


# --- which to measure next ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """A measurement that would tell much: a deployment and its load; left_frac of the doubt stays."""

    candidate: Candidate
    workload: Workload
    left_frac: float
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """The layout to deploy."""
        return layout_name(self.candidate.deployment)


def next_runs(request: Request, count: int) -> tuple[tuple[NextRun, ...], float]:
    """The runs that would narrow the intervals of the best candidates most, and the doubt before them.

    Doubt is the variance of the error, as a share of what it is before anything is measured. Runs of the
    request's own calibration are known. Raises InputError where nothing serves the load.
    """
    own = request.own  # its runs lie where plain predictions do
    problem = build_problem(replace(request, own=None), SearchOptions(limit=_TARGETS))
    best = [item for item in answer(problem).candidates if not item.estimate.overloaded][:_TARGETS]
    if not best:
        raise InputError(
            "no deployment on these GPUs serves this load, so no run would tell of it; lower "
            "--request-rate or --concurrency, or raise --total-gpus"
        )
    targets = [(item, loaded(problem.request.workload, item)) for item in best]
    points = [(point, load) for item in best for point, load in _around(problem, item)]
    at, aim, known = _places(points), _places(targets), _known(own)
    priors = tuple(PRIORS.values())
    chosen, left = most_telling(priors, known, at, aim, count)
    now = doubt_left(priors, known, aim)
    found = [
        NextRun(
            candidate=points[index][0],
            workload=points[index][1],
            left_frac=float(share),
            command=tuple(_command(problem, points[index][1])),
        )
        for index, share in zip(chosen, left, strict=True)
    ]
    return tuple(found), now


def _places(points: Sequence[tuple[Candidate, Workload]]) -> Places:
    rows = [features_of(load, item.estimate, item.deployment) for item, load in points]
    doubts = [[doubt_of(getattr(item.estimate, metric)) for item, _ in points] for metric in PRIORS]
    return Places(features=log_features(np.array(rows)), doubts=np.array(doubts))


def _known(own: OwnCalibration | None) -> Places:
    """What was measured; a metric that one run lacks is as unsure there as the other."""
    if own is None:
        return Places(features=np.empty((0, len(FEATURES))), doubts=np.empty((len(PRIORS), 0)))
    features = log_features(np.array([item.features for item in own.observations]))
    doubts = [[item.doubts.get(m, max(item.doubts.values())) for item in own.observations] for m in PRIORS]
    return Places(features=features, doubts=np.array(doubts))


def _around(problem: Problem, candidate: Candidate) -> list[tuple[Candidate, Workload]]:
    """The candidate under loads around the one it was predicted at."""
    load = loaded(problem.request.workload, candidate)
    found = []
    for step in _LOADS:
        if load.request_rate_per_s is not None:
            changed = replace(load, request_rate_per_s=load.request_rate_per_s * step)
        else:
            changed = replace(load, concurrency=max(1.0, float(round((load.concurrency or 1.0) * step))))
        asked = replace(problem, request=replace(problem.request, workload=changed))
        again = deployment_candidate(asked, candidate.deployment)
        if not again.estimate.overloaded:
            found.append((again, changed))
    return found


def _command(problem: Problem, workload: Workload) -> list[str]:
    return profile_command(workload, model=problem.request.model, options=BenchmarkOptions())
