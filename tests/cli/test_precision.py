"""`--precision`: the checkpoint of a model in another number format, the same as if it were named."""

import json

import pytest

ASKED = ("--gpu", "b200_sxm", "--isl", "2000", "--osl", "300", "--backend", "vllm")
WORDS = {
    "estimate": ("--worker", "tp2", "--concurrency", "8"),
    "simulate": ("--worker", "tp2", "--concurrency", "8", "--requests", "20"),
    "recommend": ("--total-gpus", "2", "--concurrency", "8"),
}


@pytest.mark.parametrize("verb", WORDS)
@pytest.mark.parametrize(
    ("precision", "checkpoint"), [("fp8", "Qwen/Qwen3-32B-FP8"), ("NVFP4", "nvidia/Qwen3-32B-NVFP4")]
)
def test_the_flag_is_the_checkpoint_by_its_name(simkit, verb, precision, checkpoint):
    words = (*ASKED, *WORDS[verb], "--quiet", "--format", "json")
    flag = simkit(verb, "--model", "Qwen/Qwen3-32B", "--precision", precision, *words)
    name = simkit(verb, "--model", checkpoint, *words)
    assert flag.status == name.status == 0, flag.err
    assert f"the checkpoint {checkpoint}, weights in" in flag.out
    one, other = (json.loads(found.out) for found in (flag, name))
    best = {"recommend": "selected", "simulate": "time_to_first_token", "estimate": "ttft_ms"}[verb]
    assert one[best] == other[best]


def test_a_model_that_is_stored_so_stays(simkit):
    words = ("--model", "openai/gpt-oss-120b", "--worker", "tp1", "--quiet", "--format", "json")
    found = simkit("estimate", *words, *ASKED, "--precision", "mxfp4")
    assert json.loads(found.out)["model"]["name"] == "openai/gpt-oss-120b"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "Qwen/Qwen3-32B", "--precision", "int3"), "unknown precision 'int3'"),
        (("--model", "Qwen/Qwen3-8B", "--precision", "fp8"), "only bf16 (Qwen/Qwen3-8B); name one"),
        (("--command", "vllm serve Qwen/Qwen3-32B -tp 2", "--precision", "fp8"), "as it is stored"),
        (("--precision", "fp8"), "no request"),
    ],
)
def test_what_cannot_be_is_one_line(simkit, words, said):
    found = simkit("estimate", *words, "--gpu", "b200_sxm")
    assert found.status == 2
    assert said in found.err and found.err.count("\n") == 1
