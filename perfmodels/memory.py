"""What fits: weights and working memory per GPU, and how many tokens of cache are left."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.kv_cache import AS_NEEDED, CachePools, kv_bytes_per_token_per_gpu
from perfmodels.model.dtypes import Precision, dtype
from perfmodels.model.shape import (
    AttentionGroup,
    CompressedAttention,
    DenseFfn,
    GqaAttention,
    MlaAttention,
    ModelShape,
    MoeFfn,
)
from perfmodels.parallel import PlanArray
from perfmodels.units import GIB, MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRules:
    """How an engine divides a GPU.

    usable_frac of the device (one number or one per plan) is the engine's budget; frac_of_free is the
    share of what weights and activations leave that becomes cache (TensorRT-LLM's rule; 1 for the
    others). cache_tokens and cache_bytes set the cache of a rank by hand, as far as the device holds it.
    working_inside says whether activations and graphs count against the budget (vLLM,
    TensorRT-LLM) or live in the rest of the device (SGLang). pools: how the cache is divided.
    """

    usable_frac: FloatLike = 0.9
    frac_of_free: FloatLike = 1.0
    working_inside: bool = True
    max_batched_tokens: int = 8192
    fixed_bytes: float = 1.6 * GIB  # CUDA context, libraries, captured graphs
    collective_bytes: float = 400 * MIB  # NCCL and custom all-reduce buffers, only with peers
    cache_tokens: float | None = None
    cache_bytes: float | None = None
    pools: CachePools = AS_NEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Bytes per GPU by part, and the cache capacity of one lane in tokens (negative: does not fit)."""

    parts_bytes: Mapping[str, FloatArray]
    kv_bytes: FloatArray
    kv_bytes_per_token: FloatArray
    kv_capacity_tokens: FloatArray


def weight_bytes_per_gpu(shape: ModelShape, precision: Precision, plan: PlanArray) -> FloatArray:
    """Stored weights of the fullest GPU [bytes], shape of the plan arrays.

    tp splits projections; latent projections, routers and KV heads beyond their count are
    replicated; experts are split by moe_tp*ep; pp divides layers.
    """
    hidden = shape.hidden_size
    gemm, other = (dtype(name).bytes_per_element for name in (precision.gemm, precision.other))
    layers = np.zeros(np.shape(plan.tp))
    for group in shape.attention:
        layers = layers + group.num_layers * gemm * _attention_params_per_gpu(hidden, group, plan)
        if isinstance(group, CompressedAttention):  # compressor and indexer stay in 16 bits on every rank
            layers = layers + group.num_layers * (other - gemm) * group.plain_params(hidden)
    for ffn in shape.ffn:
        if isinstance(ffn, DenseFfn):
            layers = layers + ffn.num_layers * gemm * ffn.params_per_layer(hidden) / plan.tp
            continue
        routed = ffn.num_experts * ffn.params_per_expert(hidden) / (plan.moe_tp * plan.ep)
        routed = routed * (padded_share(ffn.intermediate_size) if precision.moe == "mxfp4" else 1.0)
        shared = ffn.matrices * hidden * ffn.shared_intermediate_size
        router = ffn.always_on_params(hidden) - shared
        per_layer = routed * dtype(precision.moe).bytes_per_element + shared / plan.tp * gemm + router * other
        layers = layers + ffn.num_layers * per_layer
    copies = 1 if shape.tied_embeddings else 2
    ends = copies * shape.vocab_size * hidden * other / plan.tp
    result: FloatArray = layers / plan.pp + ends / np.minimum(plan.pp, copies)
    return result


def padded_share(columns: int) -> float:
    """Growth of MXFP4 expert weights when their columns are padded to the kernels' multiple of 256."""
    return -(-columns // 256) * 256 / columns


def _attention_params_per_gpu(hidden: int, group: AttentionGroup, plan: PlanArray) -> FloatArray:
    total: FloatArray
    if isinstance(group, CompressedAttention):
        shared = group.shared_params(hidden)
        total = (group.params_per_layer(hidden) - shared) / plan.tp + shared
    elif isinstance(group, MlaAttention):
        split = group.params_per_layer(hidden) - hidden * group.down_width - group.indexer_params(hidden)
        total = split / plan.tp + hidden * group.down_width + group.indexer_params(hidden)
    elif isinstance(group, GqaAttention):
        kv = hidden * group.kv_elements_per_token
        replicas = np.maximum(plan.tp / group.num_kv_heads, 1.0)
        total = (group.params_per_layer(hidden) - kv) / plan.tp + kv * replicas / plan.tp
    else:
        total = group.params_per_layer(hidden) / plan.tp
    return total


def activation_bytes_per_gpu(shape: ModelShape, plan: PlanArray, batched_tokens: FloatLike) -> FloatArray:
    """Peak of a step's intermediate tensors [bytes]: residual streams, the widest product, logits.

    About four hidden-wide tensors live at once, beside the input and output of the widest layer (in
    expert layers once per expert a token goes to); the logits of up to 256 sampled rows are float32.
    """
    moe = [group for group in shape.ffn if isinstance(group, MoeFfn)]
    routed = [g.top_k * (shape.hidden_size + 2 * g.intermediate_size / plan.moe_tp) for g in moe]
    dense = [2 * g.intermediate_size / plan.tp for g in shape.ffn if isinstance(g, DenseFfn)]
    widest = np.max(np.stack([*routed, *dense, 4.0 * shape.hidden_size + 0.0 * plan.tp]), axis=0)
    rows = np.asarray(batched_tokens, dtype=np.float64)
    streams = rows * (4 * shape.hidden_size * shape.streams + widest) * 2.0
    logits = 256 * shape.vocab_size * 4.0
    result: FloatArray = streams + logits + 0.0 * plan.tp
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion:
    """Which model, stored how, split how, on how much memory, holding sequences how long."""

    shape: ModelShape
    precision: Precision
    plan: PlanArray
    device_bytes: float
    context_tokens: FloatLike
    weight_scale: float = 1.0  # checkpoint bytes over counted bytes


def memory_use(question: MemoryQuestion, rules: MemoryRules) -> MemoryUse:
    """Bytes by part and the cache capacity of one lane."""
    shape, plan = question.shape, question.plan
    weights = question.weight_scale * weight_bytes_per_gpu(shape, question.precision, plan)
    activations = activation_bytes_per_gpu(shape, plan, rules.max_batched_tokens)
    peers = np.where(plan.num_gpus > 1, rules.collective_bytes, 0.0)
    fixed = rules.fixed_bytes + peers
    working = (activations + fixed) if rules.working_inside else 0.0 * activations
    free = rules.usable_frac * question.device_bytes - weights - working
    kv = free * np.where(free > 0, rules.frac_of_free, 1.0)
    per_token = kv_bytes_per_token_per_gpu(
        shape, question.precision, plan, question.context_tokens, rules.pools
    )
    wanted = rules.cache_bytes if rules.cache_tokens is None else rules.cache_tokens * per_token
    if wanted is not None:
        kv = np.minimum(wanted, question.device_bytes - weights - activations - fixed)
    return MemoryUse(
        parts_bytes={
            "weights": weights,
            "activations": activations,
            "runtime": fixed,
            "kv": np.maximum(kv, 0.0),
        },
        kv_bytes=kv,
        kv_bytes_per_token=per_token,
        kv_capacity_tokens=kv / per_token,
    )
