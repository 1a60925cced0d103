"""Attention groups from the fields of a Hugging Face config.json."""

from collections import Counter

from perfmodels.model.hf_fields import KV_HEADS, Config, block, first
from perfmodels.model.shape import (
    AttentionGroup,
    CompressedAttention,
    GqaAttention,
    LinearAttention,
    MlaAttention,
)

_INDEXED_RATIO = 4  # DeepSeek-V4 picks keys among entries of four tokens; coarser ones are all read
_LLAMA4_FULL_EVERY = 4  # every fourth layer of Llama-4 sees everything, the others their chunk
_BLOCK_LETTERS = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}


def block_types(config: Config) -> list[str]:
    """Nemotron-H style layers, each of which is a mixer or a feed-forward block; empty for others."""
    if pattern := config.get("hybrid_override_pattern"):
        return [_BLOCK_LETTERS.get(letter, "none") for letter in pattern]
    return [str(block) for block in config.get("layers_block_type") or ()]


def layer_kinds(config: Config) -> list[str]:
    """The mixer of each layer: full, window, sparse, linear, conv, mamba, kda, compressed:N or none."""
    for rule in (_from_blocks, _from_patterns, _from_types, _from_windows):
        kinds = rule(config)
        if kinds:
            return kinds
    return ["full"] * int(config["num_hidden_layers"])


def _from_blocks(config: Config) -> list[str]:
    return [{"mamba": "mamba", "attention": "full"}.get(block, "none") for block in block_types(config)]


def _from_patterns(config: Config) -> list[str]:
    """Families that list their layers in a field of their own."""
    num_layers = int(config["num_hidden_layers"])
    if linear := block(config, "linear_attn_config"):
        full = set(linear.get("full_attn_layers", ()))
        return ["full" if index + 1 in full else "kda" for index in range(num_layers)]
    if pattern := config.get("hybrid_layer_pattern"):
        return ["window" if flag else "full" for flag in pattern[:num_layers]]
    if ratios := config.get("compress_ratios"):
        return [f"compressed:{int(ratio)}" for ratio in ratios[:num_layers]]
    sparse = block(config, "sparse_attention_config").get("sparse_attention_freq") or ()
    return ["sparse" if flag else "full" for flag in sparse[:num_layers]]


_TYPES = {
    "full_attention": "full", "attention": "full", "global_attention": "full", "sliding_attention": "window",
    "local_attention": "window", "chunked_attention": "window", "linear_attention": "linear", "conv": "conv",
    "mamba": "mamba", "minimax_m3_sparse": "full", "deepseek_sparse_attention": "full",
}  # fmt: skip


def _from_types(config: Config) -> list[str]:
    """Layers named one by one. Raises ValueError for a name that is not known."""
    num_layers = int(config["num_hidden_layers"])
    if flags := config.get("attn_type_list"):  # MiniMax-01: 1 sees everything, 0 is linear
        return ["full" if flag else "linear" for flag in flags[:num_layers]]
    if period := first(config, ("attn_layer_period",)):  # Jamba
        offset = int(config.get("attn_layer_offset") or 0)
        return ["full" if index % period == offset else "mamba" for index in range(num_layers)]
    if (interval := first(config, ("full_attention_interval",))) and not config.get("layer_types"):
        return ["full" if (index + 1) % interval == 0 else "linear" for index in range(num_layers)]
    types = [str(kind) for kind in (config.get("layer_types") or ())[:num_layers]]
    if unknown := sorted(set(types) - set(_TYPES)):
        raise ValueError(f"layer_types holds {', '.join(unknown)}; known are {', '.join(_TYPES)}")
    return [_TYPES[kind] for kind in types]


def _from_windows(config: Config) -> list[str]:
    num_layers = int(config["num_hidden_layers"])
    if config.get("model_type") == "llama4_text" and config.get("attention_chunk_size"):
        return ["full" if (index + 1) % _LLAMA4_FULL_EVERY == 0 else "window" for index in range(num_layers)]
    window = config.get("sliding_window") and config.get("use_sliding_window", True)
    return _window_by_interval(config, num_layers) if window else []


def _window_by_interval(config: Config, num_layers: int) -> list[str]:
    interval = config.get("sliding_window_pattern")
    if not interval:
        return ["window"] * num_layers
    return ["full" if (index + 1) % int(interval) == 0 else "window" for index in range(num_layers)]


def attention_groups(config: Config) -> tuple[AttentionGroup, ...]:
    """One group per kind of layer, most layers first."""
    if config.get("mamba_d_ssm"):  # Falcon-H1: both kinds side by side in every layer
        layers = int(config["num_hidden_layers"])
        return (_gqa(config, layers, "full"), _mamba(config, layers))
    counts = Counter(layer_kinds(config))
    counts.pop("none", None)
    builders = {"linear": _linear, "mamba": _mamba, "kda": _kimi_delta, "conv": _short_convolution}
    groups: list[AttentionGroup] = []
    for kind, num_layers in counts.most_common():
        if kind in builders:
            groups.append(builders[kind](config, num_layers))
        elif kind.startswith("compressed"):
            groups.append(_compressed(config, num_layers, ratio=int(kind.partition(":")[2])))
        elif config.get("kv_lora_rank"):
            groups.append(_mla(config, num_layers))
        else:
            groups.append(_gqa(config, num_layers, kind))
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
        v_head_dim=first(
            config, ("v_head_dim",), int(config["hidden_size"]) // int(config["num_attention_heads"])
        ),
        index_heads=int(config["index_n_heads"]) if sparse else 0,
        index_head_dim=int(config["index_head_dim"]) if sparse else 0,
        index_topk=int(config["index_topk"]) if sparse else None,
    )


def _gqa(config: Config, num_layers: int, kind: str) -> GqaAttention:
    window = kind == "window"
    heads = int(config["num_attention_heads"])
    kv_heads = first(config, KV_HEADS, heads)
    head_dim = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    v_head_dim = int(config.get("v_head_dim") or head_dim)
    shares_kv = False
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
        window_tokens=_window_tokens(config) if window else None,
        topk_tokens=_sparse_tokens(config) if kind == "sparse" else None,
        output_gate=bool(config.get("attn_output_gate")) or config.get("model_type") == "qwen3_next",
        bias=bool(config.get("attention_bias")) or config.get("model_type") in ("qwen2", "qwen2_moe"),
        shares_kv=shares_kv,
    )


def _window_tokens(config: Config) -> int:
    return int(config.get("sliding_window") or config["attention_chunk_size"])


def _sparse_tokens(config: Config) -> int:
    """Keys a block-sparse layer reads: the chosen blocks and the local one."""
    sparse = block(config, "sparse_attention_config")
    blocks = int(sparse.get("sparse_topk_blocks", 16)) + int(sparse.get("sparse_local_block", 0))
    return blocks * int(sparse.get("sparse_block_size", 128))


def _compressed(config: Config, num_layers: int, *, ratio: int) -> CompressedAttention:
    """DeepSeek-V4: a window of full keys, and beyond it one entry per `ratio` tokens (0: none)."""
    indexed = ratio == _INDEXED_RATIO
    return CompressedAttention(
        num_layers=num_layers,
        num_heads=int(config["num_attention_heads"]),
        head_dim=int(config["head_dim"]),
        q_lora_rank=int(config["q_lora_rank"]),
        o_groups=int(config["o_groups"]),
        o_lora_rank=int(config["o_lora_rank"]),
        window_tokens=int(config["sliding_window"]),
        ratio=ratio,
        index_heads=int(config["index_n_heads"]) if indexed else 0,
        index_head_dim=int(config["index_head_dim"]) if indexed else 0,
        index_topk=int(config["index_topk"]) if indexed else None,
    )


def _linear(config: Config, num_layers: int) -> LinearAttention:
    known = "linear_num_key_heads" in config
    return (_gated_delta_net if known else _lightning)(config, num_layers)


def _lightning(config: Config, num_layers: int) -> LinearAttention:
    """MiniMax-01: queries, keys, values and an output gate as wide as the heads, one state per head."""
    heads = int(config["num_attention_heads"])
    head_dim = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    inner = heads * head_dim
    return LinearAttention(
        num_layers=num_layers,
        num_heads=heads,
        in_width=4 * inner,
        out_width=inner,
        state_elements=heads * head_dim * head_dim,
        conv_elements=0,
        kind="lightning",
    )


def _short_convolution(config: Config, num_layers: int) -> LinearAttention:
    """LFM2: two gates and a value through a short convolution, no state beyond its window."""
    hidden, kernel = int(config["hidden_size"]), int(config.get("conv_L_cache") or 3)
    return LinearAttention(
        num_layers=num_layers,
        num_heads=int(config["num_attention_heads"]),
        in_width=3 * hidden,
        out_width=hidden,
        state_elements=0,
        conv_elements=hidden * (kernel - 1),
        extra_params=hidden * kernel,
        kind="conv",
        conv_channels=hidden,
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
        kind="gdn",
        conv_channels=2 * keys + values,
    )


def _mamba(config: Config, num_layers: int) -> LinearAttention:
    heads = first(config, ("mamba_num_heads", "mamba_n_heads"))
    return _mamba2(config, num_layers, heads) if heads else _mamba1(config, num_layers)


def _mamba1(config: Config, num_layers: int) -> LinearAttention:
    """Mamba's first kind: every channel has a state of its own (Jamba)."""
    hidden = int(config["hidden_size"])
    inner, state = first(config, ("mamba_expand",), 2) * hidden, first(config, ("mamba_d_state",), 16)
    kernel, rank = first(config, ("mamba_d_conv",), 4), first(config, ("mamba_dt_rank",), -(-hidden // 16))
    return LinearAttention(
        num_layers=num_layers,
        num_heads=int(config["num_attention_heads"]),
        in_width=2 * inner,
        out_width=inner,
        state_elements=inner * state,
        conv_elements=inner * (kernel - 1),
        extra_params=inner * (kernel + 2 * rank + 3 * state),
        kind="mamba1",
        conv_channels=inner,
    )


def _mamba2(config: Config, num_layers: int, heads: int) -> LinearAttention:
    expanded = first(config, ("mamba_expand", "expand"), 2) * int(config["hidden_size"])
    head_dim = config.get("mamba_head_dim") or config.get("mamba_d_head")
    inner = heads * int(head_dim) if head_dim and head_dim != "auto" else expanded
    state = first(config, ("ssm_state_size", "mamba_d_state"))
    groups = first(config, ("n_groups", "mamba_n_groups"), 1)
    kernel = first(config, ("conv_kernel", "mamba_d_conv"), 4)
    convolved = inner + 2 * groups * state
    return LinearAttention(
        num_layers=num_layers,
        num_heads=heads,
        in_width=2 * inner + 2 * groups * state + heads,
        out_width=inner,
        state_elements=inner * state,
        conv_elements=convolved * (kernel - 1),
        extra_params=convolved * kernel,
        kind="mamba2",
        conv_channels=convolved,
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
        kind="kda",
        conv_channels=3 * inner,
    )
