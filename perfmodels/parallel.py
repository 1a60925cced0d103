"""How one replica splits a model over GPUs: one plan, or many plans as arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from perfmodels.arrays import FloatArray, FloatLike


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelPlan:
    """One replica's split. Group sizes, dimensionless, >= 1."""

    tp: int = 1  # tensor parallel: attention and dense layers
    pp: int = 1  # pipeline stages
    attn_dp: int = 1  # data-parallel attention ranks
    moe_tp: int = 1  # tensor parallel inside an expert
    ep: int = 1  # expert parallel

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value < 1:
                raise ValueError(f"{item.name} must be at least 1, got {value}")
        splits_experts = self.moe_tp * self.ep > 1
        if splits_experts and self.tp * self.attn_dp != self.moe_tp * self.ep:
            raise ValueError(
                "attention and expert groups must cover the same GPUs: "
                f"tp*attn_dp = {self.tp}*{self.attn_dp} but moe_tp*ep = {self.moe_tp}*{self.ep}"
            )

    @property
    def num_gpus(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp * self.attn_dp

    @property
    def label(self) -> str:
        """Short name as people write it: tp4, tp8pp2, dep16, tep8."""
        if self.attn_dp > 1 and self.tp * self.moe_tp == 1:
            base = f"dep{self.attn_dp}"
        elif self.attn_dp > 1:
            experts = f"mtp{self.moe_tp}" if self.moe_tp > 1 else ""
            base = f"tp{self.tp}dp{self.attn_dp}{experts}" + (f"ep{self.ep}" if self.ep > 1 else "")
        elif self.ep > 1:
            base = f"tep{self.ep}" if self.moe_tp == 1 else f"tp{self.tp}mtp{self.moe_tp}ep{self.ep}"
        else:
            base = f"tp{self.tp}"
        return base + (f"pp{self.pp}" if self.pp > 1 else "")


def expert_split(
    ranks: FloatLike,
    attn_dp: FloatLike,
    stated: tuple[FloatLike, FloatLike],
    *,
    moe: bool | NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """How experts are split where that is not stated: (tensor parallel inside an expert, expert parallel).

    ranks is tp * attn_dp; stated is (moe_tp, ep), NaN where nothing is said; all of one shape. Data-parallel
    attention comes with expert parallelism over all ranks, tensor parallelism splits every expert. Models
    without experts have one of each, unless attention is data parallel.
    """
    ranks, attn_dp = np.asarray(ranks, dtype=np.float64), np.asarray(attn_dp, dtype=np.float64)
    moe_tp, ep = (np.asarray(size, dtype=np.float64) for size in stated)
    usual = np.where((attn_dp > 1) & np.isnan(moe_tp), ranks, 1.0)
    ep = np.where(np.isnan(ep), usual, ep)
    whole = np.asarray(moe) & (np.mod(ranks, np.maximum(ep, 1.0)) == 0)
    moe_tp = np.where(np.isnan(moe_tp), np.where(whole, ranks / np.maximum(ep, 1.0), 1.0), moe_tp)
    return moe_tp, ep


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArray:
    """Many plans side by side: every field an array of whole numbers of one common shape.

    Stored as float64, so that group sizes enter formulas without conversion.
    """

    tp: FloatArray
    pp: FloatArray
    attn_dp: FloatArray
    moe_tp: FloatArray
    ep: FloatArray

    @classmethod
    def of(cls, plans: Iterable[ParallelPlan]) -> "PlanArray":
        """Arrays of shape [n] from n plans."""
        rows = list(plans)
        return cls(**{
            item.name: np.array([getattr(plan, item.name) for plan in rows], dtype=np.float64)
            for item in fields(cls)
        })  # fmt: skip

    @classmethod
    def joined(cls, arrays: Sequence["PlanArray"]) -> "PlanArray":
        """The plans of all, in order."""
        return cls(
            **{f.name: np.concatenate([getattr(item, f.name) for item in arrays]) for f in fields(cls)}
        )

    @property
    def num_gpus(self) -> FloatArray:
        """GPUs of one replica."""
        return self.tp * self.pp * self.attn_dp

    @property
    def lanes(self) -> FloatArray:
        """Independent request streams in a replica: attention-DP ranks times pipeline stages.

        A full pipeline keeps `pp` micro-batches in flight, each seeing the whole model's latency.
        """
        return self.attn_dp * self.pp

    def expand(self) -> "PlanArray":
        """The same plans with a trailing axis of length one, to broadcast against loads."""
        return PlanArray(**{f.name: getattr(self, f.name)[..., None] for f in fields(self)})

    def take(self, index: NDArray[np.intp]) -> "PlanArray":
        """The plans at `index`."""
        return PlanArray(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def plan(self, index: int) -> ParallelPlan:
        """One row as a ParallelPlan."""
        return ParallelPlan(**{f.name: int(getattr(self, f.name)[index]) for f in fields(self)})
