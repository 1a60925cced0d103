"""Attention groups from the fields of a Hugging Face config.json."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from perfmodels.shape import AttentionGroup, GqaAttention, LinearAttention, MlaAttention

Config = Mapping[str, Any]


def layer_kinds(config: Config) -> list[str]:
    """What the mixer of each layer is: full, window, linear, mamba, or none."""
    num_layers = int(config["num_hidden_layers"])
    if pattern := config.get("hybrid_override_pattern"):
        return [{"M": "mamba", "*": "full"}.get(letter, "none") for letter in pattern]
    if linear := config.get("linear_attn_config"):
        full = set(linear.get("full_attn_layers", ()))
        return ["full" if index + 1 in full else "kda" for index in range(num_layers)]
    if pattern := config.get("hybrid_layer_pattern"):
        return ["window" if flag else "full" for flag in pattern[:num_layers]]
    if types := config.get("layer_types"):
        names = {"sliding_attention": "window", "linear_attention": "linear"}
        return [names.get(kind, "full") for kind in types[:num_layers]]
    window = config.get("sliding_window") and config.get("use_sliding_window", True)
    return _window_by_interval(config, num_layers) if window else ["full"] * num_layers


def _window_by_interval(config: Config, num_layers: int) -> list[str]:
    interval = config.get("sliding_window_pattern")
    if not interval:
        return ["window"] * num_layers
    return ["full" if (index + 1) % int(interval) == 0 else "window" for index in range(num_layers)]


def attention_groups(config: Config) -> tuple[AttentionGroup, ...]:
    """One group per kind of layer, most layers first."""
    counts = Counter(layer_kinds(config))
    counts.pop("none", None)
    builders = {"linear": _gated_delta_net, "mamba": _mamba2, "kda": _kimi_delta}
    groups: list[AttentionGroup] = []
    for kind, num_layers in counts.most_common():
        if kind in builders:
            groups.append(builders[kind](config, num_layers))
        elif config.get("kv_lora_rank"):
            groups.append(_mla(config, num_layers))
        else:
            groups.append(_gqa(config, num_layers, window=kind == "window"))
    return tuple(groups)


def _mla(config: Config, num_layers: int) -> MlaAttention:
    sparse = bool(config.get("index_topk"))
    return MlaAttention(
        num_layers=num_layers,
        num_heads=int(config["num_attention_heads"]),
        kv_lora_rank=int(config["kv_lora_rank"]),
        q_lora_rank=config.get("q_lora_rank"),
        qk_nope_head_dim=int(config["qk_nope_head_dim"]),
        qk_rope_head_dim=int(config["qk_rope_head_dim"]),
        v_head_dim=int(config["v_head_dim"]),
        index_heads=int(config["index_n_heads"]) if sparse else 0,
        index_head_dim=int(config["index_head_dim"]) if sparse else 0,
        index_topk=int(config["index_topk"]) if sparse else None,
    )


def _gqa(config: Config, num_layers: int, *, window: bool) -> GqaAttention:
    heads = int(config["num_attention_heads"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_dim = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    v_head_dim = int(config.get("v_head_dim") or head_dim)
    shares_kv = bool(config.get("model_type") in ("deepseek_v4", "deepseek_ref"))
    if window:
        heads = int(config.get("swa_num_attention_heads") or heads)
        kv_heads = int(config.get("swa_num_key_value_heads") or kv_heads)
        head_dim = int(config.get("swa_head_dim") or head_dim)
        v_head_dim = int(config.get("swa_v_head_dim") or v_head_dim)
    elif config.get("global_head_dim"):
        kv_heads = int(config.get("num_global_key_value_heads") or kv_heads)
        head_dim = v_head_dim = int(config["global_head_dim"])
        shares_kv = bool(config.get("attention_k_eq_v"))
    return GqaAttention(
        num_layers=num_layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=v_head_dim,
        window_tokens=int(config["sliding_window"]) if window else None,
        output_gate=bool(config.get("attn_output_gate")),
        bias=bool(config.get("attention_bias")) or config.get("model_type") in ("qwen2", "qwen2_moe"),
        shares_kv=shares_kv,
    )


def _gated_delta_net(config: Config, num_layers: int) -> LinearAttention:
    key_heads, value_heads = int(config["linear_num_key_heads"]), int(config["linear_num_value_heads"])
    key_dim, value_dim = int(config["linear_key_head_dim"]), int(config["linear_value_head_dim"])
    keys, values = key_heads * key_dim, value_heads * value_dim
    kernel = int(config.get("linear_conv_kernel_dim", 4))
    return LinearAttention(
        num_layers=num_layers,
        num_heads=value_heads,
        in_width=2 * keys + 2 * values + 2 * value_heads,  # q, k, v, gate and the two decay inputs
        out_width=values,
        state_elements=value_heads * key_dim * value_dim,
        conv_elements=(2 * keys + values) * (kernel - 1),
        extra_params=(2 * keys + values) * kernel,
    )


def _mamba2(config: Config, num_layers: int) -> LinearAttention:
    heads, head_dim = int(config["mamba_num_heads"]), int(config["mamba_head_dim"])
    inner = heads * head_dim
    state, groups = int(config["ssm_state_size"]), int(config["n_groups"])
    kernel = int(config.get("conv_kernel", 4))
    convolved = inner + 2 * groups * state
    return LinearAttention(
        num_layers=num_layers,
        num_heads=heads,
        in_width=2 * inner + 2 * groups * state + heads,
        out_width=inner,
        state_elements=inner * state,
        conv_elements=convolved * (kernel - 1),
        extra_params=convolved * kernel,
    )


def _kimi_delta(config: Config, num_layers: int) -> LinearAttention:
    linear = config["linear_attn_config"]
    heads, head_dim = int(linear["num_heads"]), int(linear["head_dim"])
    inner = heads * head_dim
    kernel = int(linear.get("short_conv_kernel_size", 4))
    return LinearAttention(
        num_layers=num_layers,
        num_heads=heads,
        in_width=3 * inner + heads + 2 * head_dim,  # q, k, v, decay, low-rank gates
        out_width=inner,
        state_elements=heads * head_dim * head_dim,
        conv_elements=3 * inner * (kernel - 1),
        extra_params=3 * inner * kernel + 2 * head_dim * inner,
    )
