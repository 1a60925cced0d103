"""What step times depend on besides the plan: the model, its formats, the GPU, the engine."""

from dataclasses import dataclass, field

from perfmodels.device import Device
from perfmodels.dtypes import Precision
from perfmodels.efficiency import Efficiency
from perfmodels.learned import LearnedTimes
from perfmodels.pricing import Pricing
from perfmodels.shape import ModelShape
from simkit.core.engine import EngineOptions
from simkit.core.residual_models import Residuals


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
