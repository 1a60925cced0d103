"""Runs the points of an experiment, block by block, into its folder; what is there already is passed over."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.document import Experiment
from simkit.experiments.evaluate import PointTask, evaluated
from simkit.experiments.points import PointBlock, Space, point_blocks
from simkit.experiments.provenance import provenance
from simkit.experiments.refine import Refinement, aim_of
from simkit.experiments.store import (
    RunFolder,
    begin,
    locked,
    part_files,
    read_part,
    refuse_foreign,
    stored_bytes,
    write_part,
)
from simkit.experiments.work.budget import RunBudget, Spending
from simkit.experiments.work.workers import Crew, Workers, crew_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: points passed, of them found in the folder, without a result; rate of those made.

    stopped: the budget that is spent.
    """

    passed: int
    kept: int
    failed: int
    per_s: float | None = None
    money: float | None = None
    stopped: str = ""

    def left_s(self, total: int | None) -> float | None:
        """Seconds until all points are passed, where both are known."""
        return None if total is None or not self.per_s else (total - self.passed) / self.per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run would take: points, seconds for one worker on this machine, bytes; from `sample` points.

    None where points are measured: nothing is brought up to find out.
    refined: the points are the most; fewer will be asked.
    """

    points: int
    seconds: float | None
    size_bytes: float | None
    sample: int
    refined: bool = False


class Rounds(Protocol):
    """Which blocks are asked; each round may follow from results of those before."""

    def rounds(self) -> Iterator[Iterable[PointBlock]]:
        """Blocks, round by round."""

    def take(self, block: PointBlock, table: "pd.DataFrame") -> None:
        """Learn the results of a block."""


@dataclass(frozen=True, slots=True)
class _AllPoints:
    """Every point, in one round."""

    space: Space

    def rounds(self) -> Iterator[Iterable[PointBlock]]:
        yield point_blocks(self.space)

    def take(self, block: PointBlock, table: "pd.DataFrame") -> None:
        """Nothing follows from results."""


def rounds_of(experiment: Experiment) -> Rounds:
    """Which blocks an experiment asks."""
    aim = aim_of(experiment.document)
    return _AllPoints(experiment.space) if aim is None else Refinement(space=experiment.space, aim=aim)


def run(
    experiment: Experiment, folder: RunFolder, command: Sequence[str], workers: Workers | None = None
) -> Iterator[Progress]:
    """Run what is not finished; the folder may hold a part of the same run.

    Raises InputError where it holds another, or where another runner is at work in it.
    """
    workers = workers or Workers()
    refuse_foreign(folder)
    known = provenance(experiment, command)
    with locked(folder), _crew(experiment, folder, workers) as crew:
        begin(folder, experiment, known)
        runner = _Runner(experiment, folder, crew, workers.budget)
        plan = rounds_of(experiment)
        for blocks in plan.rounds():
            for block, table, kept in runner.results(blocks):
                plan.take(block, table)
                if not kept:
                    write_part(folder, block, table, known)
                    yield runner.made(table)
            if runner.meter.stopped:
                break
        yield runner.progress()


def _crew(experiment: Experiment, folder: RunFolder, workers: Workers) -> AbstractContextManager[Crew]:
    """Who works: measurements are taken here, one after another, on one target."""
    if experiment.do != "benchmark":
        return crew_of(workers)
    if workers.jobs != 1 or workers.cluster is not None:
        raise InputError("do: benchmark measures one point after another; drop --jobs and --cluster")
    from simkit.experiments.work.measuring import measuring_crew

    return measuring_crew(experiment, folder)


class _Runner:
    """Blocks of one call: those that are in the folder, and the others evaluated within the budget."""

    def __init__(self, experiment: Experiment, folder: RunFolder, crew: Crew, budget: RunBudget) -> None:
        self.experiment, self.folder, self.crew = experiment, folder, crew
        self.done = {path.name for path in part_files(folder)}
        self.meter = Spending(budget=budget, workers=crew.size)
        self.counts = {"made": 0, "kept": 0, "failed": 0}
        self.stored: list[PointBlock] = []

    def results(self, blocks: Iterable[PointBlock]) -> Iterator[tuple[PointBlock, "pd.DataFrame", bool]]:
        """Blocks with their results, and whether they were in the folder: those only if more follows."""
        asked = self.crew.results(PointTask(self.experiment.do, self.experiment.own), self._missing(blocks))
        try:
            yield from ((block, table, False) for block, table in asked)
        except ExternalError as error:
            raise ExternalError(
                f"{error}; what is finished is kept: simkit experiment resume {self.folder.path}"
            ) from error
        while self.stored:
            block = self.stored.pop()
            yield block, read_part(self.folder, block), True

    def _missing(self, blocks: Iterable[PointBlock]) -> Iterator[PointBlock]:
        """Blocks to evaluate; the others are counted."""
        for block in blocks:
            if self.folder.part(block).name in self.done:
                self.counts["kept"] += len(block.points)
                if self.experiment.document.refine is not None:
                    self.stored.append(block)
            elif self.meter.lets_begin(len(block.points)):
                yield block
            else:
                return

    def made(self, table: "pd.DataFrame") -> Progress:
        """Count a block that was evaluated."""
        self.counts["made"] += len(table)
        self.counts["failed"] += int((table["error"] != "").sum())
        return self.progress()

    def progress(self) -> Progress:
        """How far the call is."""
        made, seconds = self.counts["made"], self.meter.seconds
        return Progress(
            passed=made + self.counts["kept"],
            kept=self.counts["kept"],
            failed=self.counts["failed"],
            per_s=made / seconds if made and seconds > 0 else None,
            money=self.meter.money,
            stopped=self.meter.stopped,
        )


def count_points(experiment: Experiment) -> int:
    """Points that the condition leaves; of them a refined experiment asks some."""
    if experiment.space.where is None:
        return experiment.space.most
    return sum(len(block.points) for block in point_blocks(experiment.space))


def missing_points(experiment: Experiment, folder: RunFolder) -> int:
    """Points that are not finished; of a refined experiment those of the round that is being asked."""
    done = {path.name for path in part_files(folder)}
    plan = rounds_of(experiment)
    for blocks in plan.rounds():
        missing = 0
        for block in blocks:
            if folder.part(block).name not in done:
                missing += len(block.points)
            elif experiment.document.refine is not None:
                plan.take(block, read_part(folder, block))
        if missing:
            return missing
    return 0


def expected(experiment: Experiment) -> Expected:
    """What a run would take, from a few points evaluated now: the second time, so that nothing is loaded."""
    points = count_points(experiment)
    if experiment.do == "benchmark":
        return Expected(points=points, seconds=None, size_bytes=None, sample=0)
    first = next(point_blocks(experiment.space), None)
    if first is None:
        return Expected(points=0, seconds=0.0, size_bytes=0.0, sample=0)
    most = len(first.points) if experiment.do == "predict" else 2
    some = first.points.iloc[:: max(len(first.points) // most, 1)].iloc[:most]
    evaluated(experiment.do, some.iloc[:1], experiment.own)
    begun = time.perf_counter()
    table = evaluated(experiment.do, some, experiment.own)
    each = (time.perf_counter() - begun) / len(some)
    size = stored_bytes(table, experiment.do) / len(some) * points
    refined = experiment.document.refine is not None
    return Expected(points=points, seconds=each * points, size_bytes=size, sample=len(some), refined=refined)
