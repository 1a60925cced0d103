"""The fitted residuals that an engine model carries."""

from collections.abc import Mapping
from dataclasses import dataclass

from perfmodels.kriging import Kriging

METRICS = ("ttft", "itl")
KIN = "engine"  # runs of one kind of model on one engine judge how sure a correction is
LEVELS = ("gpu", "family", "engine", "engine_gpu", "format", "version", "deployment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Kriging of TTFT and ITL by metric, and the variance of one measurement around either."""

    models: Mapping[str, Kriging]
    noise: Mapping[str, float]
