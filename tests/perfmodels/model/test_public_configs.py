"""Configurations that people published, and the sizes that were published beside them."""

import json
from pathlib import Path

import pytest

from perfmodels.model.hf_config import shape_from_config
from perfmodels.model.params import active_params, kv_bytes_per_token_full, total_params

CASES = json.loads((Path(__file__).parents[2] / "fixtures" / "public_configs.json").read_text())
# Families that keep one head of keys and values, latent ones, or none in most layers [elements].
KV_ELEMENTS = {
    "bigcode/starcoder": 40 * 2 * 128,
    "openbmb/MiniCPM3-4B": 62 * (256 + 32),
    "LiquidAI/LFM2-1.2B": 6 * 2 * 8 * 64,
    "ibm-granite/granite-4.0-h-tiny": 4 * 2 * 4 * 128,
    "tiiuae/Falcon-H1-7B-Base": 44 * 2 * 2 * 128,
    "databricks/dbrx-instruct": 40 * 2 * 8 * 128,
    "THUDM/chatglm3-6b": 28 * 2 * 2 * 128,
}


def test_there_are_many_of_many_families():
    assert len(CASES) >= 60
    assert len({case["config"].get("model_type") for case in CASES}) >= 30
    assert all(case["source"] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_sizes_are_those_published(case):
    shape = shape_from_config(case["config"], name=case["id"])
    assert total_params(shape) / 1e9 == pytest.approx(case["billions"], rel=0.02)
    assert shape.notes == ()
    if "active" in case:  # published in round numbers
        assert active_params(shape) / 1e9 == pytest.approx(case["active"], rel=0.05)
    if case["id"] in KV_ELEMENTS:
        assert kv_bytes_per_token_full(shape, "bf16") == 2 * KV_ELEMENTS[case["id"]]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_width_that_is_missing_is_named(family):
    config = {"model_type": family, "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}
    if family == "gpt2":  # its class has a default
        assert shape_from_config(config).ffn[0].intermediate_size == 256
        return
    with pytest.raises(ValueError, match="lacks intermediate_size"):
        shape_from_config(config)
