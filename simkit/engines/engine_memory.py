"""What engines keep for themselves, and so how much of a GPU becomes KV cache."""

import re
from dataclasses import replace

import numpy as np

from perfmodels.arrays import FloatArray
from perfmodels.memory import MemoryRules, weight_bytes_per_gpu
from perfmodels.parallel import PlanArray
from perfmodels.units import GIB, MIB
from simkit.core.engine import EngineOptions
from simkit.engines.engine_model import EngineModel

# What vLLM keeps beside weights, activations and cache, up to (not including) a version. Medians over
# the start-up logs in data/memory/kv_capacity_reports.csv; docs/memory.md shows the spread.
_NEWEST = (9999,)
_VLLM_FIXED_GIB: tuple[tuple[tuple[int, ...], float, float], ...] = (
    ((0, 11, 1), 2.0, 0.4),  # up to, fixed, more with peers
    ((0, 17, 0), 4.6, 0.4),
    ((0, 21, 0), 1.3, 1.8),
    ((10000,), 2.2, 1.8),  # CUDA graphs count against the budget from 0.21
)
_OTHER_FIXED_GIB = (2.0, 0.4)
_SGLANG_CONTEXT_GIB = 0.6  # free at start on an H100: 78.5 of 79.2 GiB
_DRIVER_GIB = 0.47  # reported total less what PyTorch sees, on H100 and H200


def kv_reservation(engine: EngineOptions) -> float:
    """Share of the output length for which an admitted request must find cache.

    TensorRT-LLM reserves all of it (guaranteed no eviction); vLLM and SGLang admit on the prompt and
    preempt later, which settles near the mean occupancy of a little over half.
    """
    return 1.0 if engine.backend == "trtllm" else 0.6


def memory_rules(model: EngineModel, plan: PlanArray) -> MemoryRules:
    """The engine's way of dividing a GPU."""
    engine = model.engine
    share = memory_fraction(model, plan)
    fixed, peers = fixed_gib(engine)
    rules = MemoryRules(
        usable_frac=share,
        working_inside=engine.backend != "sglang",
        max_batched_tokens=engine.max_num_batched_tokens,
        fixed_bytes=fixed * GIB,
        collective_bytes=peers * GIB,
    )
    if engine.backend == "trtllm":
        return replace(rules, usable_frac=np.ones_like(share), frac_of_free=share)
    return rules


def fixed_gib(engine: EngineOptions) -> tuple[float, float]:
    """Memory beside weights, activations and cache: context, graphs, buffers; and more with peers [GiB]."""
    if engine.backend != "vllm":
        return _OTHER_FIXED_GIB
    version = version_numbers(engine.version)
    return next((fixed, peers) for below, fixed, peers in _VLLM_FIXED_GIB if version < below)


def version_numbers(version: str | None) -> tuple[int, ...]:
    """Leading numbers of a version; an unknown one counts as newer than any known."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in found.groups()) if found else _NEWEST


def visible_bytes(model: EngineModel) -> float:
    """The memory an engine's fraction applies to: what a process sees of what the driver reports.

    SGLang takes what is free once its CUDA context exists.
    """
    context = _SGLANG_CONTEXT_GIB if model.engine.backend == "sglang" else 0.0
    return model.device.memory_bytes - (_DRIVER_GIB + context) * GIB


# What an engine takes when its memory fraction is not set.
_DEFAULT_FRACTIONS = {"vllm": 0.92, "sglang": 0.88, "trtllm": 0.9}
# SGLang's own sizes by GPU memory: below so many MiB, prompt tokens per chunk and the largest batch
# with a captured graph (narrow engines, engines of four GPUs or more). Facts: SGLang pull request 10975.
_SGLANG_SIZES = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (160 * 1024, 8192, 256, 512),
    (float("inf"), 16384, 512, 512),
)
_RAISED_FRACTION = 0.94
_SCARCE_FRAC = 0.05


def memory_fraction(model: EngineModel, plan: PlanArray) -> FloatArray:
    """The share of memory an engine uses, per plan: as set, or its own default.

    Where SGLang's default would leave under a twentieth of the device for the cache, people raise
    it, as its start-up error asks for; so do we, and the DGD says so.
    """
    ones = np.ones(np.shape(plan.tp))
    if model.engine.memory_frac is not None:
        return model.engine.memory_frac * ones
    default = _DEFAULT_FRACTIONS[model.engine.backend] * ones
    if model.engine.backend != "sglang":
        return default
    default = sglang_fraction(model.device.memory_bytes / MIB, plan)
    scarce = default - weight_share(model, plan) < _SCARCE_FRAC
    return np.where(scarce, np.maximum(default, _RAISED_FRACTION), default)


def weight_share(model: EngineModel, plan: PlanArray) -> FloatArray:
    """Weights of the fullest GPU as a share of its memory."""
    counted = weight_bytes_per_gpu(model.shape, model.precision, plan)
    share: FloatArray = model.weight_scale * counted / model.device.memory_bytes
    return share


def sglang_fraction(memory_mib: float, plan: PlanArray) -> FloatArray:
    """SGLang's default --mem-fraction-static: what is left after its reserve for activations and graphs."""
    _, chunk, narrow, wide = next(row for row in _SGLANG_SIZES if memory_mib < row[0])
    graphs = np.where(plan.tp * plan.attn_dp < 4, narrow, wide).astype(np.float64)
    reserve = 512.0 + 1.5 * chunk + 2.0 * graphs + plan.tp * plan.attn_dp * plan.pp * 128.0
    per_rank = graphs * plan.attn_dp * np.where(graphs > 300, 4.5, 3.0)
    reserve = reserve + np.where(plan.attn_dp > 1, per_rank, 0.0)
    if memory_mib > 60 * 1024:
        reserve = np.maximum(reserve, 10 * 1024.0)
    fraction: FloatArray = np.round((memory_mib - reserve) / memory_mib, 3)
    return fraction
