"""Configs as Hugging Face has them: all of the catalogue, the families' patterns, and broken ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfmodels.model.hf_config import KNOWN_FAMILIES, shape_from_config, text_config
from perfmodels.model.hf_precision import precision_from_config
from perfmodels.model.params import active_params, total_params
from perfmodels.model.shape import DenseFfn, GqaAttention, LinearAttention, MlaAttention, ModelShape, MoeFfn
from simkit.catalog.model_lookup import model_config, model_names

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip


def attention_of(**changes):
    return shape_from_config({**LLAMA, **changes}).attention


def ffn_of(**changes):
    return shape_from_config({**LLAMA, **changes}).ffn


@pytest.mark.parametrize("name", model_names())
def test_every_entry_of_the_catalogue_is_a_shape(name):
    shape = shape_from_config(model_config(name).config, name=name)
    assert shape.name == name
    assert 0 < active_params(shape) <= total_params(shape)
    mixers, feeds = (sum(g.num_layers for g in groups) for groups in (shape.attention, shape.ffn))
    # Hybrids alternate mixers and feed-forwards as layers of their own; some have both in one layer.
    assert max(mixers, feeds) <= shape.num_layers * (2 if shape.family == "gemma4_text" else 1)
    assert mixers + feeds >= shape.num_layers


def test_a_plain_config():
    shape = shape_from_config(LLAMA, name="x")
    assert shape.attention == (
        GqaAttention(num_layers=32, num_heads=32, num_kv_heads=8, head_dim=128, v_head_dim=128),
    )
    assert shape.ffn == (DenseFfn(num_layers=32, intermediate_size=14336),)
    assert shape.architecture_class == "dense"
    assert shape.notes == ()


def test_missing_fields_are_named():
    with pytest.raises(ValueError, match=r"x: config\.json lacks hidden_size, num_hidden_layers; is it a"):
        shape_from_config({"num_attention_heads": 8, "vocab_size": 10}, name="x")


def test_unknown_architectures_are_read_by_their_fields():
    assert "unheard" not in KNOWN_FAMILIES
    shape = shape_from_config({**LLAMA, "model_type": "unheard"})
    assert shape.attention == shape_from_config(LLAMA).attention
    assert shape.notes == ("architecture 'unheard' read by its fields alone",)


@pytest.mark.parametrize("key", ["text_config", "language_config", "llm_config"])
def test_the_text_tower_of_a_multimodal_model(key):
    config = {key: LLAMA, "tie_word_embeddings": True, "vision_config": {"hidden_size": 9}, "hidden_size": 7}
    assert text_config(config)["hidden_size"] == 4096
    assert shape_from_config(config).tied_embeddings


def test_without_kv_heads_every_head_has_its_own():
    (group,) = shape_from_config({k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}).attention
    assert group.num_kv_heads == 32


def test_sliding_windows_by_flag_list_and_interval():
    assert attention_of(sliding_window=1000)[0].window_tokens == 1000
    assert attention_of(sliding_window=1000, use_sliding_window=False)[0].window_tokens is None
    listed = attention_of(sliding_window=128, layer_types=["sliding_attention", "full_attention"] * 16)
    assert {(g.num_layers, g.window_tokens) for g in listed} == {(16, 128), (16, None)}
    # every sixth of 32 layers sees everything: 5 of them
    spaced = attention_of(sliding_window=1024, sliding_window_pattern=6)
    assert {(g.num_layers, g.window_tokens) for g in spaced} == {(27, 1024), (5, None)}


def test_latent_attention():
    (group,) = shape_from_config(model_config("deepseek-ai/DeepSeek-R1").config).attention
    assert group == MlaAttention(
        num_layers=61, num_heads=128, kv_lora_rank=512, q_lora_rank=1536,
        qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128,
    )  # fmt: skip
    (sparse,) = shape_from_config(model_config("deepseek-ai/DeepSeek-V3.2").config).attention
    assert (sparse.index_heads, sparse.index_head_dim, sparse.index_topk) == (64, 128, 2048)


def test_hybrid_patterns():
    shape = shape_from_config(model_config("Qwen/Qwen3.5-397B-A17B").config)
    kinds = {type(group): group.num_layers for group in shape.attention}
    assert kinds == {LinearAttention: 45, GqaAttention: 15}
    nemotron = {
        **LLAMA, "hybrid_override_pattern": "M-M*ME", "num_hidden_layers": 6, "mamba_num_heads": 8,
        "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "n_routed_experts": 4,
        "num_experts_per_tok": 2,
    }  # fmt: skip
    shape = shape_from_config(nemotron)
    assert {type(g): g.num_layers for g in shape.attention} == {LinearAttention: 3, GqaAttention: 1}
    assert {type(g): g.num_layers for g in shape.ffn} == {DenseFfn: 1, MoeFfn: 1}


def test_expert_layers_after_dense_ones_and_between_them():
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 100}
    assert [g.num_layers for g in ffn_of(**experts)] == [32]
    assert [g.num_layers for g in ffn_of(**experts, first_k_dense_replace=3)] == [3, 29]
    assert [g.num_layers for g in ffn_of(**experts, mlp_only_layers=[0, 1])] == [2, 30]
    assert [g.num_layers for g in ffn_of(**experts, interleave_moe_layer_step=2)] == [16, 16]
    assert [g.num_layers for g in ffn_of(**experts, moe_layer_freq=[0] + [1] * 31)] == [1, 31]


def test_shared_experts():
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 100}
    assert ffn_of(**experts)[0].shared_intermediate_size == 0
    assert ffn_of(**experts, n_shared_experts=2)[0].shared_intermediate_size == 200
    assert ffn_of(**experts, shared_expert_intermediate_size=70)[0].shared_intermediate_size == 70


def test_more_experts_chosen_than_there_are():
    with pytest.raises(ValueError, match=r"top_k must be in 1..num_experts, got 9 of 8"):
        ffn_of(num_experts=8, num_experts_per_tok=9)


def test_layers_searched_one_by_one():
    blocks = [
        {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 3.0}},
        {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.5}},
        {"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": True}},
    ]
    shape = shape_from_config({**LLAMA, "block_configs": blocks, "num_hidden_layers": 3})
    assert [(g.num_layers, g.num_kv_heads) for g in shape.attention] == [(2, 8)]
    # 2/3 * 3 * 4096 = 8192; 2/3 * 1.5 * 4096 = 4096
    assert [(g.num_layers, g.intermediate_size) for g in shape.ffn] == [(1, 8192), (1, 4096)]


@st.composite
def broken_configs(draw):
    """A config of the catalogue with some fields gone and others turned into whole numbers."""
    config = dict(model_config(draw(st.sampled_from(model_names()))).config)
    where = config
    if isinstance(config.get("text_config"), dict) and draw(st.booleans()):
        where = config["text_config"] = dict(config["text_config"])
    keys = sorted(where)
    for key in draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)):
        where.pop(key)
    for key in draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)):
        where[key] = draw(st.integers(-3, 5000))
    return config


@settings(max_examples=400)
@given(config=broken_configs())
def test_broken_configs_are_a_shape_or_a_plain_error(config):
    """Whoever reads a file turns these three errors into one line; any other would be a traceback."""
    try:
        shape = shape_from_config(config)
        precision_from_config(config)
    except (ValueError, KeyError, TypeError):
        return
    assert isinstance(shape, ModelShape)
