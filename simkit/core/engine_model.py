"""What step times depend on besides the plan: the model, its formats, the GPU, the engine."""

from dataclasses import dataclass, field

from perfmodels.device import Device
from perfmodels.dtypes import Precision
from perfmodels.efficiency import Efficiency
from perfmodels.shape import ModelShape
from simkit.core.engine import EngineOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineModel:
    """One engine serving one model on one kind of GPU: what step times depend on besides the plan.

    weight_scale corrects counted weight bytes to those of the checkpoint at hand, where known.
    """

    shape: ModelShape
    precision: Precision
    device: Device
    engine: EngineOptions
    efficiency: Efficiency = field(default_factory=Efficiency)
    weight_scale: float = 1.0
