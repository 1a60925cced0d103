"""What step times depend on besides the plan: model, formats, GPU, engine, measured residuals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from perfmodels.hardware import Device
from perfmodels.model.dtypes import Precision
from perfmodels.model.shape import ModelShape
from perfmodels.op_times.learned import LearnedTimes
from perfmodels.op_times.pricing import Pricing
from perfmodels.uncertainty.residual_gp import Kriging
from simkit.core.engine import EngineOptions

# --- The fitted residuals that an engine model carries.


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
    """The measured run that resembles a question most, the index-th of the runs fitted.

    resemblance is 1 for the very same, 0 for none.
    """

    label: str
    ttft_s: float
    itl_s: float
    resemblance: float
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Kriging of TTFT and ITL by metric, the variance of one measurement around either, and the runs."""

    models: Mapping[str, Kriging]
    noise: Mapping[str, float]
    runs: MeasuredRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineModel:
    """One engine serving one model on one kind of GPU: what step times depend on besides the plan.

    learned holds the operator models fitted on tables; without it times are shares of peak. residuals
    says how runs like it were mispredicted (None: nothing is known). weight_scale corrects counted weight
    bytes to those of the checkpoint at hand, where known.
    """

    shape: ModelShape
    precision: Precision
    device: Device
    engine: EngineOptions
    efficiency: Efficiency = field(default_factory=Efficiency)
    learned: LearnedTimes | None = None
    residuals: Residuals | None = None
    weight_scale: float = 1.0

    @property
    def pricing(self) -> Pricing:
        """Where operator times come from."""
        return Pricing(
            device=self.device,
            efficiency=self.efficiency,
            learned=self.learned,
            captured=self.engine.cuda_graphs,
        )
