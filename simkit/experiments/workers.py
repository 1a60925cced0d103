"""Who evaluates blocks: this process, processes beside it, or a cluster; all are handed the same blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simkit.core.errors import ExternalError, InputError
from simkit.experiments.budget import Budget
from simkit.experiments.columns import Do
from simkit.experiments.evaluate import evaluated
from simkit.experiments.points import PointBlock

if TYPE_CHECKING:
    import pandas as pd

Result = tuple[PointBlock, "pd.DataFrame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How a run is worked: processes, and what it may take."""

    jobs: int = 1
    budget: Budget = field(default_factory=Budget)


def results(do: Do, blocks: Iterable[PointBlock], workers: Workers) -> Iterator[Result]:
    """Every block with its results. Raises ExternalError where a worker dies."""
    if workers.jobs == 1:
        return (result(do, block) for block in blocks)
    return _by_processes(do, blocks, workers.jobs)


def result(do: Do, block: PointBlock) -> Result:
    """A block with its results."""
    return block, evaluated(do, block.points)


def _by_processes(do: Do, blocks: Iterable[PointBlock], jobs: int) -> Iterator[Result]:
    try:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError
    except ImportError as error:
        raise InputError("--jobs needs joblib; pip install 'dynamo-simkit[fit]', or take --jobs 1") from error
    parallel = Parallel(
        n_jobs=jobs, backend="loky", return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1
    )
    calls: Iterable[Any] = (delayed(result)(do, block) for block in blocks)
    try:
        yield from parallel(calls)
    except TerminatedWorkerError as error:
        told = f"take --jobs {max(jobs - 1, 1)}"
        raise ExternalError(f"a worker died, perhaps for want of memory; {told}") from error
