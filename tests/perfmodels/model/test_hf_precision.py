"""Stored formats read from quantisation configs as they are published."""

import pytest

from perfmodels.model.dtypes import Precision
from perfmodels.model.hf_precision import precision_from_config
from simkit.catalog.model_lookup import model_config

MOE = {"num_experts": 8}


def quantised(**quantisation):
    return {"quantization_config": quantisation}


def modelopt(**quantisation):
    return {"quantization": quantisation}


def weights(bits, kind, activations=None):
    group = {"weights": {"num_bits": bits, "type": kind}, "input_activations": activations}
    return quantised(quant_method="compressed-tensors", config_groups={"group_0": group})


EIGHT = {"num_bits": 8}


def test_nothing_said_is_bfloat16():
    assert precision_from_config({}) == Precision()


@pytest.mark.parametrize(
    ("config", "stored"),
    [
        (quantised(quant_method="fp8", weight_block_size=[128, 128]), "fp8_block"),
        (quantised(quant_method="fp8"), "fp8"),
        (quantised(quant_method="mxfp8"), "mxfp8"),
        (quantised(quant_method="modelopt", quant_algo="MXFP8"), "mxfp8"),
        (quantised(quant_method="awq", bits=4), "int4_wo"),
        (quantised(quant_method="gptq", bits=4), "int4_wo"),
        (quantised(quant_method="mxfp4"), "mxfp4"),
        (quantised(quant_method="modelopt", quant_algo="NVFP4"), "nvfp4"),
        (quantised(quant_method="modelopt", quant_algo="FP8"), "fp8"),
        (weights(8, "float", EIGHT), "fp8"),
        (weights(8, "int", EIGHT), "int8"),
        (weights(8, "int"), "int8_wo"),
        (weights(4, "int"), "int4_wo"),
        (weights(4, "int", EIGHT), "w4a8"),
        (weights(4, "float", {"num_bits": 4}), "nvfp4"),
        (quantised(quant_method="compressed-tensors", format="mxfp4-pack-quantized"), "mxfp4"),
        (quantised(quant_method="compressed-tensors", config_groups={}), "bf16"),
    ],
)
def test_weight_formats(config, stored):
    found = precision_from_config(config)
    assert (found.gemm, found.moe, found.kv) == (stored, stored, "bf16")


@pytest.mark.parametrize("algorithm", ["FP8", "NVFP4"])
def test_producer_files_count_too(algorithm):
    found = precision_from_config({}, modelopt(quant_algo=algorithm, kv_cache_quant_algo="FP8"))
    assert found == Precision(gemm=algorithm.lower(), moe=algorithm.lower(), kv="fp8")


@pytest.mark.parametrize(
    ("scheme", "kv"),
    [(None, "bf16"), ({"num_bits": 8, "type": "float"}, "fp8"), ({"num_bits": 16}, "bf16"), ("FP8", "fp8")],
)
def test_cache_formats(scheme, kv):
    config = {"quantization_config": {"quant_method": "compressed-tensors", "kv_cache_scheme": scheme}}
    assert precision_from_config(config).kv == kv


@pytest.mark.parametrize(
    "excluded",
    ["model.layers.*.self_attn*", "re:.*self_attn.*", "model.layers.*.self_attn.q_a_proj", "*.attn.*"],
)
def test_attention_may_stay_in_bfloat16(excluded):
    quant = modelopt(quant_algo="NVFP4", exclude_modules=["lm_head", excluded])
    assert precision_from_config(MOE, quant) == Precision(gemm="bf16", moe="nvfp4")


def test_other_exclusions_leave_attention_quantised():
    quant = modelopt(quant_algo="NVFP4", exclude_modules=["lm_head", "model.layers.*.mlp.gate"])
    assert precision_from_config(MOE, quant).gemm == "nvfp4"
    indexer = modelopt(quant_algo="NVFP4", exclude_modules=["model.layers.*.self_attn.indexer.wk"])
    assert precision_from_config(MOE, indexer).gemm == "nvfp4"


def test_mixed_precision_by_layer():
    quant = modelopt(
        quant_algo="MIXED_PRECISION",
        quantized_layers={
            "model.layers.*.self_attn.q_proj": {"quant_algo": "FP8"},
            "model.layers.*.mlp.shared_experts.up_proj": {"quant_algo": "FP8"},
            "model.layers.*.mlp.experts.*.up_proj": {"quant_algo": "NVFP4"},
        },
    )
    assert precision_from_config(MOE, quant) == Precision(gemm="fp8", moe="nvfp4")


@pytest.mark.parametrize(
    ("name", "gemm", "moe", "kv"),
    [
        ("Qwen/Qwen3-32B", "bf16", "bf16", "bf16"),
        ("Qwen/Qwen3-32B-FP8", "fp8_block", "fp8_block", "bf16"),
        ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "fp8", "fp8", "fp8"),
        ("deepseek-ai/DeepSeek-R1", "fp8_block", "fp8_block", "bf16"),
        ("nvidia/DeepSeek-R1-NVFP4", "bf16", "nvfp4", "bf16"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "bf16", "nvfp4", "fp8"),
        ("nvidia/DeepSeek-V4-Flash-NVFP4", "fp8_block", "nvfp4", "bf16"),
        ("nvidia/MiniMax-M3-NVFP4", "mxfp8", "nvfp4", "bf16"),
        ("nvidia/Llama-3.1-405B-Instruct-NVFP4", "nvfp4", "nvfp4", "fp8"),
        ("openai/gpt-oss-120b", "bf16", "mxfp4", "bf16"),
        ("moonshotai/Kimi-K2-Thinking", "bf16", "int4_wo", "bf16"),
    ],
)
def test_published_checkpoints(name, gemm, moe, kv):
    entry = model_config(name)
    found = precision_from_config(entry.config, entry.hf_quant_config)
    assert found == Precision(gemm=gemm, moe=moe, kv=kv)
