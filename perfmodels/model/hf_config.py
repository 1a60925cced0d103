"""From a Hugging Face config.json to a ModelShape. Pure: takes the parsed mapping."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perfmodels.model.hf_aliases import canonical, is_gated
from perfmodels.model.hf_attention import attention_groups, block_types
from perfmodels.model.hf_fields import EXPERT_COUNTS, EXPERT_SIZES, TOP_K, Config, ReadConfig, first
from perfmodels.model.shape import AttentionGroup, DenseFfn, FfnGroup, GqaAttention, ModelShape, MoeFfn

# --- Feed-forward groups from the fields of a Hugging Face config.json.


def ffn_groups(config: Config) -> tuple[FfnGroup, ...]:
    """Dense and expert layers, as many of each as the config's pattern says."""
    num_layers = int(config["num_hidden_layers"])
    matrices = 3 if is_gated(config) else 2
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
        if not size:
            raise ValueError("config.json lacks intermediate_size; is it a language model's config?")
        groups.append(DenseFfn(num_layers=dense, intermediate_size=size, matrices=matrices))
    if sparse:
        groups.append(_moe(config, sparse, matrices))
    return tuple(groups)


def _moe_layer_count(config: Config, num_layers: int) -> int:
    frequency = config.get("moe_layer_freq")
    if isinstance(frequency, list):
        return int(sum(frequency[:num_layers]))
    if listed := config.get("mlp_layer_types"):
        return sum("dense" not in str(kind) for kind in listed[:num_layers])
    if listed := config.get("moe_layers_enum"):
        return len([item for item in str(listed).split(",") if item.strip()])
    if period := first(config, ("expert_layer_period", "moe_layer_interval")):
        return _periodic_moe_layers(config, num_layers, period)
    step = first(config, ("interleave_moe_layer_step", "decoder_sparse_step"), 1)
    if step > 1:
        return num_layers // step
    dense = max(
        first(config, ("first_k_dense_replace", "num_dense_layers")), len(config.get("mlp_only_layers") or ())
    )
    return num_layers - dense


def _periodic_moe_layers(config: Config, num_layers: int, period: int) -> int:
    """Every so many layers, between a first and a last one (ERNIE), or from an offset on (Jamba)."""
    if "expert_layer_offset" in config:
        return sum(index % period == int(config["expert_layer_offset"]) for index in range(num_layers))
    start, end = int(config.get("moe_layer_start_index") or 0), config.get("moe_layer_end_index")
    last = num_layers - 1 if end in (None, -1) else int(end)
    return sum((index + 1) % period == 0 for index in range(start, min(last, num_layers - 1) + 1))


def _moe(config: Config, num_layers: int, matrices: int) -> MoeFfn:
    size = first(config, EXPERT_SIZES)
    return MoeFfn(
        num_layers=num_layers,
        num_experts=first(config, EXPERT_COUNTS),
        top_k=first(config, TOP_K, 1),
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
    count = first(
        config, ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
    )
    width = first(config, ("shared_intermediate_size",))
    return (count or bool(width)) * (width or expert_size)  # Granite gives the width of one alone


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


# Families whose layer arithmetic was worked through; others are read as their nearest relative.
KNOWN_FAMILIES = frozenset({
    "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_vl_text",
    "qwen3_vl_moe_text", "qwen3_5_text", "qwen3_5_moe_text", "gemma3_text", "gemma4_text", "phi3", "phi",
    "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear", "glm4_moe", "glm_moe_dsa",
    "gpt_oss", "minimax_m2", "minimax_m3", "minimax_m3_vl", "deepseek_v4", "deepseek_ref", "qwen3_next",
    "glm4_moe_lite", "llama4_text", "nemotron_h", "nemotron-nas", "mimo",
    "mimo_v2_flash", "step3p7", "cohere2", "gpt2", "gpt_bigcode", "gptj", "gpt_neox", "phi-msft", "falcon",
    "falcon_h1", "qwen", "stablelm", "baichuan", "internlm", "internlm2", "orion", "chatglm", "gemma",
    "gemma2", "cohere", "starcoder2", "minicpm", "minicpm3", "deepseek", "olmo2", "olmoe", "dbrx",
    "granitemoehybrid", "lfm2", "lfm2_moe", "ernie4_5_moe", "hunyuan_v1_moe", "hunyuan_v1_dense",
    "bailing_moe", "smollm3", "ministral3", "bloom", "opt", "mpt", "exaone", "phimoe", "nemotron",
})  # fmt: skip

_MOST_LAYERS, _MOST_SIZE, _MOST_FIELD = 10_000, 10**8, 10**15
_REQUIRED = ("hidden_size", "num_attention_heads", "vocab_size")


def text_config(config: Config) -> Config:
    """The language model's part of a config, with the fields that sit beside it."""
    for key in ("text_config", "language_config", "llm_config"):
        inner = config.get(key)
        if isinstance(inner, Mapping):
            outer = {k: v for k, v in config.items() if k in ("tie_word_embeddings", "quantization_config")}
            return {**outer, **inner}
    return config


def shape_from_config(config: Config, *, name: str = "model") -> ModelShape:
    """The shape a config.json describes.

    Raises ValueError naming the missing field when it is no transformer config. An architecture
    that is not known by name is read by its fields and says so in `notes`.
    """
    text = ReadConfig(canonical(text_config(config)))
    text.setdefault("num_hidden_layers", _layers_from_pattern(text))
    missing = [key for key in (*_REQUIRED, "num_hidden_layers") if not text.get(key)]
    if missing:
        raise ValueError(f"{name}: config.json lacks {', '.join(missing)}; is it a language model's config?")
    _check_sizes(text, name)
    family = str(text.get("model_type") or config.get("model_type") or "unknown")
    shape = _shape(text, config, (name, family))
    return replace(shape, notes=_notes(text, family))


def _check_sizes(text: Config, name: str) -> None:
    """Raise ValueError for a size that no model has."""
    for key in (*_REQUIRED, "num_hidden_layers"):
        most = _MOST_LAYERS if key == "num_hidden_layers" else _MOST_SIZE
        if not 1 <= int(text[key]) <= most:
            raise ValueError(f"{name}: {key} must be from 1 to {most:,}, got {text[key]!r:.40}")
    for key, value in text.items():
        if isinstance(value, int) and abs(value) > _MOST_FIELD:
            raise ValueError(f"{name}: {key} is {float(value):g}, which no model has")


def _notes(text: ReadConfig, family: str) -> tuple[str, ...]:
    """What was assumed, and which fields were not understood."""
    known = family in KNOWN_FAMILIES
    notes = [] if known else [f"architecture {family!r} read by its fields alone"]
    if unread := [] if known else sorted(text.unread()):
        notes.append(f"config.json holds {', '.join(unread)}, which is not understood: sizes may be wrong")
    return tuple(notes)


def _shape(text: ReadConfig, config: Config, names: tuple[str, str]) -> ModelShape:
    name, family = names
    return ModelShape(
        name=name,
        family=family,
        hidden_size=int(text["hidden_size"]),
        vocab_size=int(text["vocab_size"]),
        num_layers=int(text["num_hidden_layers"]),
        attention=_attention(text),
        ffn=ffn_groups(text),
        tied_embeddings=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings"))),
        max_context_tokens=int(text.get("max_position_embeddings") or 131072),
        streams=int(text.get("hc_mult") or 1),
        mtp_layers=int(text.get("num_nextn_predict_layers") or text.get("mtp_num_hidden_layers") or 0),
    )


def _layers_from_pattern(text: Config) -> int | None:
    pattern = text.get("hybrid_override_pattern") or text.get("layer_types") or text.get("layers_block_type")
    return len(pattern) if pattern else None


def _attention(text: Config) -> tuple[AttentionGroup, ...]:
    blocks = text.get("block_configs")
    if not blocks:
        return attention_groups(text)
    heads = int(text["num_attention_heads"])
    counts: dict[int, int] = {}
    for block in blocks:
        per_group = block["attention"].get("n_heads_in_group")
        if per_group and not block["attention"].get("no_op"):
            counts[heads // per_group] = counts.get(heads // per_group, 0) + 1
    head_dim = int(text["hidden_size"]) // heads
    return tuple(
        GqaAttention(
            num_layers=count, num_heads=heads, num_kv_heads=kv_heads, head_dim=head_dim, v_head_dim=head_dim
        )
        for kv_heads, count in counts.items()
    )
