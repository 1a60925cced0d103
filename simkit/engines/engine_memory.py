"""What engines keep for themselves, and so how much of a GPU becomes KV cache."""

from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.memory import MemoryRules, weight_bytes_per_gpu
from perfmodels.model.shape import CompressedAttention
from perfmodels.parallel import PlanArray
from perfmodels.units import GIB, MIB
from simkit.core.engine import EngineOptions
from simkit.engines.common import version_numbers
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import engine_spec

_DRIVER_GIB = 0.47  # reported total less what PyTorch sees, on H100 and H200
_SCARCE_FRAC = 0.05


def kv_reservation(engine: EngineOptions) -> float:
    """Share of the output length for which an admitted request must find cache.

    Engines that admit on the prompt and preempt later settle near the mean occupancy, a little over half.
    """
    return engine_spec(engine.backend).memory.output_share


def memory_rules(model: EngineModel, plan: PlanArray) -> MemoryRules:
    """The engine's way of dividing a GPU."""
    engine, reserves = model.engine, engine_spec(model.engine.backend).memory
    share = memory_fraction(model, plan)
    fixed, peers = fixed_gib(engine)
    if any(isinstance(group, CompressedAttention) for group in model.shape.attention):
        fixed += reserves.compressed_gib
    gone = np.where(plan.num_gpus > 1, reserves.peers_context_gib * GIB / visible_bytes(model), 0.0)
    rules = MemoryRules(
        usable_frac=share * (1.0 - gone),
        working_inside=reserves.working_inside,
        max_batched_tokens=engine.max_num_batched_tokens,
        fixed_bytes=fixed * GIB,
        collective_bytes=peers * GIB,
        cache_tokens=engine.cache_tokens,
        cache_bytes=engine.cache_bytes,
        pools=reserves.pools(engine),
    )
    if reserves.of_free:
        return replace(rules, usable_frac=np.ones_like(share), frac_of_free=share)
    return rules


def fixed_gib(engine: EngineOptions) -> tuple[float, float]:
    """Memory beside weights, activations and cache: context, graphs, buffers; and more with peers [GiB]."""
    version, table = version_numbers(engine.version), engine_spec(engine.backend).memory.fixed_gib
    return next((fixed, peers) for below, fixed, peers in table if version < below)


def visible_bytes(model: EngineModel) -> float:
    """The memory an engine's fraction applies to: what a process sees of what the driver reports.

    Some engines take what is free once their CUDA context exists.
    """
    context = engine_spec(model.engine.backend).memory.context_gib
    return model.device.memory_bytes - (_DRIVER_GIB + context) * GIB


def memory_fraction(model: EngineModel, plan: PlanArray) -> FloatArray:
    """The share of memory an engine uses, per plan: as set, or its own default.

    Where an engine's default would leave under a twentieth of the device for the cache, people raise
    it, as its start-up error asks for; so do we, and the DGD says so.
    """
    if model.engine.memory_frac is not None:
        return model.engine.memory_frac * np.ones(np.shape(plan.tp))
    default, raised = own_fraction(model, plan), engine_spec(model.engine.backend).memory.raised_fraction
    if raised is None:
        return default
    scarce = default - weight_share(model, plan) < _SCARCE_FRAC
    return np.where(scarce, np.maximum(default, raised), default)


def own_fraction(model: EngineModel, plan: PlanArray) -> FloatArray:
    """The share of memory that an engine takes by itself, per plan."""
    return engine_spec(model.engine.backend).memory.own_fraction(model.device.memory_bytes / MIB, plan)


def weight_share(model: EngineModel, plan: PlanArray) -> FloatArray:
    """Weights of the fullest GPU as a share of its memory."""
    counted = weight_bytes_per_gpu(model.shape, model.precision, plan)
    share: FloatArray = model.weight_scale * counted / model.device.memory_bytes
    return share
