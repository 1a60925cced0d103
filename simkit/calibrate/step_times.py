"""Step times of an engine from a few of its closed-loop runs, and what they say of other loads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import least_squares

from perfmodels.arrays import FloatArray
from simkit.closed_form.linear_steps import LinearSteps, linear_loop
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError
from simkit.core.measured import Run
from simkit.core.workload import Lengths
from simkit.sim.linear_loop import LoopMeans, simulated_loop

# --- Step times of an engine from a few of its closed-loop runs, whatever it runs on.
# The runs' mean ITL and TTFT are what the loop makes of the step times; the times that make the loop give the
# measured means are found by least squares of log errors.


# ITL and TTFT [s] of each of the runs, by some model of the loop.
Loop = Callable[[LinearSteps, Sequence[Run]], tuple[FloatArray, FloatArray]]

_FEWEST = 2  # loads: a step's own time and a sequence's cannot be told apart at one
_TTFT_WEIGHT = 0.5  # client and network are in it
_LEAST_S = 1e-9
# Simulated means have steps of their own size: finer differences and tolerances only follow those.
_SEARCH = {"diff_step": 1e-3, "xtol": 1e-5, "ftol": 1e-7, "max_nfev": 60}


def closed_form(engine: EngineOptions) -> Loop:
    """The closed form's means of runs on an engine with these settings."""

    def loop(steps: LinearSteps, runs: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
        lengths = Lengths(
            isl_tokens=np.array([run.isl_tokens for run in runs]),
            osl_tokens=np.array([run.osl_tokens for run in runs]),
        )
        concurrency = np.array([run.concurrency or 1.0 for run in runs])
        slots = np.array([run.requests_per_slot or np.inf for run in runs])
        times = linear_loop(steps, engine, (lengths, concurrency), slots)
        return times.itl_s[:, 0], times.ttft_s[:, 0]

    return loop


def fit_steps(runs: Sequence[Run], loop: Loop) -> LinearSteps:
    """The step times that explain the runs best.

    Raises InputError where they lack ITL or TTFT, or were all measured at one concurrency.
    """
    usable = [run for run in runs if run.concurrency and run.itl.mean_s and run.ttft.mean_s]
    loads = {run.concurrency for run in usable}
    if len(loads) < _FEWEST:
        raise InputError(
            f"{len(usable)} runs with ITL and TTFT at {len(loads)} concurrencies; step times need runs at "
            "two or more, such as 1 and 16"
        )
    itl = np.array([run.itl.mean_s for run in usable], dtype=np.float64)
    ttft = np.array([run.ttft.mean_s for run in usable], dtype=np.float64)

    def residuals(logs: FloatArray) -> FloatArray:
        said = loop(_steps(logs), usable)
        off: FloatArray = np.concatenate([np.log(said[0] / itl), _TTFT_WEIGHT * np.log(said[1] / ttft)])
        return off

    lengths = {(round(run.isl_tokens), round(run.osl_tokens)) for run in usable}
    start = _start(usable)[: 5 if len(lengths) > 1 else 4]  # at one length the cache's part cannot be seen
    found = least_squares(residuals, start, loss="soft_l1", f_scale=0.1, **_SEARCH)
    return _steps(found.x)


def _start(runs: Sequence[Run]) -> FloatArray:
    """First guesses as logs: the least loaded run is a step, its TTFT a prompt."""
    first = min(runs, key=lambda run: run.concurrency or 1.0)
    step, prompt = first.itl.mean_s or 1e-2, first.ttft.mean_s or 1e-1
    per_key = 0.02 * step / first.isl_tokens
    return np.log([0.8 * step, 0.05 * step, 0.8 * prompt / first.isl_tokens, 0.1 * prompt, per_key])


def _steps(logs: FloatArray) -> LinearSteps:
    values = [float(value) for value in np.exp(np.clip(logs, np.log(_LEAST_S), 10.0))]
    names = ("step_s", "seq_s", "token_s", "request_s", "key_s")
    return LinearSteps(**dict(zip(names, values, strict=False)))


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
    pass  # scipy is an extra

    def loop(steps: LinearSteps, measured: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
        once = cache(lambda asked: predicted_loop(steps, engine, asked))
        means = [once(LoopQuestion.of(run)) for run in measured]
        return np.array([mean.itl_s for mean in means]), np.array([mean.ttft_s for mean in means])

    return fit_steps(runs, loop)
