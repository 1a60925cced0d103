"""A deployment: engines, their plans and how many of each; plans by their short names (`2xtp4`, `dep16`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan, expert_split
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError

# --- The short names of plans, read back: `tp4`, `2xtp8pp2`, `dep16`, `tep8`, `tp2dp4ep8`.


_PATTERN = re.compile(
    r"(?:(?P<count>\d+)\s*[x*])?\s*(?:(?P<kind>dep|tep)(?P<width>\d+)|tp(?P<tp>\d+)(?:dp(?P<dp>\d+))?"
    r"(?:mtp(?P<moe_tp>\d+))?(?:ep(?P<ep>\d+))?)(?:pp(?P<pp>\d+))?",
    re.IGNORECASE,
)


def parse_layout(text: str, *, moe: bool = False) -> tuple[int, ParallelPlan]:
    """Number of workers and the plan of each.

    moe: experts are split by tensor parallelism unless the text says how. Raises InputError.
    """
    match = _PATTERN.fullmatch(text.strip())
    if not match:
        raise InputError(
            f"layout {text!r} is not understood; write it like tp4, 2xtp8, dep16, tep8 or tp2dp4ep8"
        )
    part = {name: int(value) for name, value in match.groupdict().items() if value and name != "kind"}
    pp = part.get("pp", 1)
    try:
        plan = _plan(match["kind"], part, pp, moe=moe)
    except ValueError as error:
        raise InputError(f"layout {text!r}: {error}") from error
    return part.get("count", 1), plan


def _plan(kind: str | None, part: dict[str, int], pp: int, *, moe: bool) -> ParallelPlan:
    if kind and kind.lower() == "dep":
        return ParallelPlan(attn_dp=part["width"], ep=part["width"], pp=pp)
    if kind:
        return ParallelPlan(tp=part["width"], ep=part["width"], pp=pp)
    tp, dp = part["tp"], part.get("dp", 1)
    stated = (part.get("moe_tp", np.nan), part.get("ep", np.nan))
    moe_tp, ep = expert_split(tp * dp, dp, stated, moe=moe)
    return ParallelPlan(tp=tp, attn_dp=dp, moe_tp=int(moe_tp), ep=int(ep), pp=pp)


Mode = Literal["agg", "disagg"]

# What the pools of a deployment do, in their order.
ROLES: Mapping[Mode, tuple[Role, ...]] = {"agg": ("aggregated",), "disagg": ("prefill", "decode")}


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
