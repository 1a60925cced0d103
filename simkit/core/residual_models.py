"""The fitted residuals that an engine model carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfmodels.arrays import FloatArray
from perfmodels.kriging import Kriging

METRICS = ("ttft", "itl")
KIN = "engine"  # runs of one kind of model on one engine judge how sure a correction is
LEVELS = ("gpu", "family", "engine", "engine_gpu", "format", "version", "deployment")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRuns:
    """What the runs behind the residuals were, in their order: in words, and what they measured [runs]."""

    labels: Sequence[str]
    ttft_s: FloatArray
    itl_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestRun:
    """The measured run that resembles a question most; resemblance is 1 for the very same, 0 for none."""

    label: str
    ttft_s: float
    itl_s: float
    resemblance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Kriging of TTFT and ITL by metric, the variance of one measurement around either, and the runs."""

    models: Mapping[str, Kriging]
    noise: Mapping[str, float]
    runs: MeasuredRuns
