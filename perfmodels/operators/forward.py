"""One forward pass as named operators with their FLOP, HBM bytes and wire bytes per GPU.

Quantities are per call; `count` is how often a step calls the operator (usually the layers of the
group). Arrays broadcast over plans and steps. A GEMM of M rows, K inputs and N outputs does 2MNK
FLOP and moves its weights once plus M(K+N) activations.
"""

from itertools import chain

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.model.dtypes import dtype
from perfmodels.model.shape import DenseFfn, ModelShape, MoeFfn
from perfmodels.op_times.families import FAMILIES
from perfmodels.operators.attention import attention_operators
from perfmodels.operators.moe import moe_operators
from perfmodels.operators.record import Operator, gemm
from perfmodels.parallel import PlanArray
from perfmodels.step import Pass, Step

__all__ = ["Pass", "forward_operators"]

ACTIVATION_BYTES = dtype("bf16").bytes_per_element


def forward_operators(question: Pass) -> list[Operator]:
    """Every operator of one step, in order of execution."""
    shape, plan, step = question.shape, question.plan, question.step
    return [
        _embedding(shape, plan, step),
        *chain.from_iterable(
            attention_operators(shape.hidden_size, group, question.precision, plan, step)
            for group in shape.attention
        ),
        *chain.from_iterable(_ffn(question, group) for group in shape.ffn),
        _norms(shape, step),
        *_tensor_parallel_traffic(shape, plan, step),
        _pipeline_traffic(shape, plan, step),
        _head(shape, plan, step),
        *chain.from_iterable(family.calls(question) for family in FAMILIES.values() if family.calls),
    ]


def _ffn(question: Pass, group: DenseFfn | MoeFfn) -> list[Operator]:
    if isinstance(group, MoeFfn):
        return moe_operators(
            question.shape.hidden_size, group, question.precision, question.plan, question.step
        )
    hidden, rows, tp = question.shape.hidden_size, question.step.tokens, question.plan.tp
    width = group.intermediate_size / tp
    fmt = question.precision.gemm
    up = gemm("ffn_up", group.num_layers, rows, (hidden, width * (group.matrices - 1)), fmt)
    down = gemm("ffn_down", group.num_layers, rows, (width, hidden), fmt)
    moved = np.asarray(rows) * width * group.matrices * ACTIVATION_BYTES
    act = Operator(name="ffn_activation", family="elementwise", count=group.num_layers, hbm_bytes=moved)
    return [up, act, down]


def _embedding(shape: ModelShape, plan: PlanArray, step: Step) -> Operator:
    moved = 2 * np.asarray(step.tokens) * shape.hidden_size * ACTIVATION_BYTES
    return Operator(name="embedding", family="elementwise", count=1, hbm_bytes=moved + 0.0 * plan.tp)


def _head(shape: ModelShape, plan: PlanArray, step: Step) -> Operator:
    return gemm("output_head", 1, step.sampled, (shape.hidden_size, shape.vocab_size / plan.tp), "bf16")


def _norms(shape: ModelShape, step: Step) -> Operator:
    """Two fused residual-add-and-normalise per layer: read and write two streams each."""
    moved = 4 * np.asarray(step.tokens) * shape.hidden_size * ACTIVATION_BYTES
    return Operator(name="norms", family="elementwise", count=2 * shape.num_layers, hbm_bytes=moved)


def _tensor_parallel_traffic(shape: ModelShape, plan: PlanArray, step: Step) -> list[Operator]:
    """Sums of partial results: after attention, and after feed-forward layers split by tp.

    An expert layer under attention-DP exchanges tokens instead (operators_moe).
    """
    payload = np.asarray(step.tokens) * shape.hidden_size * ACTIVATION_BYTES
    attention_layers = sum(group.num_layers for group in shape.attention)
    dense_layers = sum(g.num_layers for g in shape.ffn if isinstance(g, DenseFfn))
    expert_layers = sum(g.num_layers for g in shape.ffn if isinstance(g, MoeFfn))
    after_experts = np.where((plan.attn_dp == 1) & (plan.moe_tp * plan.ep > 1), 1.0, 0.0)
    return [
        _all_reduce("attention_all_reduce", attention_layers, payload, plan.tp),
        _all_reduce("ffn_all_reduce", dense_layers, payload, plan.tp),
        _all_reduce("moe_all_reduce", expert_layers, payload * after_experts, plan.tp),
    ]


def _all_reduce(name: str, count: int, payload: FloatLike, group: FloatLike) -> Operator:
    return Operator(
        name=name, family="all_reduce", count=count, wire_bytes=np.asarray(payload), group_size=group,
        variant="graph", dims={"message_bytes": payload, "group": group},
    )  # fmt: skip


def _pipeline_traffic(shape: ModelShape, plan: PlanArray, step: Step) -> Operator:
    """Activations handed from stage to stage; the whole engine's width says which link carries them."""
    payload: FloatArray = np.asarray(step.tokens) * shape.hidden_size * ACTIVATION_BYTES / plan.tp
    return Operator(
        name="pipeline_send",
        family="p2p",
        count=1,
        wire_bytes=payload * (plan.pp - 1),
        group_size=plan.pp,
        dims={"span": plan.num_gpus},
    )
