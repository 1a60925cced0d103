"""A user's own runs as a calibration: what was measured over what was predicted, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.uncertainty.user_runs import ITL_PRIOR, TTFT_PRIOR, Locations, OwnRuns, log_features
from simkit.core.errors import InputError

_MOST_RUNS = 4_000  # what is solved grows with the square of them
PRIORS = {"ttft": TTFT_PRIOR, "itl": ITL_PRIOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One measured point: where it lies, and log(measured / predicted) by metric where it was measured.

    features are user_runs.FEATURES: load, lengths, predicted means [s], GPUs of an engine. doubts: how unsure
    each prediction was, as the standard deviation of its log, by metric.
    """

    features: tuple[float, ...]
    log_ratios: Mapping[str, float]
    doubts: Mapping[str, float]
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCalibration:
    """What a user's runs say; a metric that none of them measured stays as it is.

    path and sha256: the file it was read from and a hash of what that holds, empty where it was made here.
    """

    observations: tuple[Observation, ...]
    path: str = field(default="", compare=False)
    sha256: str = field(default="", compare=False)

    def of(self, metric: str) -> OwnRuns | None:
        """The fitted errors of one metric."""
        known = [item for item in self.observations if metric in item.log_ratios]
        if not known:
            return None
        ratios = np.array([item.log_ratios[metric] for item in known])
        points = Locations(
            features=log_features(np.array([item.features for item in known])),
            doubts=np.array([item.doubts[metric] for item in known]),
        )
        return OwnRuns(prior=PRIORS[metric], points=points, log_ratios=ratios)

    def belief(
        self, metric: str, features: FloatArray, shipped: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Expected log(measured / predicted) and its standard deviation at plain features [n, k].

        shipped [n]: how unsure the prediction is without own runs; far from all of them these know less.
        """
        fitted = self.of(metric)
        if fitted is None:
            return None
        mean, spread = fitted.correct(Locations(features=log_features(features), doubts=shipped))
        return mean, np.minimum(spread, shipped)


def calibration_of(observations: Sequence[Observation]) -> OwnCalibration:
    """A calibration. Raises InputError where there is nothing to calibrate with."""
    if not observations:
        raise InputError("no runs to calibrate with; measure at least one, three to ten are best")
    if len(observations) > _MOST_RUNS:
        raise InputError(
            f"{len(observations):,} runs to calibrate with are more than {_MOST_RUNS:,}; keep those of your "
            "own cluster"
        )
    return OwnCalibration(observations=tuple(observations))
