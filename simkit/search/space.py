"""Which ways of splitting one engine over GPUs are searched, and how many GPUs a model needs at least."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from perfmodels.hardware import Device
from perfmodels.memory import MemoryQuestion, memory_use
from perfmodels.model.shape import DenseFfn, FfnGroup, GqaAttention, ModelShape
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.core.workload import Workload
from simkit.engines.engine_memory import kv_reservation, memory_rules, visible_bytes
from simkit.engines.engine_model import EngineModel
from simkit.engines.registry import engine_spec

MAX_NODES_PER_ENGINE = 4  # Dynamo's profiler sweeps MoE engines over up to four nodes
# Columns of an expert that share one scale cannot be cut; MXFP4 kernels pad theirs instead.
_COLUMN_BLOCKS = {"fp8_block": 128, "nvfp4": 16, "int4_wo": 32}
_PIPELINE_DEPTHS = (2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRules:
    """Limits of the search: GPUs at hand, engine, stored formats, layouts, nodes per engine."""

    max_gpus: int
    backend: str
    expert_format: str = "bf16"
    dense_format: str = "bf16"
    dynamo_rules: bool = False
    max_nodes: int = MAX_NODES_PER_ENGINE


def plan_space(shape: ModelShape, device: Device, rules: SpaceRules) -> list[ParallelPlan]:
    """Every plan an engine of this kind can run within the limits, narrowest first.

    Dense models: tensor parallel within a node, pipeline stages across nodes. Mixture-of-experts
    models: TP, TEP, DEP and mixtures over up to four nodes, or all that one fast link reaches (NVL72).
    """
    layouts = _expert_layouts if shape.is_moe else _dense_layouts
    plans = {plan: None for plan in layouts(shape, device, rules) if not refusal(shape, plan, rules)}
    return sorted(plans, key=lambda plan: (plan.num_gpus, plan.attn_dp, plan.ep, plan.pp))


def engine_widths(device: Device, max_gpus: int, most: int) -> list[int]:
    """GPU counts of one engine, at most `most`: powers of two within a node, whole nodes beyond."""
    limit = min(max_gpus, most)
    widths = []
    width = 1
    while width <= limit:
        if width <= device.gpus_per_node or width % device.gpus_per_node == 0:
            widths.append(width)
        width *= 2
    return widths


def _dense_layouts(shape: ModelShape, device: Device, rules: SpaceRules) -> Iterator[ParallelPlan]:
    for width in engine_widths(device, rules.max_gpus, device.gpus_per_node):
        yield ParallelPlan(tp=width)
    node = device.gpus_per_node
    for depth in () if rules.dynamo_rules else _PIPELINE_DEPTHS:
        if node * depth <= rules.max_gpus and depth <= min(shape.num_layers, rules.max_nodes):
            yield ParallelPlan(tp=node, pp=depth)


def _expert_layouts(shape: ModelShape, device: Device, rules: SpaceRules) -> Iterator[ParallelPlan]:
    usual = rules.max_nodes * device.gpus_per_node
    most = usual if rules.dynamo_rules else max(usual, device.link_domain_gpus)
    for width in engine_widths(device, rules.max_gpus, most):
        if width == 1:
            yield ParallelPlan()
            continue
        if width > usual:  # what engines run so wide: experts spread over all ranks, each with its own batch
            yield ParallelPlan(attn_dp=width, ep=width)
            continue
        if width <= device.link_domain_gpus and not (rules.dynamo_rules and shape.is_mla):
            yield ParallelPlan(tp=width, moe_tp=width)
        yield ParallelPlan(tp=width, ep=width)
        yield ParallelPlan(attn_dp=width, ep=width)
        if width <= device.link_domain_gpus and not rules.dynamo_rules:
            yield ParallelPlan(attn_dp=width, moe_tp=width)
        if engine_spec(rules.backend).plans.attention_groups and not rules.dynamo_rules:
            yield from _mixed_layouts(width)


def _mixed_layouts(width: int) -> Iterator[ParallelPlan]:
    """Attention in several tensor-parallel groups."""
    tp = 2
    while tp < width:
        yield ParallelPlan(tp=tp, attn_dp=width // tp, ep=width)
        tp *= 2


def refusal(shape: ModelShape, plan: ParallelPlan, rules: SpaceRules) -> str:
    """Why engines would not start with this plan; empty when they would.

    Heads are split evenly, or cache heads replicated evenly; experts go whole to ranks; columns that
    share a scale stay together; a pipeline stage holds at least a layer.
    """
    if not shape.is_moe and plan.attn_dp * plan.ep > 1:
        return "a dense model has no experts to spread: use tp, pp and replicas"
    if plan.pp > shape.num_layers:
        return f"{plan.pp} pipeline stages for {shape.num_layers} layers"
    for group in shape.attention:
        if group.num_heads % plan.tp:
            return f"{group.num_heads} attention heads do not divide by tp {plan.tp}"
        heads = group.num_kv_heads if isinstance(group, GqaAttention) else 1
        if heads % plan.tp and plan.tp % heads:
            return f"{heads} cache heads and tp {plan.tp} do not divide"
    return next((reason for group in shape.ffn if (reason := _ffn_refusal(group, plan, rules))), "")


def _ffn_refusal(group: FfnGroup, plan: ParallelPlan, rules: SpaceRules) -> str:
    dense_block = _COLUMN_BLOCKS.get(rules.dense_format, 1)
    if isinstance(group, DenseFfn):
        uneven = group.intermediate_size % (plan.tp * dense_block)
        return f"{group.intermediate_size} columns do not divide by tp {plan.tp}" if uneven else ""
    if group.num_experts % plan.ep:
        return f"{group.num_experts} experts do not divide by ep {plan.ep}"
    if group.intermediate_size % (plan.moe_tp * _COLUMN_BLOCKS.get(rules.expert_format, 1)):
        return f"{group.intermediate_size} expert columns do not divide by moe_tp {plan.moe_tp}"
    # With expert parallelism engines keep a shared expert whole where its blocks do not divide.
    shared_block = dense_block if plan.ep == 1 else 1
    if group.shared_intermediate_size % (plan.tp * shared_block):
        return f"{group.shared_intermediate_size} shared-expert columns do not divide by tp {plan.tp}"
    return ""


# --- What a model needs at least: the smallest engine that holds it, and the longest context one allows.


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
