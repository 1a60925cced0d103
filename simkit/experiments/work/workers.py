"""Who evaluates blocks: this process, processes beside it, or a cluster; all are handed the same blocks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.evaluate import PointTask, evaluated
from simkit.experiments.points import PointBlock
from simkit.experiments.work.budget import RunBudget
from simkit.io.beside import side_by_side

if TYPE_CHECKING:
    import pandas as pd

Result = tuple[PointBlock, "pd.DataFrame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How a run is worked: processes, or a cluster (dask://HOST:PORT, ray://HOST:PORT); what it may take."""

    jobs: int = 1
    cluster: str | None = None
    budget: RunBudget = field(default_factory=RunBudget)

    def __post_init__(self) -> None:
        if self.cluster is not None and self.jobs != 1:
            raise InputError("--cluster brings its own workers; drop --jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How many work side by side, and how they are handed blocks.

    results gives every block with its results, in any order; it raises ExternalError where a worker dies.
    """

    size: int
    results: Callable[[PointTask, Iterable[PointBlock]], Iterator[Result]]


@contextmanager
def crew_of(workers: Workers) -> Iterator[Crew]:
    """Those who work. Raises InputError for a cluster of another kind, ExternalError where none answers."""
    if workers.cluster is not None:
        from simkit.experiments.work.clusters import cluster_crew

        with cluster_crew(workers.cluster) as crew:
            yield crew
    elif workers.jobs == 1:
        yield Crew(size=1, results=lambda task, blocks: (result(task, block) for block in blocks))
    else:
        jobs = workers.jobs
        yield Crew(size=jobs, results=lambda task, blocks: _by_processes(task, blocks, jobs))


def result(task: PointTask, block: PointBlock) -> Result:
    """A block with its results."""
    return block, evaluated(task.do, block.points, task.own)


def _by_processes(task: PointTask, blocks: Iterable[PointBlock], jobs: int) -> Iterator[Result]:
    try:
        from joblib import delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError
    except ImportError as error:
        raise InputError("--jobs needs joblib; pip install 'dynamo-simkit[fit]', or take --jobs 1") from error
    parallel = side_by_side(jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
    calls: Iterable[Any] = (delayed(result)(task, block) for block in blocks)
    try:
        yield from parallel(calls)
    except TerminatedWorkerError as error:
        told = f"take --jobs {max(jobs - 1, 1)}"
        raise ExternalError(f"a worker died, perhaps for want of memory; {told}") from error
