"""What one call of an operator costs: learned from tables where they reach, else a share of peak."""

from dataclasses import dataclass, field

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.efficiency import Efficiency
from perfmodels.hardware import Device, roofline_time_s
from perfmodels.model.dtypes import dtype
from perfmodels.op_times.comm import learned_exchange_s, plain_exchange_s
from perfmodels.op_times.families import FAMILIES, kind_of
from perfmodels.op_times.family import light_time_s
from perfmodels.op_times.grid import BoolArray
from perfmodels.op_times.learned import LearnedTimes
from perfmodels.operators.record import Operator

_OFTEN_HELD = 0.1  # share of a model's knots held to its siblings from which answers say so


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Where times come from: the device, the engine's factors, and the learned models (None: none).

    captured: decode steps run as CUDA graphs; without, every kernel is launched by the host.
    """

    device: Device
    efficiency: Efficiency = field(default_factory=Efficiency)
    learned: LearnedTimes | None = None
    captured: bool = True


def operator_time_s(operator: Operator, pricing: Pricing) -> FloatArray:
    """Time of one call before the engine's scales [s]; zero where it has no work."""
    time = _learned_time_s(operator, pricing)
    if time is None:
        time = _plain_time_s(operator, pricing)
    return np.where(has_work(operator), time, 0.0)


def operator_light_s(operator: Operator, device: Device) -> FloatArray:
    """Least time of one call [s]: its arithmetic, or weights and cache read once; zero if not known."""
    family = FAMILIES.get(operator.family)
    if family is None or family.kind == "comm" or not operator.variant:
        return np.zeros(())
    variant = kernel_variant(operator, device)
    light = light_time_s(family.work(operator.dims, variant), family.compute(variant), device)
    return np.where(has_work(operator), light, 0.0)


def has_work(operator: Operator) -> BoolArray:
    """Where an operator does anything at all."""
    work: FloatArray = (
        np.asarray(operator.flop) + np.asarray(operator.hbm_bytes) + np.asarray(operator.wire_bytes)
    )
    peers = np.asarray(operator.group_size) > (1 if kind_of(operator.family) == "comm" else 0)
    return (work > 0) & peers


def source(operator: Operator, pricing: Pricing) -> str:
    """Where the time comes from: '' its own table, else what stands in, in a few words."""
    family = FAMILIES.get(operator.family)
    if family is None or pricing.learned is None or not operator.variant:
        return "share of peak"
    variant = kernel_variant(operator, pricing.device)
    pick = pricing.learned.pick(family, variant)
    if pick is None:
        return "share of peak"
    if pick.reason:
        return pick.reason
    if not np.all(pricing.learned.inside(family, variant, operator.dims)):
        return "beyond the measured sizes"
    return "measured, held to siblings" if pick.model.held_knots > _OFTEN_HELD else ""


def _learned_time_s(operator: Operator, pricing: Pricing) -> FloatArray | None:
    family = FAMILIES.get(operator.family)
    if family is None or pricing.learned is None or not operator.variant:
        return None
    if kind_of(operator.family) == "comm":
        return learned_exchange_s(operator, pricing.device, pricing.learned)
    return pricing.learned.time_s(family, kernel_variant(operator, pricing.device), operator.dims)


def kernel_variant(operator: Operator, device: Device) -> str:
    """The variant engines run on this GPU: MXFP4 experts take 8-bit inputs where FP4 units exist."""
    kind, slash, load = operator.variant.partition("/")
    if kind == "mxfp4" and device.compute_format("fp4") == "fp4":
        return f"mxfp4_mxfp8{slash}{load}"
    return operator.variant


def _plain_time_s(operator: Operator, pricing: Pricing) -> FloatArray:
    if kind_of(operator.family) == "comm":
        return plain_exchange_s(operator, pricing.device, pricing.efficiency)
    compute_frac, memory_frac = _shares(operator.family, pricing.efficiency)
    bound = roofline_time_s(
        operator.flop,
        operator.hbm_bytes,
        peak_flop_per_s=pricing.device.peak(dtype(operator.fmt).compute) * compute_frac,
        peak_bytes_per_s=pricing.device.memory_bytes_per_s * memory_frac,
    )
    return bound * operator.imbalance + pricing.efficiency.call_s


def _shares(family: str, efficiency: Efficiency) -> tuple[float, float]:
    """Shares of the peak rate and of HBM bandwidth that an operator without a table reaches."""
    known = FAMILIES.get(family)
    cache_bound = known is not None and known.cache_bound
    memory = efficiency.attention_memory_frac if cache_bound else efficiency.memory_frac
    compute = {"moe": efficiency.moe_compute_frac, "attention": efficiency.attention_compute_frac}
    return compute.get(kind_of(family), efficiency.gemm_compute_frac), memory
