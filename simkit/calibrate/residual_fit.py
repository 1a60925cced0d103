"""Residuals of measured runs as random effects: their amplitudes, and predictions of runs left out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.residual_gp import Amplitudes, Kriging, group_left_out, solved
from simkit.calibrate.training import Fitted, TrainingRuns
from simkit.closed_form.residuals import corrected_ttft_s, factor_at
from simkit.engines.engine_model import KIN, LEVELS, METRICS

# Beyond these (in logs) a residual is a fault of the run, not of the model: it counts as this much.
CLIP = {"ttft": 2.0, "itl": 0.6}
SPLIT_CLIP = 0.7  # of TTFT where prefill stands apart: rows do not say how its pool was set up
_START = {"ttft": 0.12, "itl": 0.05}
_STEPS = (-1.0, -0.5, 0.5, 1.0)
_ROUNDS = 2
_LOWEST = -6.0
_TAILS = 3.0  # degrees of freedom of the error's distribution: runs disagree now and then by a lot
_PULL = 0.002
QUEUE_SD = 0.5  # how far off a predicted queue is, relative
_LEAST_SHARE = 0.1  # of TTFT that is not waiting for others


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualTuning:
    """Amplitudes by level, and the standard deviation of one run's noise."""

    amplitudes: Amplitudes
    noise: float


def residuals_of(runs: TrainingRuns, fitted: Fitted, metric: str) -> FloatArray:
    """log(predicted / measured), clipped; of TTFT what the factor of TTFT applies to."""
    predicted, measured = getattr(fitted, f"{metric}_s"), getattr(runs, f"{metric}_s")
    clip = np.full(len(runs), CLIP[metric])
    if metric == "ttft":
        predicted = predicted - fitted.queue_s - fitted.room_s
        measured = measured * _own_share(runs, fitted)
        clip = np.where(runs.names["mode"] == "disagg", SPLIT_CLIP, clip)
    clipped: FloatArray = np.clip(np.log(predicted / measured), -clip, clip)
    return clipped


def _own_share(runs: TrainingRuns, fitted: Fitted) -> FloatArray:
    """How much of the measured TTFT is no waiting for other engines or a place."""
    kept_s = fitted.queue_s + fitted.room_s * runs.itl_s / fitted.itl_s
    share: FloatArray = np.clip(1.0 - kept_s / runs.ttft_s, _LEAST_SHARE, 1.0)
    return share


def krige(
    runs: TrainingRuns, fitted: Fitted, metric: str, asked: tuple[ResidualTuning, np.ndarray]
) -> Kriging:
    """Kriging of one metric before it is solved; asked is (tuning, which runs to learn from)."""
    tuning, train = asked
    return Kriging(
        features=fitted.features[train],
        residuals=residuals_of(runs, fitted, metric)[train],
        noise=_noise(runs, fitted, metric, tuning)[train],
        codes={level: runs.codes[level][train] for level in LEVELS},
        vocabulary=runs.vocabulary,
        amplitudes=tuning.amplitudes,
        kin=KIN,
        weights=np.zeros(int(np.count_nonzero(train))),
    )


def _noise(runs: TrainingRuns, fitted: Fitted, metric: str, tuning: ResidualTuning) -> FloatArray:
    """Variance of every run's residual: the more of its TTFT is waiting for others, the less it tells."""
    single = tuning.noise**2 / runs.weight
    if metric != "ttft":
        return single
    share = _own_share(runs, fitted)
    queued = (fitted.queue_s + fitted.room_s) / (share * runs.ttft_s)
    noise: FloatArray = single / share**2 + (QUEUE_SD * queued) ** 2
    return noise


def tune(runs: TrainingRuns, fitted: Fitted, metric: str) -> ResidualTuning:
    """Amplitudes that predict best what is left out by split_group, by coordinate search.

    None exceeds where it starts: one level that explains everything is carried too far to new deployments.
    The score is the mean log density of left-out residuals under Student's t.
    """
    everything = np.ones(len(runs), dtype=bool)
    start = np.full(2 * len(LEVELS) + 1, np.log(_START[metric]))

    def loss(logs: FloatArray) -> float:
        model = krige(runs, fitted, metric, (_tuning(logs), everything))
        mean, variance = group_left_out(model, runs.names["split_group"])
        squares = (model.residuals - mean) ** 2 / variance
        density = -0.5 * np.log(variance) - 0.5 * (_TAILS + 1.0) * np.log1p(squares / _TAILS)
        score = float(np.average(density, weights=runs.weight))
        return -score + _PULL * float(np.sum((logs - start) ** 2))

    best, least = start, loss(start)
    for _ in range(_ROUNDS):
        for position in range(len(best)):
            for step in _STEPS:
                tried = best.copy()
                tried[position] = np.clip(tried[position] + step, _LOWEST, start[position])
                value = loss(tried)
                if value < least:
                    best, least = tried, value
    return _tuning(best)


def _tuning(logs: FloatArray) -> ResidualTuning:
    values = [float(f"{value:.4g}") for value in np.exp(logs)]
    pairs = {level: (values[2 * i], values[2 * i + 1]) for i, level in enumerate(LEVELS)}
    return ResidualTuning(amplitudes=pairs, noise=values[-1])


def corrected(
    runs: TrainingRuns,
    fitted: Fitted,
    tunings: Mapping[str, ResidualTuning],
    split: tuple[np.ndarray, np.ndarray],
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """(prediction [s], log standard deviation) by metric of the runs `held` from those in `train`.

    split is (train, held), masks; `fitted` must come from factors that did not see the held runs.
    """
    train, held = split
    models = {metric: solved(krige(runs, fitted, metric, (tunings[metric], train))) for metric in METRICS}
    noise = {metric: tunings[metric].noise ** 2 for metric in METRICS}
    return corrected_by(runs, fitted, (models, noise), np.flatnonzero(held))


def corrected_by(
    runs: TrainingRuns,
    fitted: Fitted,
    learned: tuple[Mapping[str, Kriging], Mapping[str, float]],
    rows: NDArray[np.intp],
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """(prediction [s], log standard deviation) by metric of the runs at `rows`.

    learned is what runs say of residuals, and the variance of one run around it, both by metric.
    """
    models, noise = learned
    codes = np.stack([runs.codes[level][rows] for level in LEVELS])
    found = {name: (getattr(fitted, f"{name}_s")[rows].copy(), np.zeros(len(rows))) for name in METRICS}
    for key in np.unique(codes, axis=1).T:
        members = np.flatnonzero(np.all(codes == key[:, None], axis=0))
        here, share = rows[members], fitted.share[rows[members]]
        levels = {name: runs.vocabulary[name][i] for name, i in zip(LEVELS, key, strict=True)}
        factors = {}
        for metric, (_, spread) in found.items():
            near = models[metric].at(levels)
            low, high = (
                factor_at(near, table[here], noise[metric], metric) for table in (fitted.below, fitted.above)
            )
            factors[metric] = low[0] + share * (high[0] - low[0])
            spread[members] = low[1] + share * (high[1] - low[1])
        queued = (fitted.queue_s[rows[members]], fitted.room_s[rows[members]])
        ttft, itl = found["ttft"][0], found["itl"][0]
        ttft[members] = corrected_ttft_s(ttft[members], queued, (factors["ttft"], factors["itl"]))
        itl[members] *= factors["itl"]
    return found
