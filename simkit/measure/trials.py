"""Trials run one by one: deployed, measured, removed; every result is kept at once, failures with reasons."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from simkit.closed_form.problem import Problem
from simkit.compare.measurement_plan import Point, Trial
from simkit.core.errors import ExternalError, InputError, SimkitError
from simkit.core.estimate import Candidate
from simkit.core.measured import Run
from simkit.core.words import counted, duration, gpus
from simkit.core.workload import Workload
from simkit.formats.profile_store import Failure, ProfileStore
from simkit.measure.run import Meter, Server, measure

Deploy = Callable[[Candidate, Path], AbstractContextManager[Server]]
Expect = Callable[[Candidate, Workload], Candidate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a profile may use; None: as much as it takes. Seconds count from this start, not over resumes."""

    points: int | None = None
    seconds: float | None = None
    gpus: int | None = None

    def __post_init__(self) -> None:
        for name in ("points", "seconds", "gpus"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"the budget of {name} must be positive, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What became of a trial: runs by point, failures by point, or why it was not deployed."""

    trial: Trial
    runs: dict[str, Run] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    skipped: str = ""

    @property
    def run(self) -> Run | None:
        """The run of a trial with one point."""
        return next(iter(self.runs.values()), None)


@dataclass(slots=True)
class Bench:
    """Where trials run: how to deploy and measure, what to expect, what may be used, where results go."""

    store: ProfileStore
    deploy: Deploy
    meter: Meter
    budget: Budget
    say: Callable[[str], None]
    expect: Expect
    real_engines: bool = True  # what is measured says something of GPUs
    begun: float = field(default_factory=time.monotonic)
    measured: int = 0  # points measured since this start
    found: int = 0  # points that were there already
    deployed: int = 0
    planned: int = 0  # points of the trials that are known to come, those that got a result among them
    ended: int = 0  # points that got a result, or failed

    def plan(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """The trials, which are going to be run or passed over; what they lack counts as ahead."""
        self.planned += sum(self._missing(trial) for trial in trials)
        return trials

    def pass_over(self, trial: Trial) -> None:
        """A trial that was planned is not run."""
        self.planned -= self._missing(trial)

    def _missing(self, trial: Trial) -> int:
        return sum(self.store.get(trial.name, point.name) is None for point in trial.points)

    def _ahead(self) -> str:
        """How many points have ended, and when the others will have."""
        self.ended += 1
        left = max(self.planned - self.ended, 0)
        told = duration((time.monotonic() - self.begun) / self.ended * left)
        return f" ({self.ended} of {self.planned} points" + (f", about {told} left)" if left else ")")

    def run(self, trial: Trial) -> TrialResult:
        """Measure what is missing of a trial, within the budget."""
        result = self._known(trial)
        missing = [p for p in trial.points if p.name not in result.runs and p.name not in result.failures]
        self.found += len(trial.points) - len(missing)
        if not missing:
            return result
        reason = self.beyond(trial, len(missing))
        if reason:
            self.pass_over(trial)
            return replace(result, skipped=reason)
        self.say(f"deploying {trial.name} ({gpus(trial.num_gpus)}, {counted(len(missing), 'point')})")
        for point in self._measured(trial, missing):
            kept = self.store.get(trial.name, point.name)
            if isinstance(kept, Run):
                result.runs[point.name] = kept
            elif kept is not None:
                result.failures[point.name] = kept.reason
        return result

    def _known(self, trial: Trial) -> TrialResult:
        kept = {point.name: self.store.get(trial.name, point.name) for point in trial.points}
        return TrialResult(
            trial=trial,
            runs={name: item for name, item in kept.items() if isinstance(item, Run)},
            failures={name: item.reason for name, item in kept.items() if isinstance(item, Failure)},
        )

    def beyond(self, trial: Trial, points: int) -> str:
        """Why the budget does not allow a trial; empty where it does."""
        budget = self.budget
        if budget.gpus is not None and trial.num_gpus > budget.gpus:
            return f"takes {gpus(trial.num_gpus)}, the budget is {budget.gpus}"
        if budget.points is not None and self.measured + points > budget.points:
            return f"the budget of {counted(budget.points, 'point')} is used up"
        if budget.seconds is not None and time.monotonic() - self.begun > budget.seconds:
            return f"the budget of {budget.seconds:g} s is used up"
        return ""

    def _measured(self, trial: Trial, missing: Sequence[Point]) -> Iterator[Point]:
        """Points as they get a result. After a failure the rest get a fresh deployment."""
        waiting = list(missing)
        while waiting:
            try:
                with self.deploy(trial.candidate, trial_folder(self.store.folder, trial)) as server:
                    self.deployed += 1
                    while waiting:
                        point = waiting[0]
                        self._one(trial, point, server)
                        waiting.pop(0)
                        yield point
            except (ExternalError, TimeoutError) as error:
                point = waiting.pop(0)
                self._fail(trial, point, error)
                yield point

    def _one(self, trial: Trial, point: Point, server: Server) -> None:
        options = replace(
            self.meter.options, request_count=point.requests or self.meter.options.request_count
        )
        if point.warmups is not None:
            options = replace(options, warmup_count=point.warmups)
        meter = replace(self.meter, options=options)
        place = self.store.folder / "artifacts" / trial.name / point.name
        if point.primed:
            measure(server, point.workload, meter, place)
        run = measure(server, point.workload, meter, place)
        self.store.put(trial.name, point.name, run)
        self.measured += 1
        self.say(f"measured {trial.name} {point.name}: {_figures(run)}{self._ahead()}")

    def _fail(self, trial: Trial, point: Point, error: SimkitError | TimeoutError) -> None:
        self.store.put(trial.name, point.name, Failure(reason=str(error)))
        self.say(f"failed {trial.name} {point.name}: {error}{self._ahead()}")


def trial_folder(folder: Path, trial: Trial) -> Path:
    """Where the files and logs of a trial's deployment go, in the folder of a profile."""
    return folder / "local" / trial.name


def _figures(run: Run) -> str:
    ttft, itl = run.ttft.mean_s, run.itl.mean_s
    parts = [f"TTFT {ttft * 1e3:,.1f} ms"] if ttft is not None else []
    parts += [f"ITL {itl * 1e3:,.2f} ms"] if itl is not None else []
    return ", ".join(parts)


def one_server(server: Server) -> Callable[[Problem, Candidate, Path], AbstractContextManager[Server]]:
    """A server that is there already and stays: every candidate is taken to be what it runs."""
    return lambda problem, candidate, folder: nullcontext(server)
