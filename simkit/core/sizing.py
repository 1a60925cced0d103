"""What a model needs at least: the smallest engine that holds it, and the longest context one allows."""

from dataclasses import dataclass

import numpy as np

from perfmodels.memory import MemoryQuestion, memory_use
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.core.engine_model import EngineModel
from simkit.core.reserves import kv_reservation, memory_rules, visible_bytes
from simkit.core.space import SpaceRules, plan_space
from simkit.core.workload import Workload

_LARGEST_ENGINE_GPUS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The smallest engine that fits, and the nodes it spans."""

    plan: ParallelPlan
    nodes: int


def capacity_tokens(model: EngineModel, plans: list[ParallelPlan], context_tokens: float) -> np.ndarray:
    """KV cache of one lane in tokens for sequences of `context_tokens`; negative where weights do not fit."""
    question = MemoryQuestion(
        shape=model.shape,
        precision=model.precision,
        plan=PlanArray.of(plans),
        device_bytes=visible_bytes(model),
        context_tokens=context_tokens,
        weight_scale=model.weight_scale,
    )
    return memory_use(question, memory_rules(model, question.plan)).kv_capacity_tokens


def smallest_engine(model: EngineModel, workload: Workload) -> Need | None:
    """The engine with the fewest GPUs that holds the model and one request; None beyond 512 GPUs."""
    node = model.device.gpus_per_node
    rules = SpaceRules(
        max_gpus=_LARGEST_ENGINE_GPUS,
        backend=model.engine.backend,
        expert_format=model.precision.moe,
        dense_format=model.precision.gemm,
        max_nodes=_LARGEST_ENGINE_GPUS // node,
    )
    plans = plan_space(model.shape, model.device, rules)
    needed = workload.isl_tokens + kv_reservation(model.engine) * workload.osl_tokens
    fits = capacity_tokens(model, plans, needed) >= needed
    if not fits.any():
        return None
    plan = plans[int(np.argmax(fits))]  # plans come narrowest first
    return Need(plan=plan, nodes=-(-plan.num_gpus // node))


def largest_context(model: EngineModel, plans: list[ParallelPlan]) -> int:
    """Tokens of one request's prompt and output that the best of `plans` has room for.

    Limited by the model's own context.
    """
    low, high = 0, model.shape.max_context_tokens
    while low < high:
        middle = (low + high + 1) // 2
        fits = float(capacity_tokens(model, plans, float(middle)).max()) >= middle
        low, high = (middle, high) if fits else (low, middle - 1)
    return low
