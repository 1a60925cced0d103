"""A deployment: engines, their plans and how many of each."""

from dataclasses import dataclass, field
from typing import Literal

from perfmodels.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.engine import EngineOptions
from simkit.core.errors import InputError

Mode = Literal["agg", "disagg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Identical engines serving one role."""

    plan: ParallelPlan
    engine: EngineOptions
    replicas: int = 1

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise InputError(f"a pool needs at least one replica, got {self.replicas}")

    @property
    def num_gpus(self) -> int:
        """GPUs of all replicas."""
        return self.replicas * self.plan.num_gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """Every engine does prefill and decode."""

    worker: Pool
    precision: Precision = field(default_factory=Precision)
    mode: Mode = "agg"

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The pool."""
        return (self.worker,)

    @property
    def backend(self) -> str:
        """The engine family."""
        return self.worker.engine.backend

    @property
    def num_gpus(self) -> int:
        """GPUs in all."""
        return self.worker.num_gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Disaggregated:
    """Some engines prefill, others decode; KV cache moves between them."""

    prefill: Pool
    decode: Pool
    precision: Precision = field(default_factory=Precision)
    mode: Mode = "disagg"

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Prefill, then decode."""
        return (self.prefill, self.decode)

    @property
    def backend(self) -> str:
        """The engine family, that of the decode pool."""
        return self.decode.engine.backend

    @property
    def num_gpus(self) -> int:
        """GPUs in all."""
        return self.prefill.num_gpus + self.decode.num_gpus


Deployment = Aggregated | Disaggregated
