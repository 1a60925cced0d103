"""Runs the points of an experiment, block by block, into its folder; what is there already is passed over."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.columns import Do
from simkit.experiments.document import Experiment
from simkit.experiments.evaluate import evaluated
from simkit.experiments.points import PointBlock, point_blocks
from simkit.experiments.provenance import provenance
from simkit.experiments.store import (
    RunFolder,
    begin,
    locked,
    part_files,
    refuse_foreign,
    stored_bytes,
    stored_points,
    write_part,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: points of the space passed, of them found in the folder, and without a result."""

    passed: int
    kept: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run would take: points, seconds for one worker on this machine, bytes; from `sample` points."""

    points: int
    seconds: float
    size_bytes: float
    sample: int


def run(
    experiment: Experiment, folder: RunFolder, command: Sequence[str], jobs: int = 1
) -> Iterator[Progress]:
    """Run what is not finished; the folder may hold a part of the same run.

    Raises InputError where it holds another, or where another runner is at work in it.
    """
    refuse_foreign(folder)
    known = provenance(experiment, command)
    with locked(folder):
        begin(folder, experiment, known)
        done = {path.name for path in part_files(folder)}
        passed = kept = failed = 0
        for block, table in _results(experiment, folder, done, jobs):
            if table is None:
                kept += len(block.points)
            else:
                write_part(folder, block, table, known)
                failed += int((table["error"] != "").sum())
            passed += len(block.points)
            yield Progress(passed=passed, kept=kept, failed=failed)


Result = tuple[PointBlock, "pd.DataFrame | None"]


def _results(experiment: Experiment, folder: RunFolder, done: set[str], jobs: int) -> Iterator[Result]:
    blocks = point_blocks(experiment.space)
    tasks = ((block, folder.part(block).name in done) for block in blocks)
    if jobs == 1:
        yield from (_result(experiment.do, block, skip=skip) for block, skip in tasks)
        return
    try:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError
    except ImportError as error:
        raise InputError("--jobs needs joblib; pip install 'dynamo-simkit[fit]', or take --jobs 1") from error
    parallel = Parallel(
        n_jobs=jobs, backend="loky", return_as="generator", pre_dispatch="2*n_jobs", batch_size=1
    )
    calls: Iterable[Any] = (delayed(_result)(experiment.do, block, skip=skip) for block, skip in tasks)
    try:
        yield from parallel(calls)
    except TerminatedWorkerError as error:
        raise ExternalError(
            "a worker died, perhaps for want of memory; what is finished is kept: "
            f"simkit experiment resume {folder.path} --jobs {max(jobs - 1, 1)}"
        ) from error


def _result(do: Do, block: PointBlock, *, skip: bool) -> Result:
    return block, None if skip else evaluated(do, block.points)


def count_points(experiment: Experiment) -> int:
    """Points that the condition leaves."""
    if experiment.space.where is None:
        return experiment.space.most
    return sum(len(block.points) for block in point_blocks(experiment.space))


def expected(experiment: Experiment) -> Expected:
    """What a run would take, from a few points evaluated now: the second time, so that nothing is loaded."""
    points = count_points(experiment)
    first = next(point_blocks(experiment.space), None)
    if first is None:
        return Expected(points=0, seconds=0.0, size_bytes=0.0, sample=0)
    most = len(first.points) if experiment.do == "predict" else 2
    some = first.points.iloc[:: max(len(first.points) // most, 1)].iloc[:most]
    evaluated(experiment.do, some.iloc[:1])
    begun = time.perf_counter()
    table = evaluated(experiment.do, some)
    each = (time.perf_counter() - begun) / len(some)
    size = stored_bytes(table, experiment.do) / len(some) * points
    return Expected(points=points, seconds=each * points, size_bytes=size, sample=len(some))


def status_of(experiment: Experiment, folder: RunFolder) -> dict[str, Any]:
    """Points finished, failed and missing."""
    total, (count, failed) = count_points(experiment), stored_points(folder)
    return {"points": total, "finished": count, "failed": failed, "missing": max(total - count, 0)}
