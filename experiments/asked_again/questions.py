"""Random questions of the kind that people ask: models, GPUs, engines, loads, bounds."""

import random

MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-235B-A22B-FP8",
    "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", "openai/gpt-oss-20b",
    "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-R1", "mistralai/Mixtral-8x7B-Instruct-v0.1",
)  # fmt: skip
GPUS = ("h100_sxm", "h100_sxm", "h200_sxm", "h200_sxm", "b200_sxm", "gb200", "a100_sxm", "l40s", "mi300x")
LENGTHS = ((200, 100), (1000, 200), (1024, 1024), (4000, 500), (8000, 300), (1000, 4000), (30000, 300))


def random_question(rng: random.Random) -> list[str]:
    """Words for `simkit recommend`."""
    isl, osl = rng.choice(LENGTHS)
    total = rng.choice((1, 2, 4, 8, 8, 16, 24, 32, 40, "auto"))
    words = ["--model", rng.choice(MODELS), "--gpu", rng.choice(GPUS), "--total-gpus", str(total)]
    words += ["--isl", str(isl), "--osl", str(osl), *_bounds(rng, isl), *_load(rng, total)]
    backend = rng.choice(("auto", "auto", "vllm", "sglang", "trtllm"))
    words += ["--backend", backend] if backend != "auto" else []
    words += rng.choice(([], [], [], ["--mode", "agg"], ["--mode", "disagg"]))
    words += rng.choice(([],) * 6 + (["--prefix-hit", "0.5"], ["--gpu-hour-price", "2.5"]))
    return words


def _bounds(rng: random.Random, isl: int) -> list[str]:
    ttft = rng.choice((200, 500, 1000, 2000)) * max(1, isl // 4000)
    itl, statistic = rng.choice((8, 15, 25, 40, 80)), rng.choice(("", "", "", "p90:", "p99:"))
    both = ["--ttft", f"{statistic}{ttft}", "--itl", f"{statistic}{itl}"]
    return rng.choice((both, both, both, both[:2], both[2:], ["--e2e-latency", "30000"], []))


def _load(rng: random.Random, total: object) -> list[str]:
    rate = ["--request-rate", str(rng.choice((0.5, 2, 5, 10, 30)))]
    slots = ["--concurrency", str(rng.choice((1, 8, 64, 200, 1000)))]
    return rate if total == "auto" else rng.choice((rate, slots, []))
