"""Where a deployment stands among measured ones, and what that says about its prediction."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.shape import ModelShape
from perfmodels.parallel import PlanArray
from perfmodels.uncertainty.residual_gp import Levels, LocalKriging
from simkit.closed_form.aggregated_loop import LoopTimes, prefill_share
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.step_work import BATCH_GRID
from simkit.core.workload import Lengths
from simkit.engines.common import version_numbers
from simkit.engines.engine_model import METRICS, EngineModel, NearestRun, Residuals

# What TTFT is depends on who arrives when, the more so the more sequences an engine holds: by how much its
# doubt grows when they double (in logs), chosen by leaving groups and families out.
DOUBT_PER_DOUBLING = {"ttft": 0.12, "itl": 0.0}
_LOAD_UNIT = 2.2  # doublings of the load in one unit of its feature
_VALUES = ("ttft_factor", "itl_factor", "ttft_log_sd", "itl_log_sd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Multipliers of predicted latencies and the standard deviation of their logs; arrays of one shape."""

    ttft_factor: FloatArray
    itl_factor: FloatArray
    ttft_log_sd: FloatArray
    itl_log_sd: FloatArray


def family_of(shape: ModelShape) -> str:
    """A name for all models of one architecture, whatever they were trained on."""
    experts = max((getattr(group, "num_experts", 0) for group in shape.ffn), default=0)
    return f"{shape.architecture_class}-{shape.hidden_size}x{shape.num_layers}x{experts}"


def levels_of(model: EngineModel, mode: str) -> Levels:
    """The groups a deployment belongs to; mode is agg or disagg."""
    family, backend, gpu = family_of(model.shape), model.engine.backend, model.device.name
    version = "unknown"
    if model.engine.version:
        version = ".".join(str(number) for number in version_numbers(model.engine.version))
    formats = f"{model.precision.gemm}/{model.precision.moe}"
    here = f"{family}|{backend}|{mode}"
    return {
        "gpu": f"{backend}|{gpu}|{mode}",
        "family": family,
        "engine": here,
        "engine_gpu": f"{here}|{gpu}",
        "format": f"{here}|{gpu}|{formats}",
        "version": f"{here}|{version}",
        "deployment": f"{here}|{gpu}|{formats}|{version}",
    }


def features_of(plan: PlanArray, lengths: Lengths, load: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Dimensionless features [..., 7]; load is (sequences per lane, prefill share of time).

    One unit of each is about the distance at which two runs stop resembling each other.
    """

    def log2(value: FloatLike) -> FloatArray:
        return np.log2(np.asarray(value, dtype=np.float64))

    columns = (
        log2(load[0]) / _LOAD_UNIT,
        log2(lengths.isl_tokens) / 1.5,
        log2(lengths.osl_tokens) / 1.5,
        log2(plan.tp * plan.attn_dp) / 1.5,
        (plan.ep > 1) * 1.0,
        (plan.attn_dp > 1) * 1.0,
        load[1] / 0.3,
    )
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def corrected_ttft_s(
    ttft_s: FloatArray, queued_s: tuple[FloatLike, FloatLike], factors: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """TTFT, or the waiting in it, by the factors of TTFT and ITL.

    queued_s is (waiting for engines that only prefill, for a place to decode): how long a queue is, a factor
    of single requests does not tell; a place is free when another request has decoded.
    """
    queue_s, room_s = queued_s
    own_s = ttft_s - queue_s - room_s
    corrected: FloatArray = own_s * factors[0] + queue_s + room_s * factors[1]
    return corrected


def correction(residuals: Residuals, levels: Levels, features: FloatArray) -> Correction:
    """What the measured runs nearest to `features` [n, d] say."""
    found = {}
    for name in METRICS:
        near = residuals.models[name].at(levels)
        noise = residuals.noise[name]
        found[f"{name}_factor"], found[f"{name}_log_sd"] = factor_at(near, features, noise, name)
    return Correction(**found)


def factor_at(
    near: LocalKriging, features: FloatArray, noise: float, metric: str
) -> tuple[FloatArray, FloatArray]:
    """What to multiply a prediction of `metric` by at `features` [n, d], and the standard deviation of its
    log [n].

    noise: variance of one measurement.
    """
    doublings = _LOAD_UNIT * features[:, 0]
    spread: FloatArray = np.sqrt(near.variance(features) + noise)
    return np.exp(-near.mean(features)), spread * np.exp(DOUBT_PER_DOUBLING[metric] * doublings)


def nearest_run(residuals: Residuals, levels: Levels, features: FloatArray) -> NearestRun | None:
    """The measured run most like a question at `features` [d]; None where none shares anything."""
    alike = residuals.models["itl"].resemblance(levels, features)
    best = int(np.argmax(alike))
    if alike[best] <= 0:
        return None
    runs = residuals.runs
    return NearestRun(
        label=runs.labels[best],
        ttft_s=float(runs.ttft_s[best]),
        itl_s=float(runs.itl_s[best]),
        resemblance=float(alike[best]),
        index=best,
    )


class Corrections:
    """Corrections of every plan over BATCH_GRID, worked out where they are asked for and kept.

    Between points of the grid they are linear in the log of the batch; beyond it they stay as at its edge.
    """

    def __init__(self, model: EngineModel, mode: str, times: PhaseTimes, lengths: Lengths) -> None:
        """times [rows]: the pool that decodes. Raises ValueError where the model carries no residuals."""
        if model.residuals is None:
            raise ValueError("corrections need the residuals of measured runs")
        self._residuals, self._levels = model.residuals, levels_of(model, mode)
        self._features = grid_features(mode, times, lengths)
        self._known = np.zeros(self._features.shape[:2], dtype=bool)
        self._values = np.ones((len(_VALUES), *self._known.shape))
        self._plans = np.arange(len(self._known))

    def take(self, index: NDArray[np.intp]) -> "Corrections":
        """Those of the plans at `index`; what either works out the other knows."""
        part = copy(self)
        part._plans = self._plans[index]
        return part

    def at(self, batch: FloatArray, rows: NDArray[np.intp] | None = None) -> Correction:
        """Corrections at `batch` [n, loads] sequences a lane; rows [n] says which plan each row has."""
        places = self._plans[np.arange(len(batch)) if rows is None else rows][:, None]
        right, share = grid_place(batch)
        self._work_out(places, right, share)
        below, above = self._values[:, places, right - 1], self._values[:, places, right]
        return Correction(**dict(zip(_VALUES, below + share * (above - below), strict=True)))

    def applied(self, loop: LoopTimes, rows: NDArray[np.intp] | None = None) -> LoopTimes:
        """The latencies of `loop` times their factors, and how unsure they are."""
        found = self.at(loop.batch, rows)
        queued, factors = (loop.queue_s, loop.room_s), (found.ttft_factor, found.itl_factor)
        return replace(
            loop,
            ttft_s=corrected_ttft_s(loop.ttft_s, queued, factors),
            waiting_s=corrected_ttft_s(loop.waiting_s, queued, factors),
            itl_s=loop.itl_s * found.itl_factor,
            ttft_log_sd=found.ttft_log_sd,
            itl_log_sd=found.itl_log_sd,
        )

    def _work_out(self, rows: NDArray[np.intp], right: NDArray[np.intp], share: FloatArray) -> None:
        """Points of the grid that are asked for; at one of them (share 1) the point below is not."""
        asked = np.zeros_like(self._known)
        asked[rows, right] = True
        asked[np.broadcast_to(rows, right.shape)[share < 1.0], right[share < 1.0] - 1] = True
        missing = asked & ~self._known
        if missing.any():
            found = correction(self._residuals, self._levels, self._features[missing])
            self._values[:, missing] = [getattr(found, name) for name in _VALUES]
            self._known |= missing


def grid_features(mode: str, times: PhaseTimes, lengths: Lengths) -> FloatArray:
    """Features of every plan of `times`, the one that decodes, over BATCH_GRID [rows, grid, d]."""
    batch = np.broadcast_to(BATCH_GRID, times.decode_s.shape)
    share = prefill_share(times, batch, lengths) if mode == "agg" else np.zeros(batch.shape)
    return features_of(times.plan.expand(), _column(lengths), (batch, share))


def grid_place(batch: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Where batches lie on BATCH_GRID: the point above, and how far between the one below and it, in logs."""
    held = np.clip(batch, BATCH_GRID[0], BATCH_GRID[-1])
    right = np.clip(np.searchsorted(BATCH_GRID, held), 1, len(BATCH_GRID) - 1)
    share = np.log(held / BATCH_GRID[right - 1]) / np.log(BATCH_GRID[right] / BATCH_GRID[right - 1])
    return right, share


def corrections_of(model: EngineModel, mode: str, times: PhaseTimes, lengths: Lengths) -> Corrections | None:
    """Corrections for every plan of `times`, the one that decodes; None where nothing is known."""
    return None if model.residuals is None else Corrections(model, mode, times, lengths)


def _column(lengths: Lengths) -> Lengths:
    def expanded(value: FloatLike) -> FloatLike:
        array = np.asarray(value, dtype=np.float64)
        return array[:, None] if array.ndim else array

    return Lengths(isl_tokens=expanded(lengths.isl_tokens), osl_tokens=expanded(lengths.osl_tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHabits:
    """What measured runs say of an engine, for the simulator, which runs it step by step.

    decode_factor [batches]: what decode steps of so many sequences take over what they are computed to;
    first_token_factor: the same of the TTFT of a request that is alone.
    """

    decode_factor: FloatArray
    first_token_factor: float


def engine_habits(
    model: EngineModel, mode: str, times: PhaseTimes, lengths: Lengths, batch: FloatArray
) -> EngineHabits | None:
    """Habits of the one engine of `times`, which decodes, at `batch` sequences; None: nothing is known."""
    known = corrections_of(model, mode, times, lengths)
    if known is None:
        return None
    return EngineHabits(
        decode_factor=known.at(batch[None, :]).itl_factor[0],
        first_token_factor=float(known.at(np.ones((1, 1))).ttft_factor[0, 0]),
    )
