"""Step times of a running engine from a few of its runs, and what they say of other loads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError
from simkit.core.linear_steps import LinearSteps
from simkit.core.measured import Run
from simkit.sim.linear_loop import LoopMeans, simulated_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopQuestion:
    """A closed loop of equal requests; requests counts all that are measured."""

    isl_tokens: int
    osl_tokens: int
    concurrency: int
    requests: int

    @classmethod
    def of(cls, run: Run) -> "LoopQuestion":
        """The load of a run. Raises InputError where it was no closed loop."""
        if not run.concurrency or run.num_requests < 1:
            raise InputError(
                f"{run.source.path}: no closed loop; step times are found from --concurrency runs"
            )
        return cls(
            isl_tokens=round(run.isl_tokens),
            osl_tokens=round(run.osl_tokens),
            concurrency=round(run.concurrency),
            requests=run.num_requests,
        )


def predicted_loop(steps: LinearSteps, engine: EngineOptions, asked: LoopQuestion) -> LoopMeans:
    """What a load would show, by simulation."""
    load = (asked.isl_tokens, asked.osl_tokens, asked.concurrency)
    return simulated_loop(steps, engine, load, asked.requests)


def fitted_steps(runs: Sequence[Run], engine: EngineOptions) -> LinearSteps:
    """Step times under which the simulated loops show what was measured.

    Two concurrencies are the least, far apart they tell most; runs of two lengths tell what the cache costs.
    Repeats of a load are weighed as often as they come. Raises InputError.
    """
    from simkit.calibration.step_fit import fit_steps  # scipy is an extra

    def loop(steps: LinearSteps, measured: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
        once = cache(lambda asked: predicted_loop(steps, engine, asked))
        means = [once(LoopQuestion.of(run)) for run in measured]
        return np.array([mean.itl_s for mean in means]), np.array([mean.ttft_s for mean in means])

    return fit_steps(runs, loop)
