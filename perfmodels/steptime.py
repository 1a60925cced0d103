"""How long one engine iteration takes, operator by operator."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.collectives import (
    all_reduce_time_s,
    bounding_hop,
    exchange_hop,
    exchange_time_s,
    point_to_point_time_s,
)
from perfmodels.device import Device
from perfmodels.dtypes import dtype
from perfmodels.efficiency import Efficiency
from perfmodels.operators import Pass, forward_operators
from perfmodels.opspec import COMMUNICATION, Operator
from perfmodels.roofline import roofline_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds by operator (all calls of a step together) and in all; arrays of one shape."""

    by_operator: Mapping[str, FloatArray]
    total_s: FloatArray


def step_time(question: Pass, device: Device, efficiency: Efficiency) -> StepTime:
    """Time of one step on one lane [s].

    Operators run one after the other; nothing overlaps. Empty steps (no tokens) take no time.
    """
    by_name: dict[str, FloatArray] = {}
    for operator in forward_operators(question):
        time = operator.count * operator_time_s(operator, device, efficiency)
        by_name[operator.name] = by_name.get(operator.name, 0.0) + time
    tokens = np.asarray(question.step.tokens, dtype=np.float64)
    seqs = np.asarray(question.step.sampled, dtype=np.float64)
    by_name["engine_host"] = np.where(tokens > 0, efficiency.step_host_s + seqs * efficiency.seq_host_s, 0.0)
    total = np.zeros(np.broadcast_shapes(*(np.shape(value) for value in by_name.values())))
    for value in by_name.values():
        total = total + value
    return StepTime(by_operator=by_name, total_s=total)


def operator_time_s(operator: Operator, device: Device, efficiency: Efficiency) -> FloatArray:
    """Time of one call [s]."""
    if operator.family in COMMUNICATION:
        return _communication_time_s(operator, device, efficiency)
    compute_frac, memory_frac = _shares(operator.family, efficiency)
    bound = roofline_time_s(
        operator.flop,
        operator.hbm_bytes,
        peak_flop_per_s=device.peak(dtype(operator.fmt).compute) * compute_frac,
        peak_bytes_per_s=device.memory_bytes_per_s * memory_frac,
    )
    return np.where(bound > 0, bound * operator.imbalance + efficiency.call_s, 0.0)


def _shares(family: str, efficiency: Efficiency) -> tuple[float, float]:
    if family == "gemm":
        return efficiency.gemm_compute_frac, efficiency.memory_frac
    if family == "moe":
        return efficiency.moe_compute_frac, efficiency.memory_frac
    if family in ("attention_prefill", "linear_attention"):
        return efficiency.attention_compute_frac, efficiency.memory_frac
    if family == "attention_decode":
        return efficiency.attention_compute_frac, efficiency.attention_memory_frac
    return efficiency.gemm_compute_frac, efficiency.memory_frac


def _communication_time_s(operator: Operator, device: Device, efficiency: Efficiency) -> FloatArray:
    message = np.asarray(operator.wire_bytes) / efficiency.link_frac
    if operator.family == "p2p":
        inside = np.asarray(operator.dims["span"]) <= device.link_domain_gpus
        near, far = (point_to_point_time_s(message, link) for link in (device.intra_node, device.inter_node))
        return np.where(inside, near, far)
    if operator.family == "all_reduce":
        time = all_reduce_time_s(message, operator.group_size, bounding_hop(operator.group_size, device))
    else:
        time = exchange_time_s(message, operator.group_size, exchange_hop(operator.group_size, device))
    return np.where(time > 0, time + efficiency.collective_s, 0.0)
