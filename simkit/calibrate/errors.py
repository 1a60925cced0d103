"""How far left-out predictions were off: quantiles for intervals, scores, coverage."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.intervals import ErrorModel, fit_error_model
from simkit.calibrate.left_out import LeftOut
from simkit.calibrate.training import TrainingRuns
from simkit.closed_form.estimates import log_spreads
from simkit.core.estimate import LATENCIES

# At home only the deployment is new; beyond, the family, the GPU or the engine.
_HOME = {"split_group": 1.0}
_BEYOND = {"family": 0.5, "gpu": 0.25, "engine": 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One metric of every run: predicted [s], measured [s], the prediction's own log sd."""

    predicted: FloatArray
    measured: FloatArray
    log_sd: FloatArray

    @property
    def error(self) -> FloatArray:
        """|predicted / measured - 1|."""
        return np.abs(self.predicted / self.measured - 1.0)


def samples(runs: TrainingRuns, found: LeftOut) -> dict[str, Sample]:
    """TTFT, ITL and request latency of every run."""
    decodes = runs.osl_tokens - 1.0
    ttft, itl = found.predicted["ttft"], found.predicted["itl"]
    e2e = ttft + decodes * itl
    spreads = log_spreads((ttft, itl, e2e), (found.log_sd["ttft"], found.log_sd["itl"]))
    measured = (runs.ttft_s, runs.itl_s, runs.ttft_s + decodes * runs.itl_s)
    return {
        name: Sample(predicted=value, measured=truth, log_sd=spread)
        for name, value, truth, spread in zip(LATENCIES, (ttft, itl, e2e), measured, spreads, strict=True)
    }


def group_weights(runs: TrainingRuns) -> FloatArray:
    """One over the runs of each run's split_group."""
    _, position, count = np.unique(runs.names["split_group"], return_inverse=True, return_counts=True)
    weights: FloatArray = 1.0 / count[position]
    return weights


def error_model(runs: TrainingRuns, found: Mapping[str, LeftOut], metric: str) -> ErrorModel:
    """Quantiles at home, and beyond it."""
    home, away = (_quantiles(runs, found, metric, weights) for weights in (_HOME, _BEYOND))
    return replace(home, beyond_ratios=away.log_ratios)


def _quantiles(
    runs: TrainingRuns, found: Mapping[str, LeftOut], metric: str, schemes: Mapping[str, float]
) -> ErrorModel:
    """Over all schemes, each group counting alike and each scheme by its weight."""
    rows = [samples(runs, found[scheme])[metric] for scheme in schemes]
    weights = np.concatenate([share * group_weights(runs) for share in schemes.values()])
    return fit_error_model(
        np.concatenate([row.predicted for row in rows]),
        np.concatenate([row.measured for row in rows]),
        weights,
        np.concatenate([row.log_sd for row in rows]),
    )


def at_home(runs: TrainingRuns, scheme: str) -> NDArray[np.bool_]:
    """Which runs count as measured while their group is left out: their family, GPU and engine stay."""
    if scheme != "model":
        return np.full(len(runs), scheme in _HOME)
    models: defaultdict[str, set[str]] = defaultdict(set)
    for family, name in zip(runs.names["family"], runs.names["model"], strict=True):
        models[family].add(name)
    return np.array([len(models[family]) > 1 for family in runs.names["family"]])


def bounds(sample: Sample, model: ErrorModel, home: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """The 90 % interval of every run; home [runs]: which of them count as measured."""
    here, away = (kind.interval(sample.predicted, log_sd=sample.log_sd) for kind in (model, model.beyond()))
    low, high = (np.where(home, *pair) for pair in zip(here, away, strict=True))
    return low, high


def inside(sample: Sample, model: ErrorModel, home: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which measurements lie in the 90 % interval."""
    low, high = bounds(sample, model, home)
    held: NDArray[np.bool_] = (sample.measured >= low) & (sample.measured <= high)
    return held


def coverage(runs: TrainingRuns, found: LeftOut, metric: str, folds: int = 5) -> float:
    """Share of runs inside intervals made from the errors of other groups of the same scheme."""
    sample = samples(runs, found)[metric]
    names = np.unique(runs.names["split_group"])
    order = np.random.default_rng(7).permutation(len(names)) % folds
    fold = order[np.searchsorted(names, runs.names["split_group"])]
    hits = np.zeros(len(runs), dtype=bool)
    for number in range(folds):
        others, here = fold != number, fold == number
        model = fit_error_model(
            sample.predicted[others],
            sample.measured[others],
            group_weights(runs)[others],
            sample.log_sd[others],
        )
        hits[here] = inside(sample, model, np.ones(len(runs), dtype=bool))[here]
    return float(np.mean(hits))
