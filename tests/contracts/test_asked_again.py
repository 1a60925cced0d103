"""One question has one answer: what an answer says beside its table is what asking again says.

The same over dozens of random questions: `python experiments/asked_again/run.py --questions 40`.
"""

import pytest
from asked_again.run import checked
from asked_again.statements import CHECKS

LENGTHS = ["--isl", "1000", "--osl", "200"]
QUESTIONS = {
    "a load on few GPUs, one engine": [
        "--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--total-gpus", "4", *LENGTHS, "--ttft", "p90:300",
        "--itl", "20", "--request-rate", "12", "--backend", "vllm",
    ],
    "no load, pools apart: the number in flight is no whole one": [
        "--model", "Qwen/Qwen3-8B", "--gpu", "l40s", "--total-gpus", "3", *LENGTHS, "--itl", "p90:40",
        "--backend", "sglang", "--mode", "disagg",
    ],
    "a mixture of experts, where engines tie": [
        "--model", "openai/gpt-oss-20b", "--gpu", "h200_sxm", "--total-gpus", "2", *LENGTHS,
        "--itl", "p90:25", "--request-rate", "0.5", "--mode", "agg",
    ],
    "bounds out of reach, relaxed as said": [
        "--model", "Qwen/Qwen3-8B", "--gpu", "a100_sxm", "--total-gpus", "1", *LENGTHS, "--ttft", "100",
        "--itl", "9", "--concurrency", "32", "--backend", "vllm",
    ],
    "too large, with the GPUs that it takes": [
        "--model", "deepseek-ai/DeepSeek-R1", "--gpu", "l40s", "--total-gpus", "1", *LENGTHS,
        "--ttft", "1000", "--mode", "agg",
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_statement_is_what_asking_again_says(question):
    found = checked(QUESTIONS[question])
    assert len(found) >= 2
    assert [str(one) for one in found if not one.holds] == []


SWEPT = {
    "a load, priced": [
        "--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--total-gpus", "2", *LENGTHS, "--ttft", "300",
        "--itl", "20", "--request-rate", "4", "--backend", "vllm", "--gpu-hour-price", "2.5", "--mode", "agg",
    ],
    "pools apart": [
        "--model", "Qwen/Qwen3-8B", "--gpu", "h100_sxm", "--total-gpus", "2", *LENGTHS, "--itl", "p90:20",
        "--concurrency", "16", "--backend", "sglang", "--mode", "disagg",
    ],
}  # fmt: skip


@pytest.mark.parametrize("question", SWEPT)
def test_a_point_its_page_its_dgd_and_its_simulation_say_what_estimate_says(question):
    found = checked(SWEPT[question], tuple(check for check in CHECKS if "swept" in check.__name__))
    assert {one.kind for one in found} >= {
        "point by estimate", "report of a run", "exported point", "simulated point", "closed form beside",
    }  # fmt: skip
    assert [str(one) for one in found if not one.holds] == []
