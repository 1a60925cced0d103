"""Which ways of splitting one engine over GPUs are worth asking about."""

from collections.abc import Iterator
from dataclasses import dataclass

from perfmodels.device import Device
from perfmodels.parallel import ParallelPlan
from perfmodels.shape import GqaAttention, ModelShape, MoeFfn

MAX_NODES_PER_ENGINE = 4  # Dynamo's profiler sweeps MoE engines over up to four nodes
# Columns of an expert that share one scale cannot be cut; MXFP4 kernels pad theirs instead.
_COLUMN_BLOCKS = {"fp8_block": 128, "nvfp4": 16, "int4_wo": 32}
_PIPELINE_DEPTHS = (2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRules:
    """Limits of the search: GPUs at hand, engine, format of the experts, layouts, nodes per engine."""

    max_gpus: int
    backend: str
    expert_format: str = "bf16"
    dynamo_rules: bool = False
    max_nodes: int = MAX_NODES_PER_ENGINE


def plan_space(shape: ModelShape, device: Device, rules: SpaceRules) -> list[ParallelPlan]:
    """Every plan an engine of this kind can run within the limits, narrowest first.

    Dense models: tensor parallel within a node, pipeline stages across nodes. Mixture-of-experts
    models: TP, TEP, DEP and mixtures over up to four nodes.
    """
    layouts = _expert_layouts if shape.is_moe else _dense_layouts
    plans = {plan: None for plan in layouts(shape, device, rules) if _divides(shape, plan, rules)}
    return sorted(plans, key=lambda plan: (plan.num_gpus, plan.attn_dp, plan.ep, plan.pp))


def engine_widths(device: Device, max_gpus: int, max_nodes: int = MAX_NODES_PER_ENGINE) -> list[int]:
    """GPU counts of one engine: powers of two within a node, whole nodes beyond."""
    limit = min(max_gpus, max_nodes * device.gpus_per_node)
    widths = []
    width = 1
    while width <= limit:
        if width <= device.gpus_per_node or width % device.gpus_per_node == 0:
            widths.append(width)
        width *= 2
    return widths


def _dense_layouts(shape: ModelShape, device: Device, rules: SpaceRules) -> Iterator[ParallelPlan]:
    for width in engine_widths(device, min(rules.max_gpus, device.gpus_per_node)):
        yield ParallelPlan(tp=width)
    node = device.gpus_per_node
    for depth in () if rules.dynamo_rules else _PIPELINE_DEPTHS:
        if node * depth <= rules.max_gpus and depth <= min(shape.num_layers, rules.max_nodes):
            yield ParallelPlan(tp=node, pp=depth)


def _expert_layouts(shape: ModelShape, device: Device, rules: SpaceRules) -> Iterator[ParallelPlan]:
    for width in engine_widths(device, rules.max_gpus, rules.max_nodes):
        if width == 1:
            yield ParallelPlan()
            continue
        if width <= device.link_domain_gpus and not (rules.dynamo_rules and shape.is_mla):
            yield ParallelPlan(tp=width, moe_tp=width)
        yield ParallelPlan(tp=width, ep=width)
        yield ParallelPlan(attn_dp=width, ep=width)
        if width <= device.link_domain_gpus and not rules.dynamo_rules:
            yield ParallelPlan(attn_dp=width, moe_tp=width)
        if rules.backend != "trtllm" and not rules.dynamo_rules:
            yield from _mixed_layouts(width)


def _mixed_layouts(width: int) -> Iterator[ParallelPlan]:
    """Attention in several tensor-parallel groups; TensorRT-LLM cannot, the others can."""
    tp = 2
    while tp < width:
        yield ParallelPlan(tp=tp, attn_dp=width // tp, ep=width)
        tp *= 2


def _divides(shape: ModelShape, plan: ParallelPlan, rules: SpaceRules) -> bool:
    """Whether heads, experts and expert columns divide evenly, as engines require."""
    if any(group.num_heads % plan.tp for group in shape.attention):
        return False
    kv_heads = [group.num_kv_heads for group in shape.attention if isinstance(group, GqaAttention)]
    if any(heads % plan.tp and plan.tp % heads for heads in kv_heads):
        return False  # cache heads are split evenly or replicated evenly
    block = _COLUMN_BLOCKS.get(rules.expert_format, 1)
    return all(
        group.num_experts % plan.ep == 0 and group.intermediate_size % (plan.moe_tp * block) == 0
        for group in shape.ffn
        if isinstance(group, MoeFfn)
    )
