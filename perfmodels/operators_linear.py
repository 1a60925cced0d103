"""Operators of layers whose past is a fixed-size state."""

from typing import Literal

import numpy as np

from perfmodels.dtypes import Precision, dtype
from perfmodels.opspec import Operator, gemm
from perfmodels.parallel import PlanArray
from perfmodels.shape import LinearAttention
from perfmodels.step import Step

_BF16 = dtype("bf16").bytes_per_element
_CHUNK_TOKENS = 64.0  # of the parallel form of a recurrence
_MEASURED_RECURRENCES = ("gdn", "kda")


def linear_operators(
    hidden: int, group: LinearAttention, precision: Precision, plan: PlanArray, step: Step
) -> list[Operator]:
    """A recurrent mixer: every token updates the state; decode reads and writes it once per step."""
    rows = np.asarray(step.tokens, dtype=np.float64)
    return [
        gemm("linear_in", group.num_layers, rows, (hidden, group.in_width / plan.tp), precision.gemm),
        _recurrence("prefill", group, plan, step),
        _recurrence("decode", group, plan, step),
        gemm("linear_out", group.num_layers, rows, (group.out_width / plan.tp, hidden), precision.gemm),
    ]


def _recurrence(
    phase: Literal["prefill", "decode"], group: LinearAttention, plan: PlanArray, step: Step
) -> Operator:
    """Decode reads and writes each state once; prefill once per chunk of the parallel form."""
    state = group.state_elements / plan.tp
    prefilling = phase == "prefill"
    tokens = np.asarray(step.prefill_tokens if prefilling else step.decode_tokens, dtype=np.float64)
    seqs = np.maximum(np.asarray(step.prefill_seqs, dtype=np.float64), 1.0) if prefilling else tokens
    passes = tokens / _CHUNK_TOKENS if prefilling else tokens
    mixed = tokens * group.out_width / plan.tp * 4.0 * _BF16
    return Operator(
        name=f"linear_{phase}", family="linear_prefill" if prefilling else "linear_decode",
        count=group.num_layers,
        flop=tokens * 6.0 * state, hbm_bytes=passes * 2.0 * 4.0 * state + mixed,
        variant=group.kind if group.kind in _MEASURED_RECURRENCES else "",
        dims={
            "seqs": seqs, "new_tokens": tokens / np.maximum(seqs, 1.0),
            "heads": group.num_heads / plan.tp, "conv_channels": group.conv_channels / plan.tp,
        },
    )  # fmt: skip
