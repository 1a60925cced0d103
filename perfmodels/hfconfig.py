"""From a Hugging Face config.json to a ModelShape. Pure: takes the parsed mapping."""

from collections.abc import Mapping
from typing import Any

from perfmodels.hf_attention import attention_groups
from perfmodels.hf_ffn import ffn_groups
from perfmodels.shape import AttentionGroup, GqaAttention, ModelShape

Config = Mapping[str, Any]

# Families whose layer arithmetic was worked through; others are read as their nearest relative.
KNOWN_FAMILIES = frozenset({
    "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_vl_text",
    "qwen3_vl_moe_text", "qwen3_5_text", "qwen3_5_moe_text", "gemma3_text", "gemma4_text", "phi3", "phi",
    "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_linear", "glm4_moe", "glm_moe_dsa",
    "gpt_oss", "minimax_m2", "minimax_m3", "minimax_m3_vl", "deepseek_v4", "deepseek_ref", "qwen3_next",
    "glm4_moe_lite", "llama4_text", "nemotron_h", "nemotron-nas", "mimo",
    "mimo_v2_flash", "step3p7", "cohere2",
})  # fmt: skip

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
    text = dict(text_config(config))
    text.setdefault("num_hidden_layers", _layers_from_pattern(text))
    missing = [key for key in (*_REQUIRED, "num_hidden_layers") if not text.get(key)]
    if missing:
        raise ValueError(f"{name}: config.json lacks {', '.join(missing)}; is it a language model's config?")
    family = str(text.get("model_type") or config.get("model_type") or "unknown")
    notes = () if family in KNOWN_FAMILIES else (f"architecture {family!r} read by its fields alone",)
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
        mtp_layers=int(text.get("num_nextn_predict_layers") or text.get("mtp_num_hidden_layers") or 0),
        notes=notes,
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
