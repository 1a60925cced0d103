"""Operators of one mixture-of-experts group: routing, exchange of tokens, experts."""

from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.shape import MoeFfn
from perfmodels.op_times.families.moe import UNGATED, moe_variant
from perfmodels.operators.record import Operator, gemm
from perfmodels.parallel import PlanArray
from perfmodels.step import Step

_BF16 = dtype("bf16").bytes_per_element

# How tokens spread over the experts of trained models in the measured tables: by a power law.
LOAD = "power_law_1.2"
# Share by which the busiest expert rank exceeds the mean where no table says it.
_IMBALANCE_PER_DOUBLING = 0.08


def expected_experts_hit(num_experts: float, top_k: float, tokens: FloatLike) -> FloatArray:
    """How many distinct experts at least one of `tokens` reaches under even routing.

    E(1 - (1 - k/E)^T): each token misses a given expert with probability 1 - k/E.
    """
    miss = np.log1p(-min(top_k / num_experts, 1 - 1e-12))
    hit: FloatArray = num_experts * -np.expm1(np.asarray(tokens, dtype=np.float64) * miss)
    return hit


def expert_imbalance(ep: FloatLike) -> FloatArray:
    """Time of the busiest expert rank over the mean, 1 without expert parallelism."""
    factor: FloatArray = 1.0 + _IMBALANCE_PER_DOUBLING * np.log2(np.asarray(ep, dtype=np.float64))
    return factor


def moe_operators(
    hidden: int, group: MoeFfn, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """All operators of the group's layers. Tokens of all attention-DP ranks meet in the experts."""
    rows = np.asarray(step.tokens, dtype=np.float64)
    operators = [
        gemm("moe_router", group.num_layers, rows, (hidden, group.num_experts), "bf16"),
        _experts(hidden, group, precision, plan, rows * plan.attn_dp),
        *_exchange(hidden, group, plan, rows),
    ]
    if group.shared_intermediate_size:
        operators += _shared(hidden, group, precision, plan, rows)
    if group.latent_size:
        operators.append(gemm("moe_latent", group.num_layers, rows, (hidden, 2 * group.latent_size), "bf16"))
    return operators


def _experts(
    hidden: int, group: MoeFfn, precision: Precision, plan: PlanArray, all_rows: FloatArray
) -> Operator:
    """Grouped GEMMs of the routed experts on one rank."""
    width = group.expert_width(hidden)
    inner = group.intermediate_size / plan.moe_tp
    assigned = all_rows * group.top_k / plan.ep
    touched = expected_experts_hit(group.num_experts, group.top_k, all_rows) / plan.ep
    weights = touched * group.matrices * width * inner * dtype(precision.moe).bytes_per_element
    moved = assigned * (2.0 * width + group.matrices * inner) * _BF16
    return Operator(
        name="moe_experts", family="moe", count=group.num_layers,
        flop=2.0 * assigned * group.matrices * width * inner,
        hbm_bytes=weights + moved, fmt=precision.moe,
        imbalance=expert_imbalance(plan.ep),
        variant=moe_variant(dtype(precision.moe).name, LOAD, UNGATED if group.matrices == 2 else ""),
        dims={
            "num_tokens": all_rows, "hidden": width, "inter": group.intermediate_size,
            "topk": group.top_k, "experts": group.num_experts, "moe_tp": plan.moe_tp, "ep": plan.ep,
        },
    )  # fmt: skip


def _exchange(hidden: int, group: MoeFfn, plan: PlanArray, rows: FloatArray) -> list[Operator]:
    """Under attention-DP tokens travel to their experts and back; each rank sends its own rows.

    A token goes to at most min(top_k, ep) ranks; gathering everything to everyone caps that.
    """
    width = group.expert_width(hidden)
    ranks = plan.moe_tp * plan.ep
    copies = np.minimum(np.minimum(group.top_k, plan.ep) * plan.moe_tp, ranks - 1)
    payload = np.where(plan.attn_dp > 1, rows * width * _BF16 * copies / plan.tp, 0.0)
    return [
        Operator(
            name=name, family="all_to_all", count=group.num_layers, wire_bytes=payload, group_size=ranks,
            variant="bf16", dims={"message_bytes": payload, "group": ranks},
        )
        for name in ("moe_dispatch", "moe_combine")
    ]  # fmt: skip


def _shared(
    hidden: int, group: MoeFfn, precision: Precision, plan: PlanArray, rows: FloatArray
) -> list[Operator]:
    """The shared expert: split by tp, replicated over attention-DP ranks."""
    inner = group.shared_intermediate_size / plan.tp
    up = (hidden, inner * (group.matrices - 1))
    return [
        replace(gemm(name, group.num_layers, rows, sizes, precision.gemm), beside="moe_experts")
        for name, sizes in (("shared_expert_up", up), ("shared_expert_down", (inner, hidden)))
    ]
