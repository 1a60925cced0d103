"""Configs of other families: their names for a size are known, and what is not understood is named."""

import pytest

from perfmodels.model.hf_config import shape_from_config
from perfmodels.model.hf_precision import precision_from_config
from perfmodels.model.params import active_params, kv_bytes_per_token, total_params

BASE = {
    "model_type": "some_family", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 100000,
}  # fmt: skip
EXPERTS = {"moe_intermediate_size": 2048, "moe_k": 8}


def shape(**fields):
    return shape_from_config(BASE | fields)


def test_experts_under_another_name_are_experts():
    """ERNIE's names: 64 experts, 8 of them for each token, in all 32 layers."""
    read = shape(
        moe_num_experts=64, **EXPERTS, moe_layer_start_index=0, moe_layer_end_index=31, moe_layer_interval=1
    )
    assert total_params(read) / 1e9 == pytest.approx(53.7, rel=0.002)
    assert active_params(read) / 1e9 == pytest.approx(8.6, rel=0.002)
    assert read.notes == ("architecture 'some_family' read by its fields alone",)


@pytest.mark.parametrize(
    ("fields", "sparse"),
    [
        ({"moe_layer_start_index": 3, "moe_layer_end_index": 30, "moe_layer_interval": 1}, 28),
        ({"moe_layer_interval": 2}, 16),
        ({"expert_layer_period": 2, "expert_layer_offset": 1}, 16),
        ({"moe_layers_enum": "4,5,6,7"}, 4),
        ({"mlp_layer_types": ["dense"] + ["sparse"] * 31}, 31),
        ({"first_k_dense_replace": 1}, 31),
    ],
)
def test_which_layers_have_experts(fields, sparse):
    groups = {
        type(group).__name__: group.num_layers for group in shape(num_experts=64, **EXPERTS, **fields).ffn
    }
    assert groups["MoeFfn"] == sparse
    assert sum(groups.values()) == 32


@pytest.mark.parametrize(
    "fields",
    [
        {"layer_types": ["conv", "conv", "full_attention", "conv"] * 8, "conv_L_cache": 3},
        {"attn_type_list": [0, 0, 1, 0] * 8},
        {
            "attn_layer_period": 4, "attn_layer_offset": 2, "mamba_d_state": 16, "mamba_d_conv": 4,
            "mamba_expand": 2,
        },
        {
            "layer_types": ["mamba", "mamba", "attention", "mamba"] * 8,
            "mamba_n_heads": 128, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1,
            "mamba_d_conv": 4,
        },
        {
            "full_attention_interval": 4, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
            "linear_key_head_dim": 128, "linear_value_head_dim": 128,
        },
    ],
)  # fmt: skip
def test_only_layers_with_attention_cache_keys(fields):
    read = shape(**fields)
    assert kv_bytes_per_token(read, "bf16") == 8 * (2 * 8 * 128 * 2)
    assert sum(group.num_layers for group in read.attention) == 32
    assert not any("not understood" in note for note in read.notes)


@pytest.mark.parametrize(
    "name", ["num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups"]
)
def test_groups_of_heads_under_other_names(name):
    fields = {key: value for key, value in BASE.items() if key != "num_key_value_heads"} | {name: 4}
    assert kv_bytes_per_token(shape_from_config(fields), "bf16") == 32 * 2 * 4 * 128 * 2


def test_a_field_that_nobody_read_is_named():
    notes = shape(moe_num_hidden_experts_per_island=16, router_aux_loss_coef=0.1, conv_bias=True).notes
    assert notes[-1] == (
        "config.json holds moe_num_hidden_experts_per_island, which is not understood: sizes may be wrong"
    )


def test_a_kind_of_layer_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="layer_types holds retention"):
        shape(layer_types=["retention"] * 32)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"quant_method": "gptq", "bits": 8}, "int8_wo"),
        ({"quant_method": "gptq", "bits": 4}, "int4_wo"),
        ({"quant_method": "awq", "w_bit": 4}, "int4_wo"),
        ({"quant_method": "auto-round", "bits": 4}, "int4_wo"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4_wo"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8_wo"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}}, "mxfp4"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8"),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "int4_wo"),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}},
            "int8_wo",
        ),
        ({"quant_method": "torchao", "quant_type": "float8_dynamic_activation_float8_weight"}, "fp8"),
    ],
)
def test_methods_of_quantisation(settings, expected):
    assert precision_from_config(BASE | {"quantization_config": settings}).moe == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quant_method": "quip"}, "quant_method 'quip' is not known"),
        ({"quant_method": "gptq", "bits": 3}, "gptq has 3 bits"),
        ({"quant_method": "torchao", "quant_type": "intx"}, "names 'intx'"),
    ],
)
def test_a_method_that_is_not_known_is_refused_not_taken_for_16_bits(settings, said):
    with pytest.raises(ValueError, match=said):
        precision_from_config(BASE | {"quantization_config": settings})
