"""Predictions of measured runs by models that have not seen them, whole groups left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from joblib import delayed

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from simkit.calibrate.factors import PULL, fit_engine
from simkit.calibrate.residual_fit import ResidualTuning, corrected
from simkit.calibrate.training import Fitted, TrainingRuns, predict_runs
from simkit.catalog.calibrations import FACTORS, artifact, efficiency, shipped_residuals
from simkit.engines.engine_model import METRICS
from simkit.io.beside import side_by_side

# What may be left out. A family is every model of one architecture and size: DeepSeek-R1 goes with -V3.
SCHEMES = ("split_group", "model", "family", "gpu", "engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Predictions [s] and log standard deviations of every run, by metric; arrays [runs]."""

    predicted: Mapping[str, FloatArray]
    log_sd: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What was fitted on all runs: where the fits of a scheme start, and the tunings and pulls they share."""

    factors: Mapping[str, Efficiency]
    tunings: Mapping[str, ResidualTuning]
    pull: FloatArray = field(default_factory=lambda: PULL)


def left_out(runs: TrainingRuns, scheme: str, whole: Whole, jobs: int = 2) -> LeftOut:
    """Leave every group of a scheme out in turn: refit the factors of its engines, then krige."""
    groups = runs.names[scheme]
    names = np.unique(groups)
    tasks = (delayed(_held_out)(runs, groups == name, whole) for name in names)
    predicted = {metric: np.full(len(runs), np.nan) for metric in METRICS}
    log_sd = {metric: np.full(len(runs), np.nan) for metric in METRICS}
    for held, found in side_by_side(jobs)(tasks):
        for metric, (value, spread) in found.items():
            predicted[metric][held] = value
            log_sd[metric][held] = spread
    return LeftOut(predicted=predicted, log_sd=log_sd)


def _held_out(
    runs: TrainingRuns, held: np.ndarray, whole: Whole
) -> tuple[np.ndarray, dict[str, tuple[FloatArray, FloatArray]]]:
    return held, without_group(runs, held, whole)[1]


def without_group(
    runs: TrainingRuns, held: np.ndarray, whole: Whole
) -> tuple[Fitted, dict[str, tuple[FloatArray, FloatArray]]]:
    """Predictions by factors refitted without the held runs, and the held ones corrected, by metric."""
    touched = set(runs.names["engine"][held])
    factors = {
        name: _without(runs, held, (name, whole)) if name in touched else kept
        for name, kept in whole.factors.items()
    }
    fitted = predict_runs(runs, factors)
    return fitted, corrected(runs, fitted, whole.tunings, (~held, held))


def _without(runs: TrainingRuns, held: np.ndarray, asked: tuple[str, Whole]) -> Efficiency:
    """An engine's factors without the held runs; an engine without runs has the priors."""
    backend, whole = asked
    return fit_engine(runs, backend, ~held, whole.factors[backend], whole.pull)


def sampled_errors(runs: TrainingRuns, whole: Whole, every: int = 8) -> dict[str, FloatArray]:
    """|predicted / measured - 1| by metric of every so-manieth group, each left out: a quick check."""
    groups = runs.names["split_group"]
    errors: dict[str, list[FloatArray]] = {metric: [] for metric in METRICS}
    for name in np.unique(groups)[::every]:
        held, found = _held_out(runs, groups == name, whole)
        for metric in METRICS:
            truth = getattr(runs, f"{metric}_s")[held]
            errors[metric].append(np.abs(found[metric][0] / truth - 1.0))
    return {metric: np.concatenate(parts) for metric, parts in errors.items()}


# --- What the shipped artifacts were fitted with: where repeated fits start, without tuning again.


def shipped_whole() -> Whole:
    """Factors and tunings of data/calibration."""
    residuals = shipped_residuals()
    tunings = {
        metric: ResidualTuning(
            amplitudes=residuals.models[metric].amplitudes, noise=float(residuals.noise[metric] ** 0.5)
        )
        for metric in METRICS
    }
    return Whole(
        factors={backend: efficiency(backend) for backend in artifact(FACTORS)["engines"]}, tunings=tunings
    )
