"""Names that families give to sizes in config.json, and what their classes take where a file is silent."""

from collections.abc import Mapping
from typing import Any

from perfmodels.model.hf_fields import Config

_NAMES: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model", "n_embed"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "vocab_size": ("padded_vocab_size",),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size", "block_ff_dim"),
    "head_dim": ("kv_channels",),
    "max_position_embeddings": ("n_positions", "max_seq_len", "seq_length", "model_max_length"),
    "tie_word_embeddings": ("tie_embedding",),
}
# Blocks of sizes inside a file (DBRX, MPT).
_NESTED: Mapping[str, Mapping[str, str]] = {
    "attn_config": {"kv_n_heads": "num_key_value_heads"},
    "ffn_config": {
        "ffn_hidden_size": "intermediate_size",
        "moe_num_experts": "moe_num_experts",
        "moe_top_k": "moe_top_k",
    },
}
# Feed-forwards without a gate: two matrices, four times as wide as the model where nothing is said.
_UNGATED = frozenset({
    "gpt2", "gpt_bigcode", "gptj", "gpt_neo", "gpt_neox", "falcon", "bloom", "opt", "mpt", "phi", "phi-msft",
    "starcoder2", "nemotron", "codegen",
})  # fmt: skip
_UNGATED_ACTIVATIONS = ("relu2",)
_TIED = frozenset({
    "gpt2", "gpt_bigcode", "falcon", "bloom", "opt", "mpt", "starcoder2", "gemma", "gemma2", "gemma3_text",
    "gemma4_text", "cohere", "cohere2", "minicpm", "minicpm3", "lfm2", "lfm2_moe", "hunyuan_v1_dense",
    "hunyuan_v1_moe",
})  # fmt: skip


def is_gated(config: Config) -> bool:
    """Whether a feed-forward has three matrices, as most have, and not two."""
    acts = (config.get("mlp_hidden_act"), config.get("hidden_act"))
    return config.get("model_type") not in _UNGATED and not any(act in _UNGATED_ACTIVATIONS for act in acts)


def canonical(config: Config) -> dict[str, Any]:
    """The config with its sizes under the names that most families use."""
    found = dict(config)
    for block, names in _NESTED.items():
        inner = config.get(block)
        if isinstance(inner, Mapping):
            for key, name in names.items():
                _fill(found, name, inner.get(key))
    for name, others in _NAMES.items():
        _fill(found, name, next((found[key] for key in others if found.get(key) is not None), None))
    for rule in (_heads, _width, _tied, _convolutions):
        rule(found)
    return found


def _fill(found: dict[str, Any], name: str, value: Any) -> None:
    if value is not None and found.get(name) is None:
        found[name] = value


def _heads(found: dict[str, Any]) -> None:
    """One head of keys and values for all queries (Falcon-7B, StarCoder)."""
    if found.get("multi_query") is True and not found.get("new_decoder_architecture"):
        found["num_key_value_heads"] = 1


def _width(found: dict[str, Any]) -> None:
    width, family = found.get("intermediate_size"), found.get("model_type")
    if width is None and family in _UNGATED and found.get("hidden_size"):
        found["intermediate_size"] = int(found.get("expansion_ratio") or 4) * int(found["hidden_size"])
    elif width and family == "qwen":  # written for both halves of the gate
        found["intermediate_size"] = int(width) // 2
    elif width and found.get("block_auto_adjust_ff_dim"):  # LFM2: two thirds, in whole blocks
        block = int(found.get("block_multiple_of") or 256)
        part = int(int(2 * int(width) / 3) * float(found.get("block_ffn_dim_multiplier") or 1.0))
        found["intermediate_size"] = -(-part // block) * block


def _tied(found: dict[str, Any]) -> None:
    if found.get("tie_word_embeddings") is None and found.get("model_type") in _TIED:
        found["tie_word_embeddings"] = True


def _convolutions(found: dict[str, Any]) -> None:
    """The first LFM2 models name only the layers that attend."""
    attending, layers = found.get("full_attn_idxs"), found.get("num_hidden_layers")
    if isinstance(attending, list) and layers and not found.get("layer_types"):
        kinds = ["full_attention" if index in attending else "conv" for index in range(int(layers))]
        found["layer_types"] = kinds
