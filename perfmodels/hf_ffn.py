"""Feed-forward groups from the fields of a Hugging Face config.json."""

from collections.abc import Mapping
from typing import Any

from perfmodels.hf_attention import block_types
from perfmodels.shape import DenseFfn, FfnGroup, MoeFfn

Config = Mapping[str, Any]

EXPERT_COUNTS = ("n_routed_experts", "num_local_experts", "num_experts")
_TOP_K = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk")


def first(config: Config, names: tuple[str, ...], default: int = 0) -> int:
    """The first of `names` that is set, as an integer."""
    for name in names:
        if config.get(name):
            return int(config[name])
    return default


def ffn_groups(config: Config) -> tuple[FfnGroup, ...]:
    """Dense and expert layers, as many of each as the config's pattern says."""
    num_layers = int(config["num_hidden_layers"])
    matrices = 2 if config.get("mlp_hidden_act") == "relu2" else 3
    experts = first(config, EXPERT_COUNTS)
    if blocks := config.get("block_configs"):
        return _searched_layers(config, blocks)
    if pattern := block_types(config):
        dense, sparse = pattern.count("mlp"), pattern.count("moe")
    elif experts:
        sparse = _moe_layer_count(config, num_layers)
        dense = num_layers if config.get("enable_moe_block") else num_layers - sparse
    else:
        dense, sparse = num_layers, 0
    groups: list[FfnGroup] = []
    if dense:
        size = first(config, ("dense_intermediate_size", "intermediate_size_mlp", "intermediate_size"))
        groups.append(DenseFfn(num_layers=dense, intermediate_size=size, matrices=matrices))
    if sparse:
        groups.append(_moe(config, sparse, matrices))
    return tuple(groups)


def _moe_layer_count(config: Config, num_layers: int) -> int:
    frequency = config.get("moe_layer_freq")
    if isinstance(frequency, list):
        return int(sum(frequency[:num_layers]))
    step = first(config, ("interleave_moe_layer_step", "decoder_sparse_step"), 1)
    if step > 1:
        return num_layers // step
    dense = max(first(config, ("first_k_dense_replace",)), len(config.get("mlp_only_layers") or ()))
    return num_layers - dense


def _moe(config: Config, num_layers: int, matrices: int) -> MoeFfn:
    size = first(config, ("moe_intermediate_size", "intermediate_size"))
    return MoeFfn(
        num_layers=num_layers,
        num_experts=first(config, EXPERT_COUNTS),
        top_k=first(config, _TOP_K, 1),
        intermediate_size=size,
        shared_intermediate_size=_shared_size(config, size),
        matrices=matrices,
        latent_size=config.get("moe_latent_size") or config.get("routed_expert_hidden_size"),
        expert_bias=config.get("model_type") == "gpt_oss",
    )


def _shared_size(config: Config, expert_size: int) -> int:
    explicit = first(
        config, ("moe_shared_expert_intermediate_size", "shared_expert_intermediate_size", "share_expert_dim")
    )
    if explicit:
        return explicit
    if config.get("model_type") == "llama4_text":
        return expert_size  # one shared expert of an expert's size, implied by the architecture
    count = first(config, ("n_shared_experts", "num_shared_experts"))
    return count * first(config, ("shared_intermediate_size",), expert_size)


def _searched_layers(config: Config, blocks: list[Mapping[str, Any]]) -> tuple[FfnGroup, ...]:
    """Layers of models whose widths were searched layer by layer (Nemotron-NAS)."""
    sizes: dict[int, int] = {}
    for block in blocks:
        ffn = block["ffn"]
        if ffn.get("no_op") or not ffn.get("ffn_mult"):
            continue
        width = 2 * ffn["ffn_mult"] * int(config["hidden_size"]) / 3
        size = -(-int(width) // 256) * 256
        sizes[size] = sizes.get(size, 0) + 1
    return tuple(DenseFfn(num_layers=count, intermediate_size=size) for size, count in sizes.items())
