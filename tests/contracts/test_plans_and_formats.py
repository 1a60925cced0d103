"""A plan and a cache format mean the same wherever they are written: in a row, in a short name, in full."""

import pytest
from deployments import request_of
from routes import by_text, table_figures, worst

LOAD = {"isl_tokens": 1024.0, "osl_tokens": 1024.0, "concurrency": 64.0}
# (model, GPU, engine, GPUs of one engine)
EXPERTS = [
    ("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm", 4),
    ("openai/gpt-oss-120b", "h100_sxm", "vllm", 2),
    ("openai/gpt-oss-120b", "b200_sxm", "trtllm", 4),
    ("Qwen/Qwen3-Next-80B-A3B-Thinking", "h200_sxm", "sglang", 4),
    ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "h100_sxm", "vllm", 2),
    ("deepseek-ai/DeepSeek-V2-Lite", "h100_sxm", "sglang", 2),
    ("deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang", 8),
    ("deepseek-ai/DeepSeek-V3", "b200_sxm", "vllm", 8),
]
QUANTISED = [
    (model, gpu, backend, width)
    for model, width, gpus in (
        ("Qwen/Qwen3-32B-FP8", 2, ("h100_sxm", "b200_sxm")),
        ("deepseek-ai/DeepSeek-V3", 8, ("h200_sxm", "b200_sxm")),
        ("nvidia/Qwen3-30B-A3B-NVFP4", 1, ("b200_sxm",)),
    )
    for gpu in gpus
    for backend in ("vllm", "sglang", "trtllm")
]


def row(model, gpu, backend, load=LOAD, **stated):
    return {"model": model, "gpu": gpu, "backend": backend, **load, **stated}


def named(one):
    return " ".join(str(part) for part in one)


@pytest.fixture(scope="module")
def by_name():
    """What `estimate --worker 1xtpN` says of the mixtures of experts."""
    return [by_text(request_of(*one[:3], **LOAD), f"1xtp{one[3]}") for one in EXPERTS]


def test_tensor_parallelism_alone_splits_the_experts_in_a_row_as_in_a_short_name(by_name):
    found = table_figures([row(*one[:3], tp=one[3]) for one in EXPERTS])
    assert not (message := worst(zip(map(named, EXPERTS), by_name, found, strict=True))), message


def test_a_row_that_says_how_experts_are_split_means_the_short_name(by_name):
    found = table_figures([row(*one[:3], tp=one[3], moe_tp=one[3], ep=1, num_gpus=one[3]) for one in EXPERTS])
    assert not (message := worst(zip(map(named, EXPERTS), by_name, found, strict=True))), message


def test_empty_cells_are_cells_that_are_not_there():
    full = [row(*one[:3], tp=one[3]) for one in EXPERTS]
    empty = [{**one, "moe_tp": None, "ep": None, "pp": None, "attn_dp": None} for one in full]
    pairs = zip(map(named, EXPERTS), table_figures(full), table_figures(empty), strict=True)
    assert not (message := worst(pairs)), message


@pytest.mark.parametrize(("text", "stated"), [
    ("1xtep4", {"tp": 4, "ep": 4}), ("1xdep4", {"attn_dp": 4, "ep": 4}),
    ("1xtp2dp2", {"tp": 2, "attn_dp": 2}),
    ("2xtp2", {"tp": 2, "num_gpus": 4}), ("1xtp1dp4mtp4", {"attn_dp": 4, "moe_tp": 4}),
])  # fmt: skip
def test_what_a_row_leaves_out_of_a_plan_is_what_a_short_name_leaves_out(text, stated):
    one = ("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm")
    said = by_text(request_of(*one, **LOAD), text)
    (found,) = table_figures([row(*one, **stated)])
    assert not (message := worst([(f"{one[0]} {text}", said, found)])), message


def test_a_row_that_splits_no_expert_is_refused_with_what_to_do():
    """One of each was once what a row meant by leaving both out."""
    (found,) = table_figures([row("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm", tp=4, moe_tp=1, ep=1)])
    assert "leave both empty" in found["error"]


def test_a_row_of_separate_pools_splits_the_experts_in_each():
    one = ("Qwen/Qwen3-30B-A3B", "h100_sxm", "vllm")
    bare = row(*one, mode="disagg", prefill_tp=2, decode_tp=4)
    full = {**bare, "prefill_moe_tp": 2, "decode_moe_tp": 4}
    whole, short = table_figures([full, bare])
    assert not (message := worst([(one[0], whole, short)])), message


def test_an_engine_keeps_its_cache_in_one_format_whoever_asks():
    """Long prompts, many at once: how fast and how large the cache is decides."""
    load = {"isl_tokens": 8000.0, "osl_tokens": 500.0, "concurrency": 64.0}
    said = [by_text(request_of(*one[:3], **load), f"1xtp{one[3]}") for one in QUANTISED]
    split = [one[3] if "32B" not in one[0] else 1 for one in QUANTISED]
    rows = [
        row(*one[:3], load, tp=one[3], moe_tp=width, ep=1)
        for one, width in zip(QUANTISED, split, strict=True)
    ]
    pairs = list(zip(map(named, QUANTISED), said, table_figures(rows), strict=True))
    assert not (message := "\n".join(filter(None, (worst([pair]) for pair in pairs)))), message


def test_formats_stated_named_and_left_out_are_one_where_they_are_the_checkpoints_own():
    ways = {
        "Qwen/Qwen3-32B": ({"precision": "bf16"}, {"gemm_dtype": "bf16"}),
        "Qwen/Qwen3-32B-FP8": ({"precision": "fp8"}, {"gemm_dtype": "fp8_block"}),
        "nvidia/Qwen3-30B-A3B-NVFP4": ({"precision": "fp4"}, {"gemm_dtype": "nvfp4", "moe_dtype": "nvfp4"}),
        "openai/gpt-oss-120b": ({"precision": "mxfp4"}, {"gemm_dtype": "bf16", "moe_dtype": "mxfp4"}),
        "deepseek-ai/DeepSeek-V3": ({"precision": "fp8"}, {"gemm_dtype": "fp8_block"}),
    }  # fmt: skip
    rows, names = [], []
    for model, stated in ways.items():
        for backend in ("vllm", "sglang"):
            names += [f"{model} {backend} {next(iter(way))}" for way in stated]
            rows += [row(model, "b200_sxm", backend, tp=8, **way) for way in ({}, *stated)]
    found = table_figures(rows)
    pairs = zip(
        names,
        (found[i - i % 3] for i in range(len(found)) if i % 3),
        (found[i] for i in range(len(found)) if i % 3),
        strict=True,
    )
    assert not (message := worst(pairs)), message
