"""Sizes of published models: parameters within rounding, KV cache exactly, worked by hand."""

import re

import pytest

from perfmodels.kv_cache import kv_bytes_per_token_per_gpu
from perfmodels.model.dtypes import Precision
from perfmodels.model.params import (
    active_params,
    attention_params,
    embedding_params,
    kv_bytes_per_token,
    kv_bytes_per_token_full,
    total_params,
)
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.model_lookup import model_names

ROUNDED_BY_CARDS = 0.01  # cards print three or four digits and count query/key norms and biases too
NAMES_ROUND = 0.25  # "1B" stands for 1.24e9, "2B" for a 1.7e9 text tower beside its vision encoder

PUBLISHED_TOTAL = {
    "meta-llama/Meta-Llama-3.1-8B": 8.03e9,
    "meta-llama/Meta-Llama-3.1-70B": 70.55e9,
    "meta-llama/Meta-Llama-3.1-405B": 405.85e9,
    "Qwen/Qwen3-0.6B": 0.596e9,  # embeddings are tied: counted once (0.751e9 counts them twice)
    "Qwen/Qwen3-32B": 32.76e9,
    "Qwen/Qwen3-235B-A22B": 235.09e9,
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": 480e9,
    "mistralai/Mixtral-8x7B-v0.1": 46.7e9,
    "mistralai/Mixtral-8x22B-v0.1": 140.6e9,
    "deepseek-ai/DeepSeek-R1": 671e9,
    "moonshotai/Kimi-K2-Instruct": 1.026e12,
    "openai/gpt-oss-120b": 116.83e9,
    "openai/gpt-oss-20b": 20.91e9,
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": 400e9,
    "microsoft/phi-4": 14.66e9,
    "google/gemma-3-27b-it": 27.0e9,
    "deepseek-ai/DeepSeek-V4-Flash": 284e9,
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": 550e9,
}

# Active parameters in the card's own digits: (billions, decimals, whether the card leaves out the
# embedding lookup, of which a token reads one row).
PUBLISHED_ACTIVE = {
    "Qwen/Qwen3-235B-A22B": (22, 0, False),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": (35, 0, False),
    "mistralai/Mixtral-8x7B-v0.1": (12.9, 1, False),
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": (17, 0, False),
    "deepseek-ai/DeepSeek-R1": (37, 0, True),  # 37.55 - 0.93
    "moonshotai/Kimi-K2-Instruct": (32, 0, True),  # 32.86 - 1.17
    "deepseek-ai/DeepSeek-V4-Flash": (13, 0, True),
    "openai/gpt-oss-120b": (5.13, 2, True),  # 5.71 - 0.58; the model card says so in a footnote
    "openai/gpt-oss-20b": (3.61, 2, True),  # 4.19 - 0.58
}


@pytest.mark.parametrize(("name", "published"), PUBLISHED_TOTAL.items())
def test_total_parameters_are_those_published(shape_of, name, published):
    assert total_params(shape_of(name)) == pytest.approx(published, rel=ROUNDED_BY_CARDS)


@pytest.mark.parametrize(("name", "published"), PUBLISHED_ACTIVE.items())
def test_active_parameters_are_those_published(shape_of, name, published):
    billions, decimals, without_lookup = published
    shape = shape_of(name)
    lookup = shape.vocab_size * shape.hidden_size if without_lookup else 0
    assert round((active_params(shape) - lookup) / 1e9, decimals) == billions


def test_llama_3_1_8b_layer_by_layer(shape_of):
    # attention: q 4096*4096, k and v 2*4096*1024, o 4096*4096 = 16,777,216 + 8,388,608 + 16,777,216
    attention = 41_943_040
    ffn = 3 * 4096 * 14336  # gate, up, down = 176,160,768
    layer = attention + ffn + 2 * 4096  # and two norms = 218,112,000
    ends = 2 * 128256 * 4096  # lookup and head = 1,050,673,152
    shape = shape_of("meta-llama/Meta-Llama-3.1-8B")
    assert attention_params(shape) == 32 * attention
    assert embedding_params(shape) == ends
    assert total_params(shape) == 32 * layer + ends + 4096 == 8_030_261_248  # as the model card has it
    assert active_params(shape) == total_params(shape)


def test_qwen3_0_6b_layer_by_layer(shape_of):
    # heads are wider than the hidden size: 16 * 128 = 2048 query columns for a hidden size of 1024
    attention = 1024 * 2048 + 2 * 1024 * 1024 + 2048 * 1024  # 6,291,456
    layer = attention + 3 * 1024 * 3072 + 2 * 1024  # 15,730,688
    lookup = 151936 * 1024  # tied: the head is the same matrix
    shape = shape_of("Qwen/Qwen3-0.6B")
    assert total_params(shape) == 28 * layer + lookup + 1024 == 596_042_752
    # The checkpoint has 28 * 2 * 128 query and key norm weights more: 596,049,920.
    assert total_params(shape) + 28 * 2 * 128 == 596_049_920


def test_mixtral_8x7b_layer_by_layer(shape_of):
    expert = 3 * 4096 * 14336  # 176,160,768
    attention = 41_943_040  # as Llama-3.1-8B
    layer = attention + 8 * expert + 4096 * 8 + 2 * 4096  # and the router: 1,451,270,144
    shape = shape_of("mistralai/Mixtral-8x7B-v0.1")
    assert total_params(shape) == 32 * layer + 2 * 32000 * 4096 + 4096 == 46_702_792_704
    assert active_params(shape) == 46_702_792_704 - 32 * 6 * expert == 12_879_925_248


def test_deepseek_r1_layer_by_layer(shape_of):
    down = 7168 * (1536 + 512 + 64)  # into the query latent, the cache latent, the rotary key
    query_up = 1536 * 128 * (128 + 64)
    kv_up = 512 * 128 * (128 + 128)
    out = 128 * 128 * 7168
    attention = down + query_up + kv_up + out  # 15,138,816 + 37,748,736 + 16,777,216 + 117,440,512
    dense = 3 * 7168 * 18432
    expert = 3 * 7168 * 2048
    sparse = (256 + 1) * expert + 7168 * 256  # one shared expert, and the router
    norms = 61 * 2 * 7168 + 7168
    total = 61 * attention + 3 * dense + 58 * sparse + 2 * 129280 * 7168 + norms
    shape = shape_of("deepseek-ai/DeepSeek-R1")
    assert attention == 187_105_280
    assert total_params(shape) == total == 671_026_279_424
    assert active_params(shape) == total - 58 * (256 - 8) * expert


def test_names_of_the_catalogue_say_the_size(shape_of):
    """Planted truth in every name: `-70B` is the total, `-A3B` the active count, embeddings in or out."""
    pattern = re.compile(r"-(\d+(?:\.\d+)?)[bB](?:-|$)")
    wrong = {}
    for name in model_names():
        base = name.split("/")[-1]
        found = pattern.search(base)
        if not found:
            continue
        counted = active_params if re.search(r"-\d+B-\d+E", base) else total_params  # Llama-4 names it so
        ratio = counted(shape_of(name)) / 1e9 / float(found[1])
        if abs(ratio - 1) > NAMES_ROUND:
            wrong[name] = round(ratio, 2)
        active = re.search(r"-A(\d+(?:\.\d+)?)B", base)
        counts = [
            active_params(shape_of(name)) - uncounted for uncounted in (0, embedding_params(shape_of(name)))
        ]
        if active and all(abs(count / 1e9 / float(active[1]) - 1) > NAMES_ROUND for count in counts):
            wrong[f"{name} active"] = round(active_params(shape_of(name)) / 1e9, 1)
    assert not wrong


# layers * 2 (key and value) * kv heads * head width * 2 bytes, unless said otherwise
KV_BYTES_PER_TOKEN = {
    "meta-llama/Meta-Llama-3.1-8B": 32 * 2 * 8 * 128 * 2,  # 131,072
    "meta-llama/Meta-Llama-3.1-70B": 80 * 2 * 8 * 128 * 2,  # 327,680
    "meta-llama/Meta-Llama-3.1-405B": 126 * 2 * 8 * 128 * 2,  # 516,096
    "meta-llama/Llama-2-7b-hf": 32 * 2 * 32 * 128 * 2,  # 524,288: multi-head, 32 KV heads
    "Qwen/Qwen3-32B": 64 * 2 * 8 * 128 * 2,  # 262,144
    "Qwen/Qwen3-235B-A22B": 94 * 2 * 4 * 128 * 2,  # 192,512
    "deepseek-ai/DeepSeek-R1": 61 * (512 + 64) * 2,  # 70,272: one latent and one rotary key
    "openai/gpt-oss-120b": 18 * 2 * 8 * 64 * 2,  # 36,864: only the 18 full layers keep growing
    "Qwen/Qwen3.5-397B-A17B": 15 * 2 * 2 * 256 * 2,  # 30,720: every fourth of 60 layers has a cache
    # 21 of 43 layers keep 512 + 128 elements per 4 tokens, 20 keep 512 per 128, two nothing: 6,880
    "deepseek-ai/DeepSeek-V4-Flash": 21 * (512 + 128) // 4 * 2 + 20 * 512 // 128 * 2,
    "google/gemma-3-27b-it": 10 * 2 * 16 * 128 * 2,  # 81,920: every sixth of 62 layers sees everything
}


@pytest.mark.parametrize(("name", "expected"), KV_BYTES_PER_TOKEN.items())
def test_cache_per_token_is_exact(shape_of, name, expected):
    assert kv_bytes_per_token(shape_of(name), "bf16") == expected
    assert kv_bytes_per_token(shape_of(name), "fp8") == expected / 2


def cache_bytes(shape, context):
    """What one sequence holds on one GPU."""
    one = PlanArray.of([ParallelPlan()])
    return float(kv_bytes_per_token_per_gpu(shape, Precision(), one, context)[0]) * context


def test_window_layers_stop_growing_at_their_window(shape_of):
    shape = shape_of("openai/gpt-oss-120b")
    per_layer = 2 * 8 * 64 * 2  # 2,048 bytes per token
    assert kv_bytes_per_token_full(shape, "bf16") == 36 * per_layer  # inside the window all layers grow
    assert cache_bytes(shape, 100) == pytest.approx(36 * per_layer * 100)
    assert cache_bytes(shape, 1000) == pytest.approx(18 * per_layer * (1000 + 128))


def test_hybrid_layers_keep_a_state_of_fixed_size(shape_of):
    shape = shape_of("Qwen/Qwen3.5-397B-A17B")
    # 45 of 60 layers: a 128x128 state for each of 64 value heads in float32, and the last three
    # inputs of a convolution over 2*16*128 key and 64*128 value columns in bfloat16
    state = 45 * (4 * 64 * 128 * 128 + 2 * 3 * (2 * 16 * 128 + 64 * 128))
    found = [cache_bytes(shape, context) for context in (1.0, 10_000.0)]
    assert found == pytest.approx([state + 30_720, state + 307_200_000])
